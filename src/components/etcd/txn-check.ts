/** What etcd checks of a request before anything is applied or logged. Source: etcd's etcdserver/api/v3rpc/key.go. */
import { etcdError } from './errors.ts'
import type { Bytes, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest } from './types.ts'

export function checkRange(request: RangeRequest): void {
  if (request.key === '') throw etcdError('emptyKey')
}

export function checkPut(request: PutRequest): void {
  if (request.key === '') throw etcdError('emptyKey')
  if (request.ignoreValue && request.value) throw etcdError('valueProvided')
  if (request.ignoreLease && request.lease) throw etcdError('leaseProvided')
}

export function checkDeleteRange(request: DeleteRangeRequest): void {
  if (request.key === '') throw etcdError('emptyKey')
}

/** @param maxOps `--max-txn-ops`; a transaction inside gets what the one around it leaves */
export function checkTxn(request: TxnRequest, maxOps: number): void {
  checkOps(request, maxOps)
  touched(request.success ?? [])
  touched(request.failure ?? [])
}

function checkOps({ compare = [], success = [], failure = [] }: TxnRequest, maxOps: number): void {
  const ops = Math.max(compare.length, success.length, failure.length)
  if (ops > maxOps) throw etcdError('tooManyOps')
  for (const { key } of compare) if (key === '') throw etcdError('emptyKey')
  for (const op of [...success, ...failure]) {
    if (op.range) checkRange(op.range)
    else if (op.put) checkPut(op.put)
    else if (op.deleteRange) checkDeleteRange(op.deleteRange)
    else if (op.txn) checkOps(op.txn, maxOps - ops)
    else throw etcdError('keyNotFound')
  }
}

interface Interval {
  start: Bytes
  /** Exclusive; undefined: to the last key. */
  end: Bytes | undefined
}

/**
 * What a list of operations puts and deletes; no key may be put twice, nor put and deleted (etcd's checkIntervals).
 * The two branches of a transaction inside exclude each other, so they may put the same key.
 */
function touched(ops: readonly RequestOp[]): { puts: Set<Bytes>; deletes: Interval[] } {
  const puts = new Set<Bytes>()
  const deletes: Interval[] = []
  const isDeleted = (key: Bytes) => deletes.some(({ start, end }) => start <= key && (end === undefined || key < end))
  for (const { deleteRange } of ops) if (deleteRange) deletes.push(intervalOf(deleteRange))
  for (const { txn } of ops) {
    if (!txn) continue
    const then = touched(txn.success ?? [])
    const otherwise = touched(txn.failure ?? [])
    for (const key of then.puts) {
      if (puts.has(key) || isDeleted(key)) throw etcdError('duplicateKey')
      puts.add(key)
    }
    for (const key of otherwise.puts) {
      if ((puts.has(key) && !then.puts.has(key)) || isDeleted(key)) throw etcdError('duplicateKey')
      puts.add(key)
    }
    deletes.push(...then.deletes, ...otherwise.deletes)
  }
  for (const { put } of ops) {
    if (!put) continue
    if (puts.has(put.key) || isDeleted(put.key)) throw etcdError('duplicateKey')
    puts.add(put.key)
  }
  return { puts, deletes }
}

function intervalOf({ key, rangeEnd = '' }: DeleteRangeRequest): Interval {
  if (rangeEnd === '') return { start: key, end: `${key}\0` }
  return { start: key, end: rangeEnd === '\0' ? undefined : rangeEnd }
}

/** True when neither branch, at any depth, writes. */
export function isReadOnly({ success = [], failure = [] }: TxnRequest): boolean {
  return [...success, ...failure].every(op => !op.put && !op.deleteRange && (!op.txn || isReadOnly(op.txn)))
}
