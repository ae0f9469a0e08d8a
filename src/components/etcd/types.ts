/**
 * etcd's requests and responses (etcdserverpb, mvccpb) as this folder handles them, whichever way they came in: gRPC or JSON.
 * Keys and values are byte strings: one char a byte ('latin1'). V8 keeps these in one byte each, compares them in byte
 * order as etcd does, and `atob`/`btoa` turn them from and into the gateway's base64 without a Buffer between.
 * Revisions are numbers (2^53 of them are enough for a stand-in); lease ids use all of their 63 bits, so they are bigint.
 */
export type Bytes = string

export interface KeyValue {
  key: Bytes
  createRevision: number
  modRevision: number
  /** 0: a tombstone; this revision deleted the key. */
  version: number
  value: Bytes
  /** 0n: none. */
  lease: bigint
}

type SortOrder = 'NONE' | 'ASCEND' | 'DESCEND'
export type SortTarget = 'KEY' | 'VERSION' | 'CREATE' | 'MOD' | 'VALUE'

export interface RangeRequest {
  key: Bytes
  /** '' : only `key`. '\0': everything from `key` on. Else up to, not including. */
  rangeEnd?: Bytes
  limit?: number
  revision?: number
  sortOrder?: SortOrder
  sortTarget?: SortTarget
  serializable?: boolean
  keysOnly?: boolean
  countOnly?: boolean
  minModRevision?: number
  maxModRevision?: number
  minCreateRevision?: number
  maxCreateRevision?: number
}

export interface RangeResponse {
  /** Of the store, when it answered. */
  revision: number
  kvs: readonly KeyValue[]
  more: boolean
  count: number
  /** The values of `kvs` are not to be sent. */
  keysOnly: boolean
}

export interface PutRequest {
  key: Bytes
  value?: Bytes
  lease?: bigint
  prevKv?: boolean
  ignoreValue?: boolean
  ignoreLease?: boolean
}

export interface PutResponse {
  revision: number
  prevKv?: KeyValue
}

export interface DeleteRangeRequest {
  key: Bytes
  rangeEnd?: Bytes
  prevKv?: boolean
}

export interface DeleteRangeResponse {
  revision: number
  deleted: number
  prevKvs: readonly KeyValue[]
}

type CompareResult = 'EQUAL' | 'GREATER' | 'LESS' | 'NOT_EQUAL'
type CompareTarget = 'VERSION' | 'CREATE' | 'MOD' | 'VALUE' | 'LEASE'

export interface Compare {
  key: Bytes
  rangeEnd?: Bytes
  result?: CompareResult
  target?: CompareTarget
  version?: number
  createRevision?: number
  modRevision?: number
  value?: Bytes
  lease?: bigint
}

/** One of its fields is set; none is a request without an operation, which etcd refuses. */
export interface RequestOp {
  range?: RangeRequest
  put?: PutRequest
  deleteRange?: DeleteRangeRequest
  txn?: TxnRequest
}

export type ResponseOp =
  | { range: RangeResponse }
  | { put: PutResponse }
  | { deleteRange: DeleteRangeResponse }
  | { txn: TxnResponse }

export interface TxnRequest {
  compare?: readonly Compare[]
  success?: readonly RequestOp[]
  failure?: readonly RequestOp[]
}

export interface TxnResponse {
  /** 0 in a transaction inside another, as in etcd. */
  revision: number
  succeeded: boolean
  responses: readonly ResponseOp[]
}

export interface CompactionRequest {
  revision: number
}

export interface WatchCreateRequest {
  key: Bytes
  rangeEnd?: Bytes
  startRevision?: number
  progressNotify?: boolean
  filters?: readonly ('NOPUT' | 'NODELETE')[]
  prevKv?: boolean
  watchId?: number
  fragment?: boolean
}

/** One of its fields is set. */
export interface WatchRequest {
  createRequest?: WatchCreateRequest
  cancelRequest?: { watchId?: number }
  progressRequest?: Record<string, never>
}

export interface Event {
  /** A tombstone (version 0) is a DELETE. */
  kv: KeyValue
  prevKv?: KeyValue
}

export interface WatchResponse {
  /** Of the header; 0 when etcd leaves it out. */
  revision: number
  watchId: number
  created?: boolean
  canceled?: boolean
  compactRevision?: number
  cancelReason?: string
  fragment?: boolean
  events?: readonly Event[]
}

export interface Member {
  id: bigint
  name: string
  peerUrls: readonly string[]
  /** Of another member: empty until it told. */
  clientUrls: readonly string[]
}
