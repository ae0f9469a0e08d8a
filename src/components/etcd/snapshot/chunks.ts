/** A snapshot as etcd streams it: the database file in pieces, then its SHA-256, which `snapshot restore` checks. */
import { createHash } from 'node:crypto'
import type { EtcdServer } from '../etcd-server.ts'
import { snapshotFile } from './snapshot-file.ts'

/** etcd's snapshotSendBufferSize. */
const chunkBytes = 32 * 1024

export function* snapshotChunks(server: EtcdServer): Generator<{ remaining: number; blob: Buffer }> {
  const file = snapshotFile(server)
  for (let at = 0; at < file.length; at += chunkBytes) {
    const blob = file.subarray(at, at + chunkBytes)
    yield { remaining: file.length - at - blob.length, blob }
  }
  yield { remaining: 0, blob: createHash('sha256').update(file).digest() }
}
