/** Between protobuf messages and the requests and responses of this folder (../types.ts). */
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { ClusterInfo } from '../cluster.ts'
import * as pb from '../gen/etcdserverpb/rpc_pb.ts'
import { Event_EventType, type EventSchema, type KeyValueSchema } from '../gen/mvccpb/kv_pb.ts'
import type * as api from '../types.ts'

/** Puts a revision into a response's header. */
export type Header = (revision: number) => MessageInitShape<typeof pb.ResponseHeaderSchema>

export function headerOf(cluster: ClusterInfo): Header {
  const fixed = { clusterId: cluster.id, memberId: cluster.self.id }
  return revision => ({ ...fixed, raftTerm: BigInt(cluster.raftTerm), revision: BigInt(revision) })
}

/** In transactions etcd fills in nothing but the revision. */
const innerHeader: Header = revision => ({ revision: BigInt(revision) })

export function bytesOf(text: api.Bytes): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text, 'latin1'))
}

function textOf(bytes: Uint8Array): api.Bytes {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

// requests

const sortOrders = ['NONE', 'ASCEND', 'DESCEND'] as const
const sortTargets = ['KEY', 'VERSION', 'CREATE', 'MOD', 'VALUE'] as const
const compareResults = ['EQUAL', 'GREATER', 'LESS', 'NOT_EQUAL'] as const
const compareTargets = ['VERSION', 'CREATE', 'MOD', 'VALUE', 'LEASE'] as const

export function rangeRequest(request: pb.RangeRequest): api.RangeRequest {
  return {
    key: textOf(request.key),
    rangeEnd: textOf(request.rangeEnd),
    limit: Number(request.limit),
    revision: Number(request.revision),
    sortOrder: sortOrders[request.sortOrder] ?? 'NONE',
    sortTarget: sortTargets[request.sortTarget] ?? 'KEY',
    keysOnly: request.keysOnly,
    countOnly: request.countOnly,
    minModRevision: Number(request.minModRevision),
    maxModRevision: Number(request.maxModRevision),
    minCreateRevision: Number(request.minCreateRevision),
    maxCreateRevision: Number(request.maxCreateRevision),
  }
}

export function putRequest(request: pb.PutRequest): api.PutRequest {
  const { lease, prevKv, ignoreValue, ignoreLease } = request
  return { key: textOf(request.key), value: textOf(request.value), lease, prevKv, ignoreValue, ignoreLease }
}

export function deleteRangeRequest(request: pb.DeleteRangeRequest): api.DeleteRangeRequest {
  return { key: textOf(request.key), rangeEnd: textOf(request.rangeEnd), prevKv: request.prevKv }
}

export function txnRequest(request: pb.TxnRequest): api.TxnRequest {
  return {
    compare: request.compare.map(compare),
    success: request.success.map(requestOp),
    failure: request.failure.map(requestOp),
  }
}

function compare(request: pb.Compare): api.Compare {
  const { targetUnion } = request
  const operand: Partial<api.Compare> = {}
  if (targetUnion.case === 'value') operand.value = textOf(targetUnion.value)
  else if (targetUnion.case === 'lease') operand.lease = targetUnion.value
  else if (targetUnion.case) operand[targetUnion.case] = Number(targetUnion.value)
  return {
    key: textOf(request.key),
    rangeEnd: textOf(request.rangeEnd),
    result: compareResults[request.result] ?? 'EQUAL',
    target: compareTargets[request.target] ?? 'VERSION',
    ...operand,
  }
}

function requestOp({ request }: pb.RequestOp): api.RequestOp {
  switch (request.case) {
    case 'requestRange':
      return { range: rangeRequest(request.value) }
    case 'requestPut':
      return { put: putRequest(request.value) }
    case 'requestDeleteRange':
      return { deleteRange: deleteRangeRequest(request.value) }
    case 'requestTxn':
      return { txn: txnRequest(request.value) }
    case undefined:
      return {}
  }
}

export function watchRequest({ requestUnion: { case: kind, value } }: pb.WatchRequest): api.WatchRequest {
  switch (kind) {
    case 'createRequest':
      return {
        createRequest: {
          key: textOf(value.key),
          rangeEnd: textOf(value.rangeEnd),
          startRevision: Number(value.startRevision),
          progressNotify: value.progressNotify,
          filters: value.filters.map(filter =>
            filter === pb.WatchCreateRequest_FilterType.NOPUT ? 'NOPUT' : 'NODELETE',
          ),
          prevKv: value.prevKv,
          watchId: Number(value.watchId),
          fragment: value.fragment,
        },
      }
    case 'cancelRequest':
      return { cancelRequest: { watchId: Number(value.watchId) } }
    case 'progressRequest':
      return { progressRequest: {} }
    case undefined:
      return {}
  }
}

// responses

export function keyValue(kv: api.KeyValue, keysOnly = false): MessageInitShape<typeof KeyValueSchema> {
  return {
    key: bytesOf(kv.key),
    createRevision: BigInt(kv.createRevision),
    modRevision: BigInt(kv.modRevision),
    version: BigInt(kv.version),
    value: keysOnly ? new Uint8Array() : bytesOf(kv.value),
    lease: kv.lease,
  }
}

export function rangeResponse(
  response: api.RangeResponse,
  header: Header,
): MessageInitShape<typeof pb.RangeResponseSchema> {
  return {
    header: header(response.revision),
    kvs: response.kvs.map(kv => keyValue(kv, response.keysOnly)),
    more: response.more,
    count: BigInt(response.count),
  }
}

export function putResponse(response: api.PutResponse, header: Header): MessageInitShape<typeof pb.PutResponseSchema> {
  const { prevKv } = response
  return { header: header(response.revision), ...(prevKv ? { prevKv: keyValue(prevKv) } : {}) }
}

export function deleteRangeResponse(
  response: api.DeleteRangeResponse,
  header: Header,
): MessageInitShape<typeof pb.DeleteRangeResponseSchema> {
  return {
    header: header(response.revision),
    deleted: BigInt(response.deleted),
    prevKvs: response.prevKvs.map(kv => keyValue(kv)),
  }
}

export function txnResponse(response: api.TxnResponse, header: Header): MessageInitShape<typeof pb.TxnResponseSchema> {
  return {
    header: header(response.revision),
    succeeded: response.succeeded,
    responses: response.responses.map(responseOp),
  }
}

function responseOp(op: api.ResponseOp): MessageInitShape<typeof pb.ResponseOpSchema> {
  if ('range' in op) return { response: { case: 'responseRange', value: rangeResponse(op.range, innerHeader) } }
  if ('put' in op) return { response: { case: 'responsePut', value: putResponse(op.put, innerHeader) } }
  if ('deleteRange' in op) {
    return { response: { case: 'responseDeleteRange', value: deleteRangeResponse(op.deleteRange, innerHeader) } }
  }
  return { response: { case: 'responseTxn', value: txnResponse(op.txn, innerHeader) } }
}

export function watchResponse(
  response: api.WatchResponse,
  header: Header,
): MessageInitShape<typeof pb.WatchResponseSchema> {
  const { created = false, canceled = false, cancelReason = '', fragment = false } = response
  return {
    header: header(response.revision),
    watchId: BigInt(response.watchId),
    created,
    canceled,
    compactRevision: BigInt(response.compactRevision ?? 0),
    cancelReason,
    fragment,
    events: (response.events ?? []).map(event),
  }
}

function event({ kv, prevKv }: api.Event): MessageInitShape<typeof EventSchema> {
  return {
    type: kv.version === 0 ? Event_EventType.DELETE : Event_EventType.PUT,
    kv: keyValue(kv),
    ...(prevKv ? { prevKv: keyValue(prevKv) } : {}),
  }
}

export function member(from: api.Member): MessageInitShape<typeof pb.MemberSchema> {
  return { ID: from.id, name: from.name, peerURLs: [...from.peerUrls], clientURLs: [...from.clientUrls] }
}
