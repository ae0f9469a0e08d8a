/** etcd's gRPC services on an EtcdServer. */
import { type Code, ConnectError, type ConnectRouter } from '@connectrpc/connect'
import { EtcdError, type EtcdErrorName, etcdError, grpcCodes } from '../errors.ts'
import type { EtcdServer } from '../etcd-server.ts'
import * as pb from '../gen/etcdserverpb/rpc_pb.ts'
import { hashKv } from '../hash.ts'
import { snapshotChunks } from '../snapshot/chunks.ts'
import type { WatchResponse } from '../types.ts'
import type { WatchStream } from '../watch.ts'
import * as convert from './convert.ts'
import { MessageQueue } from './message-queue.ts'

/** Runs a handler; what etcd refuses goes out with its own code (Connect's codes are gRPC's). */
async function answering<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw asConnectError(error)
  }
}

function asConnectError(error: unknown): unknown {
  return error instanceof EtcdError ? new ConnectError(error.message, error.code as Code) : error
}

/** Of a watch stream's responses that wait to be sent, so many are kept; then the watches fall behind until they are gone. */
const waitingResponses = 16

export function registerServices(router: ConnectRouter, server: EtcdServer): void {
  const { store, leases, cluster } = server
  const header = convert.headerOf(cluster)
  const bare = () => ({ header: header(store.revision) })
  const members = () => ({ ...bare(), members: cluster.members.map(convert.member) })
  const refuse = (name: EtcdErrorName) => () => answering(() => Promise.reject(etcdError(name)))
  const noUsers = () =>
    answering(() => Promise.reject(new EtcdError(grpcCodes.unimplemented, 'etcdserver: users and roles are not kept')))

  router.service(pb.KV, {
    range: request =>
      answering(async () => convert.rangeResponse(await server.range(convert.rangeRequest(request)), header)),
    put: request => answering(async () => convert.putResponse(await server.put(convert.putRequest(request)), header)),
    deleteRange: request =>
      answering(async () =>
        convert.deleteRangeResponse(await server.deleteRange(convert.deleteRangeRequest(request)), header),
      ),
    txn: request => answering(async () => convert.txnResponse(await server.txn(convert.txnRequest(request)), header)),
    compact: request =>
      answering(async () => {
        await server.compact({ revision: Number(request.revision) })
        return bare()
      }),
  })

  router.service(pb.Watch, {
    async *watch(requests, context) {
      let stream: WatchStream | undefined
      const queue = new MessageQueue<WatchResponse>(() => stream?.resume())
      stream = await answering(() =>
        server.watch(response => {
          queue.push(response)
          return queue.length < waitingResponses
        }),
      )
      const end = () => {
        forget()
        stream.close()
        queue.end()
      }
      const forget = server.onLost(() => end())
      context.signal.addEventListener('abort', end)
      const read = async () => {
        try {
          for await (const request of requests) stream.request(convert.watchRequest(request))
        } catch {
          end()
        }
      }
      void read()
      try {
        for await (const response of queue) yield convert.watchResponse(response, header)
      } finally {
        end()
      }
    },
  })

  router.service(pb.Lease, {
    leaseGrant: ({ ID, TTL }) =>
      answering(async () => {
        const lease = await server.leaseGrant(ID, Number(TTL))
        return { ...bare(), ID: lease.id, TTL: BigInt(lease.ttl) }
      }),
    leaseRevoke: ({ ID }) =>
      answering(async () => {
        await server.leaseRevoke(ID)
        return bare()
      }),
    async *leaseKeepAlive(requests) {
      for await (const { ID } of requests) {
        const ttl = await answering(() => server.keepAlive(ID))
        yield { ...bare(), ID, TTL: BigInt(ttl) }
      }
    },
    leaseTimeToLive: ({ ID, keys }) => {
      const lease = leases.timeToLive(ID)
      if (!lease) return { ...bare(), ID, TTL: -1n }
      const { ttl, grantedTtl } = lease
      const attached = keys ? lease.keys.map(convert.bytesOf) : []
      return { ...bare(), ID, TTL: BigInt(ttl), grantedTTL: BigInt(grantedTtl), keys: attached }
    },
    leaseLeases: () => ({ ...bare(), leases: leases.ids().map(ID => ({ ID })) }),
  })

  router.service(pb.Cluster, {
    memberAdd: request => answering(() => server.memberAdd(request.peerURLs)),
    memberRemove: request => answering(() => server.memberRemove(request.ID)),
    memberUpdate: request => answering(() => server.memberUpdate(request.ID)),
    memberPromote: request => answering(() => server.memberPromote(request.ID)),
    memberList: () => ({ ...members(), header: header(0) }),
  })

  router.service(pb.Maintenance, {
    alarm: request =>
      answering(async () => {
        const alarms = [{ memberID: cluster.self.id, alarm: pb.AlarmType.NOSPACE }]
        const { action, alarm } = request
        if (action === pb.AlarmRequest_AlarmAction.GET || alarm !== pb.AlarmType.NOSPACE) {
          return server.noSpace && alarm !== pb.AlarmType.CORRUPT ? { alarms } : {}
        }
        const was = server.noSpace
        await server.alarm(action === pb.AlarmRequest_AlarmAction.ACTIVATE ? 'ACTIVATE' : 'DEACTIVATE')
        return was || server.noSpace ? { alarms } : {}
      }),
    status: () => ({
      ...bare(),
      version: cluster.version,
      dbSize: BigInt(server.dbSize),
      leader: cluster.leader,
      raftIndex: BigInt(server.raftIndex),
      raftTerm: BigInt(cluster.raftTerm),
      raftAppliedIndex: BigInt(server.raftIndex),
      errors: server.noSpace ? [`memberID:${cluster.self.id} alarm:NOSPACE `] : [],
      dbSizeInUse: BigInt(store.size),
    }),
    defragment: () => ({}),
    hash: () => ({ ...bare(), hash: hashKv(store.records()) }),
    hashKV: ({ revision }) =>
      answering(() => {
        if (revision > store.revision) throw etcdError('futureRevision')
        if (revision > 0 && revision < store.compactRevision) throw etcdError('compacted')
        const hash = hashKv(store.records(), revision > 0 ? Number(revision) : undefined)
        return { ...bare(), hash, compactRevision: BigInt(store.compactRevision || -1) }
      }),
    async *snapshot() {
      for (const { remaining, blob } of snapshotChunks(server)) {
        yield { remainingBytes: BigInt(remaining), blob: new Uint8Array(blob) }
      }
    },
    moveLeader: ({ targetID }) =>
      answering(async () => {
        await server.moveLeader(targetID)
        return bare()
      }),
  })

  router.service(pb.Auth, {
    authEnable: refuse('rootUserNotExist'),
    authDisable: bare,
    authStatus: () => ({ ...bare(), authRevision: 1n }),
    authenticate: refuse('authNotEnabled'),
    userAdd: noUsers,
    userGet: refuse('userNotFound'),
    userList: bare,
    userDelete: refuse('userNotFound'),
    userChangePassword: refuse('userNotFound'),
    userGrantRole: refuse('userNotFound'),
    userRevokeRole: refuse('userNotFound'),
    roleAdd: noUsers,
    roleGet: refuse('roleNotFound'),
    roleList: bare,
    roleDelete: refuse('roleNotFound'),
    roleGrantPermission: refuse('roleNotFound'),
    roleRevokePermission: refuse('roleNotFound'),
  })
}
