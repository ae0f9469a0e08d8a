/** The store as the database file of a real etcd (mvcc's and membership's buckets), for `etcdctl snapshot save`. */
import { create, toBinary } from '@bufbuild/protobuf'
import type { EtcdServer } from '../etcd-server.ts'
import { KeyValueSchema } from '../gen/mvccpb/kv_pb.ts'
import { keyValue } from '../grpc/convert.ts'
import type { KeyValue } from '../types.ts'
import { type BoltEntry, writeBolt } from './bolt.ts'

export function snapshotFile(server: EtcdServer): Buffer {
  const { cluster, store, leases } = server
  const empty: BoltEntry[] = []
  const compacted = store.compactRevision
  return writeBolt({
    alarm: empty,
    auth: empty,
    authRevision: empty,
    authRoles: empty,
    authUsers: empty,
    cluster: [{ key: Buffer.from('clusterVersion'), value: Buffer.from(cluster.clusterVersion) }],
    key: keys(store.records()),
    lease: leases
      .all()
      .toSorted((a, b) => (a.id < b.id ? -1 : 1))
      .map(({ id, ttl }) => ({ key: bigEndian(id), value: leaseMessage(id, ttl) })),
    members: cluster.members
      .map(({ id, name, peerUrls, clientUrls }) => ({
        hex: id.toString(16).padStart(16, '0'),
        id,
        name,
        peerUrls,
        clientUrls,
      }))
      .toSorted((a, b) => (a.hex < b.hex ? -1 : 1))
      .map(({ hex, id, name, peerUrls, clientUrls }) => ({
        key: Buffer.from(hex),
        value: Buffer.from(
          `{"id":${id},${JSON.stringify({ peerURLs: peerUrls, name, clientURLs: clientUrls }).slice(1)}`,
        ),
      })),
    members_removed: empty,
    meta: [
      { key: Buffer.from('consistent_index'), value: bigEndian(BigInt(server.raftIndex)) },
      ...(compacted > 0 ? [{ key: Buffer.from('finishedCompactRev'), value: revision(compacted, 0) }] : []),
      ...(compacted > 0 ? [{ key: Buffer.from('scheduledCompactRev'), value: revision(compacted, 0) }] : []),
    ],
  })
}

function* keys(records: readonly KeyValue[]): Generator<BoltEntry> {
  let main = 0
  let sub = 0
  for (const kv of records) {
    sub = kv.modRevision === main ? sub + 1 : 0
    main = kv.modRevision
    const isTombstone = kv.version === 0
    const message = create(KeyValueSchema, isTombstone ? { key: keyValue(kv).key! } : keyValue(kv))
    const at = revision(main, sub)
    yield {
      key: isTombstone ? Buffer.concat([at, Buffer.from('t')]) : at,
      value: Buffer.from(toBinary(KeyValueSchema, message)),
    }
  }
}

/** mvcc.revToBytes: main and sub, 8 bytes each, with a `_` between. */
function revision(main: number, sub: number): Buffer {
  return Buffer.concat([bigEndian(BigInt(main)), Buffer.from('_'), bigEndian(BigInt(sub))])
}

function bigEndian(value: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt.asUintN(64, value))
  return bytes
}

/** leasepb.Lease: ID (1) and TTL (2), both int64. */
function leaseMessage(id: bigint, ttl: number): Buffer {
  return Buffer.from([0x08, ...varint(id), 0x10, ...varint(BigInt(ttl))])
}

function* varint(value: bigint): Generator<number> {
  let rest = BigInt.asUintN(64, value)
  while (rest > 0x7fn) {
    yield Number(rest & 0x7fn) | 0x80
    rest >>= 7n
  }
  yield Number(rest)
}
