/** Entries and snapshots as JSON. Lease ids are decimal strings, since they have more digits than a double. */
import type { Entry, SnapshotData } from '../journal.ts'
import type { KeyValue } from '../types.ts'

const withoutBigints = (_: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value)
const withBigints = (key: string, value: unknown) => (key === 'lease' || key === 'id' ? BigInt(value as string) : value)

export function encodeEntry(entry: Entry): string {
  // what the apiserver writes most is a put or a transaction without a lease: no need to look at every value
  return entry.put && entry.put.lease === undefined ? JSON.stringify(entry) : JSON.stringify(entry, withoutBigints)
}

/** Any value with lease ids in it, and back. */
export const toText = (value: unknown): string => JSON.stringify(value, withoutBigints)
export const fromText = (text: string): unknown => JSON.parse(text, withBigints)

export const decodeEntry = (text: string): Entry => JSON.parse(text, withBigints)

/** So many bytes of records go into one frame. */
const frameSize = 64 * 1024

/** The first payload is about the whole, the others are lists of records, and the last is an end mark. */
export function* encodeSnapshot({ records, ...about }: SnapshotData): Generator<string> {
  yield JSON.stringify(about, withoutBigints)
  let list: unknown[] = []
  let size = 0
  for (const kv of records) {
    list.push([kv.key, kv.createRevision, kv.modRevision, kv.version, kv.value, String(kv.lease)])
    size += kv.key.length + kv.value.length + 40
    if (size < frameSize) continue
    yield JSON.stringify(list)
    list = []
    size = 0
  }
  if (list.length > 0) yield JSON.stringify(list)
  yield 'null'
}

/** undefined: not whole. */
export function decodeSnapshot(payloads: readonly string[]): SnapshotData | undefined {
  if (payloads.length < 2 || payloads.at(-1) !== 'null') return undefined
  const about = JSON.parse(payloads[0]!, withBigints) as Omit<SnapshotData, 'records'>
  const records: KeyValue[] = []
  for (const payload of payloads.slice(1, -1)) {
    for (const [key, createRevision, modRevision, version, value, lease] of JSON.parse(payload)) {
      records.push({ key, createRevision, modRevision, version, value, lease: BigInt(lease) })
    }
  }
  return { ...about, records }
}
