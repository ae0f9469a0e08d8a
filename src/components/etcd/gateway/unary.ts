/** The gateway's paths that answer one request with one response. Each gives the response's JSON text. */

import { EtcdError, type EtcdErrorName, etcdError, grpcCodes } from '../errors.ts'
import type { Answer, EtcdServer } from '../etcd-server.ts'
import { hashKv } from '../hash.ts'
import type { CompactionRequest, DeleteRangeRequest, PutRequest, RangeRequest, TxnRequest } from '../types.ts'
import { decodeBody, type Schema } from './decode.ts'
import * as encode from './encode.ts'
import * as schemas from './schemas.ts'

export type Unary = (body: string) => Answer<string | Buffer>

/** Continues with the answer, at once when it is there at once. */
function then<T, U>(answer: Answer<T>, next: (value: T) => U): Answer<U> {
  return answer instanceof Promise ? answer.then(next) : next(answer)
}

/** The paths of one server, without the version in front (`/kv/range`). */
export function unaryPaths(server: EtcdServer): Record<string, Unary> {
  const header = encode.headerOf(server.cluster)
  const bare = () => `{"header":${header(server.store.revision)}}`
  const refuse = (name: EtcdErrorName) => () => {
    throw etcdError(name)
  }
  const notKept = () => {
    throw new EtcdError(grpcCodes.unimplemented, 'etcdserver: users and roles are not kept')
  }
  function path<T>(schema: Schema, handle: (request: T) => Answer<string | Buffer>): Unary {
    return body => handle(decodeBody<T>(schema, body))
  }

  const revoke = path<{ id?: bigint }>(schemas.leaseRequest, ({ id = 0n }) => then(server.leaseRevoke(id), bare))
  const timeToLive = path<{ id?: bigint; keys?: boolean }>(schemas.leaseRequest, ({ id = 0n, keys }) => {
    const lease = server.leases.timeToLive(id)
    const start = `{"header":${header(server.store.revision)},"ID":"${id}"`
    if (!lease) return `${start},"TTL":"-1"}`
    const ttl = lease.ttl === 0 ? '' : `,"TTL":"${lease.ttl}"`
    const list = keys && lease.keys.length > 0 ? `,"keys":[${lease.keys.map(key => `"${btoa(key)}"`).join(',')}]` : ''
    return `${start}${ttl},"grantedTTL":"${lease.grantedTtl}"${list}}`
  })
  const leases: Unary = () => {
    const ids = server.leases.ids().map(id => `{"ID":"${id}"}`)
    return `{"header":${header(server.store.revision)}${ids.length > 0 ? `,"leases":[${ids.join(',')}]` : ''}}`
  }

  return {
    '/kv/range': path<RangeRequest>(schemas.rangeRequest, request =>
      then(server.range(withKey(request)), response => encode.encodeRangeBody(response, header)),
    ),
    '/kv/put': path<PutRequest>(schemas.putRequest, request =>
      then(server.put(withKey(request)), response => encode.encodePut(response, header)),
    ),
    '/kv/deleterange': path<DeleteRangeRequest>(schemas.deleteRangeRequest, request =>
      then(server.deleteRange(withKey(request)), response => encode.encodeDeleteRange(response, header)),
    ),
    '/kv/txn': path<TxnRequest>(schemas.txnRequest, request =>
      then(server.txn(withKeys(request)), response => encode.encodeTxn(response, header)),
    ),
    '/kv/compaction': path<Partial<CompactionRequest>>(schemas.compactionRequest, ({ revision = 0 }) =>
      then(server.compact({ revision }), bare),
    ),

    '/lease/grant': path<{ id?: bigint; ttl?: number }>(schemas.leaseGrantRequest, ({ id = 0n, ttl = 0 }) =>
      then(
        server.leaseGrant(id, ttl),
        lease => `{"header":${header(server.store.revision)},"ID":"${lease.id}","TTL":"${lease.ttl}"}`,
      ),
    ),
    '/lease/revoke': revoke,
    '/kv/lease/revoke': revoke,
    '/lease/timetolive': timeToLive,
    '/kv/lease/timetolive': timeToLive,
    '/lease/leases': leases,
    '/kv/lease/leases': leases,

    '/cluster/member/list': () =>
      `{"header":${header(0)},"members":[${server.cluster.members.map(encode.encodeMember).join(',')}]}`,
    '/cluster/member/add': path<{ peerUrls?: string[] }>(schemas.memberRequest, ({ peerUrls = [] }) => {
      server.memberAdd(peerUrls)
      return bare()
    }),
    '/cluster/member/remove': path<{ id?: bigint }>(schemas.memberRequest, ({ id = 0n }) => {
      server.memberRemove(id)
      return bare()
    }),
    '/cluster/member/update': path<{ id?: bigint }>(schemas.memberRequest, ({ id = 0n }) => {
      server.memberUpdate(id)
      return bare()
    }),
    '/cluster/member/promote': path<{ id?: bigint }>(schemas.memberRequest, ({ id = 0n }) => {
      server.memberPromote(id)
      return bare()
    }),

    '/maintenance/status': () => {
      const { cluster, store, raftIndex, noSpace } = server
      return JSON.stringify({
        header: JSON.parse(header(store.revision)),
        version: cluster.version,
        dbSize: String(server.dbSize),
        leader: String(cluster.leader),
        raftIndex: String(raftIndex),
        raftTerm: String(cluster.raftTerm),
        raftAppliedIndex: String(raftIndex),
        ...(noSpace ? { errors: [`memberID:${cluster.self.id} alarm:NOSPACE `] } : {}),
        dbSizeInUse: String(store.size),
      })
    },
    '/maintenance/alarm': path<{ action?: string; memberId?: bigint; alarm?: string }>(
      schemas.alarmRequest,
      ({ action = 'GET', alarm = 'NONE' }) => {
        const list = () => `{"alarms":[{"memberID":"${server.cluster.self.id}","alarm":"NOSPACE"}]}`
        if (action === 'GET' || alarm !== 'NOSPACE') {
          return server.noSpace && alarm !== 'CORRUPT' ? list() : '{}'
        }
        const was = server.noSpace
        return then(server.alarm(action as 'ACTIVATE' | 'DEACTIVATE'), () => (was || server.noSpace ? list() : '{}'))
      },
    ),
    '/maintenance/defragment': () => '{}',
    '/maintenance/hash': () => `{"header":${header(server.store.revision)},"hash":${hashKv(server.store.records())}}`,
    '/maintenance/transfer-leadership': path<{ targetId?: bigint }>(schemas.moveLeaderRequest, ({ targetId = 0n }) =>
      then(server.moveLeader(targetId), bare),
    ),

    // no users or roles are kept: etcd's answers while there are none
    '/auth/user/add': notKept,
    '/auth/role/add': notKept,
    '/auth/enable': refuse('rootUserNotExist'),
    '/auth/disable': bare,
    '/auth/authenticate': refuse('authNotEnabled'),
    '/auth/user/list': bare,
    '/auth/role/list': bare,
    ...Object.fromEntries(
      ['get', 'delete', 'changepw', 'grant', 'revoke'].map(verb => [`/auth/user/${verb}`, refuse('userNotFound')]),
    ),
    ...Object.fromEntries(
      ['get', 'delete', 'grant', 'revoke'].map(verb => [`/auth/role/${verb}`, refuse('roleNotFound')]),
    ),
  }
}

/** A request without a key has the empty one, which the server refuses. */
export function withKey<T extends { key: string }>(request: T): T {
  request.key ??= ''
  return request
}

function withKeys(request: TxnRequest): TxnRequest {
  for (const compare of request.compare ?? []) withKey(compare)
  for (const op of [...(request.success ?? []), ...(request.failure ?? [])]) {
    if (op.range) withKey(op.range)
    if (op.put) withKey(op.put)
    if (op.deleteRange) withKey(op.deleteRange)
    if (op.txn) withKeys(op.txn)
  }
  return request
}

/** The gRPC methods that the paths stand for: what etcd's gateway calls, and counts. */
const methods: Readonly<Record<string, string>> = {
  '/kv/range': 'KV/Range',
  '/kv/put': 'KV/Put',
  '/kv/deleterange': 'KV/DeleteRange',
  '/kv/txn': 'KV/Txn',
  '/kv/compaction': 'KV/Compact',
  '/watch': 'Watch/Watch',
  '/lease/grant': 'Lease/LeaseGrant',
  '/lease/revoke': 'Lease/LeaseRevoke',
  '/lease/keepalive': 'Lease/LeaseKeepAlive',
  '/lease/timetolive': 'Lease/LeaseTimeToLive',
  '/lease/leases': 'Lease/LeaseLeases',
  '/cluster/member/list': 'Cluster/MemberList',
  '/maintenance/status': 'Maintenance/Status',
  '/maintenance/alarm': 'Maintenance/Alarm',
  '/maintenance/snapshot': 'Maintenance/Snapshot',
}

export const methodOf = (path: string): string | undefined => {
  const method = methods[path.replace(/^\/kv\/lease\//, '/lease/')]
  return method && `etcdserverpb.${method}`
}
