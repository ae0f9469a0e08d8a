/**
 * The multi-version store: every revision of every key since the last compaction, in memory. It applies requests that
 * have been checked and made durable, one after the other, and says what changed. Semantics: etcd's mvcc and apply packages.
 */
import { etcdError } from './errors.ts'
import { SortedMap } from './sorted-map.ts'
import { isReadOnly } from './txn-check.ts'
import type {
  Bytes,
  Compare,
  DeleteRangeRequest,
  DeleteRangeResponse,
  Event,
  KeyValue,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  RequestOp,
  ResponseOp,
  SortTarget,
  TxnRequest,
  TxnResponse,
} from './types.ts'

/** A key and its revisions, oldest first; the last is the current one. */
interface Entry {
  key: Bytes
  versions: KeyValue[]
}

/** What a transaction did, for watchers: every record it wrote, and its revision. */
export type CommitListener = (revision: number, records: readonly KeyValue[]) => void

/** Who knows leases: the store asks whether one is there and tells it which keys hang on it. */
export interface LeaseBook {
  has(id: bigint): boolean
  attach(id: bigint, key: Bytes): void
  detach(id: bigint, key: Bytes): void
}

/** Besides its bytes, what a record takes in etcd's backend, roughly: for sizes shown and the quota. */
const recordOverhead = 60

export class Store {
  /** Keys whose newest record is no tombstone: counting and listing the present need no more. */
  #live = new SortedMap<Entry>()
  /** Keys with any record left. */
  #all = new SortedMap<Entry>()
  readonly #byKey = new Map<Bytes, Entry>()
  /** Every record by revision; older than the compaction only for keys in #survivors. */
  #history: KeyValue[] = []
  /** Records at or before the compaction that are still the current ones at that revision. */
  #survivors = new Set<KeyValue>()
  #revision = 1
  #compacted = 0
  #bytes = 0
  #records = 0
  #leases: LeaseBook
  readonly #listeners = new Set<CommitListener>()
  /** Written by the transaction that is under way. */
  #changes: KeyValue[] = []

  constructor(leases: LeaseBook) {
    this.#leases = leases
  }

  get revision(): number {
    return this.#revision
  }

  /** Revisions before this one are gone; 0: never compacted. */
  get compactRevision(): number {
    return this.#compacted
  }

  /** Keys that exist now. */
  get keyCount(): number {
    return this.#live.size
  }

  /** Bytes of all records, about as a backend would need them. */
  get size(): number {
    return this.#bytes + this.#records * recordOverhead
  }

  onCommit(listener: CommitListener): void {
    this.#listeners.add(listener)
  }

  // reading

  /** @throws EtcdError compacted, futureRevision */
  range(request: RangeRequest): RangeResponse {
    const now = this.#revision + (this.#changes.length > 0 ? 1 : 0)
    const { rangeEnd = '', limit = 0, revision = 0, keysOnly = false, sortOrder = 'NONE', sortTarget = 'KEY' } = request
    if (revision > now) throw etcdError('futureRevision')
    if (revision > 0 && revision < this.#compacted) throw etcdError('compacted')
    const past = revision > 0 && revision < now
    const response: RangeResponse = { revision: now, kvs: [], more: false, count: 0, keysOnly }
    if (rangeEnd === '' && sortOrder === 'NONE' && !hasBounds(request)) {
      const kv = this.get(request.key, past ? revision : undefined)
      if (!kv) return response
      response.count = 1
      if (!request.countOnly) response.kvs = [kv]
      return response
    }
    // etcd fetches everything when it has to sort or filter, else one more than the limit, to know whether there is more
    const fetch = limit > 0 && sortOrder === 'NONE' && !hasBounds(request) ? limit + 1 : 0
    let kvs: KeyValue[]
    if (rangeEnd === '') {
      const kv = this.get(request.key, past ? revision : undefined)
      kvs = kv ? [kv] : []
      response.count = kvs.length
    } else if (past) {
      kvs = []
      for (const { versions } of this.#all.values(request.key, openEnd(rangeEnd))) {
        const kv = at(versions, revision)
        if (!kv || kv.version === 0) continue
        response.count++
        if (fetch === 0 || kvs.length < fetch) kvs.push(kv)
      }
    } else {
      const end = openEnd(rangeEnd)
      response.count = this.#live.count(request.key, end)
      if (request.countOnly) return response
      kvs = this.#live.values(request.key, end, fetch).map(entry => entry.versions.at(-1)!)
    }
    if (request.countOnly) return response
    if (hasBounds(request)) kvs = kvs.filter(kv => withinBounds(request, kv))
    if (sortOrder !== 'NONE' || sortTarget !== 'KEY') {
      const sign = sortOrder === 'DESCEND' ? -1 : 1
      kvs.sort((a, b) => sign * compareBy[sortTarget](a, b))
    }
    if (limit > 0 && kvs.length > limit) {
      kvs.length = limit
      response.more = true
    }
    response.kvs = kvs
    return response
  }

  /** The record of a key now, or as of a revision; undefined when it did not exist. */
  get(key: Bytes, revision?: number): KeyValue | undefined {
    const versions = this.#byKey.get(key)?.versions
    const kv = versions && (revision === undefined ? versions.at(-1) : at(versions, revision))
    return kv && kv.version > 0 ? kv : undefined
  }

  /** The events from `revision` on that `wants` takes, oldest first. The caller has checked that it is not compacted. */
  *eventsSince(revision: number, wants: (key: Bytes) => boolean, withPrevious: boolean): Generator<Event> {
    const history = this.#history
    for (let i = indexOfRevision(history, revision); i < history.length; i++) {
      const kv = history[i]!
      if (wants(kv.key)) yield this.event(kv, withPrevious)
    }
  }

  /** The event that a record is, with the record before it when asked for and not compacted away. */
  event(kv: KeyValue, withPrevious: boolean): Event {
    if (!withPrevious) return { kv }
    const versions = this.#byKey.get(kv.key)?.versions
    const before = versions && at(versions, kv.modRevision - 1)
    return before && before.version > 0 && kv.modRevision > this.#compacted ? { kv, prevKv: before } : { kv }
  }

  // writing

  /** @throws EtcdError keyNotFound, leaseNotFound */
  put(request: PutRequest): PutResponse {
    this.#checkPut(request)
    return this.#commit(() => this.#put(request))
  }

  deleteRange(request: DeleteRangeRequest): DeleteRangeResponse {
    return this.#commit(() => this.#deleteRange(request))
  }

  /** The comparisons are made first, all of them; then the branches' requests are checked; then nothing can fail any more. */
  txn(request: TxnRequest): TxnResponse {
    const path = this.#path(request)
    const readOnly = isReadOnly(request)
    this.#checkOps(request, path, readOnly)
    if (readOnly) return { ...this.#applyTxn(request, path), revision: this.#revision }
    return this.#commit(() => {
      const response = this.#applyTxn(request, path)
      response.revision = this.#revision + (this.#changes.length > 0 ? 1 : 0)
      return response
    })
  }

  /** Deletes single keys in one revision (a lease that ended). */
  deleteKeys(keys: readonly Bytes[]): void {
    this.#commit(() => {
      for (const key of keys) this.#deleteRange({ key })
    })
  }

  /** @throws EtcdError compacted, futureRevision */
  compact(revision: number): void {
    if (revision <= this.#compacted) throw etcdError('compacted')
    if (revision > this.#revision) throw etcdError('futureRevision')
    this.#compacted = revision
    const cut = indexOfRevision(this.#history, revision)
    const old = [...this.#survivors, ...this.#history.slice(0, cut)]
    this.#history = this.#history.slice(cut)
    const survivors = new Set<KeyValue>()
    for (const record of old) {
      const entry = this.#byKey.get(record.key)!
      const next = entry.versions[entry.versions.indexOf(record) + 1]
      // needed still when it is what one reads at the compacted revision
      if (record.version > 0 && (next === undefined || next.modRevision > revision)) survivors.add(record)
      else this.#forget(entry, record)
    }
    this.#survivors = survivors
  }

  // snapshots

  /** Everything there is, oldest first: what `restore` takes. */
  records(): KeyValue[] {
    return [...[...this.#survivors].sort((a, b) => a.modRevision - b.modRevision), ...this.#history]
  }

  /** Fills an empty store. Leases must be there already. */
  restore(revision: number, compacted: number, records: Iterable<KeyValue>): void {
    this.#revision = revision
    this.#compacted = compacted
    for (const record of records) {
      this.#record(record)
      if (record.modRevision < compacted) this.#survivors.add(record)
      else this.#history.push(record)
    }
  }

  /** Everything is gone: another member's state comes in its place. */
  clear(): void {
    this.#live = new SortedMap()
    this.#all = new SortedMap()
    this.#byKey.clear()
    this.#history = []
    this.#survivors = new Set()
    this.#bytes = 0
    this.#records = 0
  }

  // inside a transaction

  #commit<T>(work: () => T): T {
    const changes: KeyValue[] = []
    this.#changes = changes
    const result = work()
    this.#changes = []
    if (changes.length > 0) {
      this.#revision++
      for (const kv of changes) this.#history.push(kv)
      for (const listener of this.#listeners) listener(this.#revision, changes)
    }
    return result
  }

  #put(request: PutRequest): PutResponse {
    const { key, value = '', lease = 0n } = request
    const revision = this.#revision + 1
    const before = this.get(key)
    const record: KeyValue = {
      key,
      createRevision: before ? before.createRevision : revision,
      modRevision: revision,
      version: before ? before.version + 1 : 1,
      value: request.ignoreValue ? before!.value : value,
      lease: request.ignoreLease ? before!.lease : lease,
    }
    this.#record(record)
    this.#changes.push(record)
    return request.prevKv && before ? { revision, prevKv: before } : { revision }
  }

  #deleteRange({ key, rangeEnd = '', prevKv }: DeleteRangeRequest): DeleteRangeResponse {
    const found =
      rangeEnd === ''
        ? [this.get(key)].filter(kv => kv !== undefined)
        : this.#live.values(key, openEnd(rangeEnd)).map(entry => entry.versions.at(-1)!)
    for (const kv of found) {
      const tombstone = { ...kv, createRevision: 0, modRevision: this.#revision + 1, version: 0, value: '', lease: 0n }
      this.#record(tombstone)
      this.#changes.push(tombstone)
    }
    const revision = this.#revision + (this.#changes.length > 0 ? 1 : 0)
    return { revision, deleted: found.length, prevKvs: prevKv ? found : [] }
  }

  #applyTxn(request: TxnRequest, path: TxnPath): TxnResponse {
    const ops = (path.succeeded ? request.success : request.failure) ?? []
    let nested = 0
    const responses = ops.map((op): ResponseOp => {
      if (op.range) return { range: this.range(op.range) }
      if (op.put) return { put: this.#put(op.put) }
      if (op.deleteRange) return { deleteRange: this.#deleteRange(op.deleteRange) }
      return { txn: this.#applyTxn(op.txn!, path.nested[nested++]!) }
    })
    return { revision: 0, succeeded: path.succeeded, responses }
  }

  /** Which branches are taken, decided on the state before any of them. */
  #path(request: TxnRequest): TxnPath {
    const succeeded = (request.compare ?? []).every(compare => this.#holds(compare))
    const ops = (succeeded ? request.success : request.failure) ?? []
    return { succeeded, nested: ops.filter(op => op.txn).map(op => this.#path(op.txn!)) }
  }

  #holds(compare: Compare): boolean {
    const { kvs } = this.range({ key: compare.key, rangeEnd: compare.rangeEnd ?? '' })
    // a value that is not there equals nothing, not even the empty one
    if (kvs.length === 0) return compare.target !== 'VALUE' && compareKv(compare, absent)
    return kvs.every(kv => compareKv(compare, kv))
  }

  #checkOps(request: TxnRequest, path: TxnPath, readOnly: boolean): void {
    const each = (request: TxnRequest, path: TxnPath, check: (op: RequestOp) => void) => {
      let nested = 0
      for (const op of (path.succeeded ? request.success : request.failure) ?? []) {
        if (op.txn) each(op.txn, path.nested[nested++]!, check)
        else check(op)
      }
    }
    if (!readOnly) each(request, path, ({ put }) => put && this.#checkPut(put))
    each(request, path, ({ range }) => {
      if (!range?.revision || range.revision < 0) return
      if (range.revision > this.#revision) throw etcdError('futureRevision')
      if (range.revision < this.#compacted) throw etcdError('compacted')
    })
  }

  #checkPut({ key, lease = 0n, ignoreValue, ignoreLease }: PutRequest): void {
    if ((ignoreValue || ignoreLease) && !this.get(key)) throw etcdError('keyNotFound')
    if (lease !== 0n && !this.#leases.has(lease)) throw etcdError('leaseNotFound')
  }

  /** Makes `record` the newest of its key. */
  #record(record: KeyValue): void {
    const { key } = record
    let entry = this.#byKey.get(key)
    if (!entry) {
      entry = { key, versions: [] }
      this.#byKey.set(key, entry)
      this.#all.set(key, entry)
    }
    const before = entry.versions.at(-1)
    const wasLive = before !== undefined && before.version > 0
    entry.versions.push(record)
    this.#records++
    this.#bytes += key.length + record.value.length
    if (record.version > 0 && !wasLive) this.#live.set(key, entry)
    if (record.version === 0 && wasLive) this.#live.delete(key)
    if (before?.lease !== record.lease) {
      if (wasLive && before.lease !== 0n) this.#leases.detach(before.lease, key)
      if (record.lease !== 0n) this.#leases.attach(record.lease, key)
    }
  }

  #forget(entry: Entry, record: KeyValue): void {
    entry.versions.splice(entry.versions.indexOf(record), 1)
    this.#records--
    this.#bytes -= record.key.length + record.value.length
    if (entry.versions.length > 0) return
    this.#byKey.delete(entry.key)
    this.#all.delete(entry.key)
  }
}

interface TxnPath {
  succeeded: boolean
  /** Of the transactions inside the branch taken, in order. */
  nested: TxnPath[]
}

const absent: KeyValue = { key: '', createRevision: 0, modRevision: 0, version: 0, value: '', lease: 0n }

/** '\0' as the end of a range means: to the last key. */
const openEnd = (rangeEnd: Bytes): Bytes | undefined => (rangeEnd === '\0' ? undefined : rangeEnd)

/** The last record with a revision ≤ `revision`. In one transaction a key may have several: the last counts. */
function at(versions: readonly KeyValue[], revision: number): KeyValue | undefined {
  for (let i = versions.length - 1; i >= 0; i--) if (versions[i]!.modRevision <= revision) return versions[i]
  return undefined
}

/** The first index with a revision ≥ `revision`. */
function indexOfRevision(history: readonly KeyValue[], revision: number): number {
  let low = 0
  let high = history.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (history[middle]!.modRevision < revision) low = middle + 1
    else high = middle
  }
  return low
}

const hasBounds = (request: RangeRequest) =>
  Boolean(request.minModRevision || request.maxModRevision || request.minCreateRevision || request.maxCreateRevision)

function withinBounds(request: RangeRequest, kv: KeyValue): boolean {
  const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = request
  return !(
    (maxModRevision && kv.modRevision > maxModRevision) ||
    (minModRevision && kv.modRevision < minModRevision) ||
    (maxCreateRevision && kv.createRevision > maxCreateRevision) ||
    (minCreateRevision && kv.createRevision < minCreateRevision)
  )
}

const compareBytes = (a: Bytes, b: Bytes) => (a < b ? -1 : a > b ? 1 : 0)

const compareBy: Record<SortTarget, (a: KeyValue, b: KeyValue) => number> = {
  KEY: (a, b) => compareBytes(a.key, b.key),
  VERSION: (a, b) => a.version - b.version,
  CREATE: (a, b) => a.createRevision - b.createRevision,
  MOD: (a, b) => a.modRevision - b.modRevision,
  VALUE: (a, b) => compareBytes(a.value, b.value),
}

function compareKv(compare: Compare, kv: KeyValue): boolean {
  const order = orderOf(compare, kv)
  switch (compare.result ?? 'EQUAL') {
    case 'EQUAL':
      return order === 0
    case 'NOT_EQUAL':
      return order !== 0
    case 'GREATER':
      return order > 0
    case 'LESS':
      return order < 0
  }
}

function orderOf(compare: Compare, kv: KeyValue): number {
  switch (compare.target ?? 'VERSION') {
    case 'VERSION':
      return kv.version - (compare.version ?? 0)
    case 'CREATE':
      return kv.createRevision - (compare.createRevision ?? 0)
    case 'MOD':
      return kv.modRevision - (compare.modRevision ?? 0)
    case 'VALUE':
      return compareBytes(kv.value, compare.value ?? '')
    case 'LEASE': {
      const lease = compare.lease ?? 0n
      return kv.lease < lease ? -1 : kv.lease > lease ? 1 : 0
    }
  }
}
