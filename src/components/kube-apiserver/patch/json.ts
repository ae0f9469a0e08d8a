/** RFC 6902, with evanphx/json-patch's words for what does not fit. */
import { badRequest, failure, StatusError } from '#kubernetes/status.ts'
import type { Unstructured } from '#kubernetes/types.ts'

interface Operation {
  op: 'add' | 'remove' | 'replace' | 'move' | 'copy' | 'test'
  path: string
  from?: string
  value?: unknown
}

type Container = Record<string, unknown> | unknown[]

const words: Record<string, string> = {
  add: 'add operation does not apply',
  remove: 'remove operation does not apply',
  replace: 'replace operation does not apply',
}

/** 422 without details, as the original answers a patch that does not apply. */
const unprocessable = (message: string) =>
  new StatusError(
    failure(422, 'Invalid', `the server rejected our request due to an error in our request`, {
      causes: [{ message }],
    }),
  )

/** @throws StatusError */
export function applyJsonPatch(object: Unstructured, operations: unknown): Unstructured {
  if (!Array.isArray(operations))
    throw badRequest('error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch')
  const root = { document: structuredClone(object) as unknown }
  for (const operation of operations as Operation[]) applyOne(root, operation)
  return root.document as Unstructured
}

const steps = (path: string) =>
  path === ''
    ? []
    : path
        .split('/')
        .slice(1)
        .map(step => step.replaceAll('~1', '/').replaceAll('~0', '~'))

function applyOne(root: { document: unknown }, { op, path, from, value }: Operation): void {
  if (typeof path !== 'string') throw unprocessable('operation missing path field')
  switch (op) {
    case 'add':
      put(root, path, structuredClone(value), 'add', true)
      return
    case 'replace':
      read(root, path, 'replace')
      put(root, path, structuredClone(value), 'replace', false)
      return
    case 'remove':
      take(root, path)
      return
    case 'move': {
      const moved = take(root, from ?? '')
      put(root, path, moved, 'add', true)
      return
    }
    case 'copy':
      put(root, path, structuredClone(read(root, from ?? '', 'copy')), 'add', true)
      return
    case 'test':
      if (canonical(read(root, path, 'test', true)) !== canonical(value))
        throw unprocessable(`testing value ${path} failed: test failed`)
      return
    default:
      throw unprocessable(`Unexpected kind: ${JSON.stringify(op)}`)
  }
}

const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, inner) =>
    inner && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  ) ?? 'null'

function parentOf(root: { document: unknown }, path: string, op: string): { parent: Container; key: string } {
  const all = steps(path)
  const key = all.pop()
  if (key === undefined) return { parent: root as unknown as Container, key: 'document' }
  let value = root.document
  for (const step of all) {
    value = Array.isArray(value) ? value[Number(step)] : (value as Record<string, unknown> | undefined)?.[step]
    if (value === null || typeof value !== 'object')
      throw unprocessable(`${words[op] ?? op}: doc is missing path: "${path}": missing value`)
  }
  return { parent: value as Container, key }
}

function index(list: unknown[], key: string, path: string, op: string, adding: boolean): number {
  if (adding && key === '-') return list.length
  const i = /^-?\d+$/.test(key) ? Number(key) : Number.NaN
  if (!(i >= 0 && i < list.length + (adding ? 1 : 0)))
    throw unprocessable(
      `${words[op] ?? op}: doc is missing path: "${path}": Unable to access invalid index: ${key}: invalid index referenced`,
    )
  return i
}

function put(root: { document: unknown }, path: string, value: unknown, op: string, adding: boolean): void {
  const { parent, key } = parentOf(root, path, op)
  if (!Array.isArray(parent)) parent[key] = value
  else parent.splice(index(parent, key, path, op, adding), adding ? 0 : 1, value)
}

function read(root: { document: unknown }, path: string, op: string, missingIsNull = false): unknown {
  const { parent, key } = parentOf(root, path, op)
  if (Array.isArray(parent)) return parent[index(parent, key, path, op, false)]
  if (!(key in parent) && !missingIsNull)
    throw unprocessable(`${words[op] ?? `${op} operation does not apply`}: doc is missing key: ${path}: missing value`)
  return parent[key]
}

function take(root: { document: unknown }, path: string): unknown {
  const value = read(root, path, 'remove')
  const { parent, key } = parentOf(root, path, 'remove')
  if (Array.isArray(parent)) parent.splice(Number(key), 1)
  else delete parent[key]
  return value
}
