/** A checksum over everything in the store: equal on equal stores, as etcd's hash is. The number itself differs from etcd's, which hashes its backend's pages. */
import { crc32 } from 'node:zlib'
import type { KeyValue } from './types.ts'

export function hashKv(records: readonly KeyValue[], revision = Number.POSITIVE_INFINITY): number {
  let hash = 0
  for (const kv of records) {
    if (kv.modRevision > revision) break
    hash = crc32(Buffer.from(`${kv.modRevision} ${kv.version} ${kv.key.length} ${kv.key}${kv.value}`, 'latin1'), hash)
  }
  return hash
}
