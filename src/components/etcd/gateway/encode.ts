/**
 * Responses as JSON text, field by field: snake_case, int64 as strings, bytes in base64, fields that have their default
 * left out. Written out rather than built as objects, since this is what every request of the apiserver passes through.
 */
import type { ClusterInfo } from '../cluster.ts'
import type {
  DeleteRangeResponse,
  Event,
  KeyValue,
  Member,
  PutResponse,
  RangeResponse,
  ResponseOp,
  TxnResponse,
  WatchResponse,
} from '../types.ts'

/** `{"cluster_id":…}` for a revision; 0 leaves it out. */
export type Header = (revision: number) => string

/** The header of a member's responses; only the revision changes. */
export function headerOf(cluster: ClusterInfo): Header {
  const head = `{"cluster_id":"${cluster.id}","member_id":"${cluster.self.id}"`
  return revision => {
    const tail = `,"raft_term":"${cluster.raftTerm}"}`
    return revision === 0 ? head + tail : `${head},"revision":"${revision}"${tail}`
  }
}

/** In transactions etcd fills in nothing but the revision. */
const innerHeader: Header = revision => (revision === 0 ? '{}' : `{"revision":"${revision}"}`)

function encodeKv(kv: KeyValue, keysOnly = false): string {
  let text = `{"key":"${btoa(kv.key)}"`
  if (kv.createRevision !== 0) text += `,"create_revision":"${kv.createRevision}"`
  text += `,"mod_revision":"${kv.modRevision}"`
  if (kv.version !== 0) text += `,"version":"${kv.version}"`
  if (!keysOnly && kv.value !== '') text += `,"value":"${btoa(kv.value)}"`
  if (kv.lease !== 0n) text += `,"lease":"${kv.lease}"`
  return `${text}}`
}

/** Beyond this a text is put together as bytes. */
const textLimit = 64 * 1024

/**
 * As text, or as bytes when it is long: a string of 140 kB has V8 map and unmap memory of its own, which took eight times as
 * long as everything else about it (Node 24.21).
 */
export function encodeRangeBody(response: RangeResponse, header: Header): string | Buffer {
  const { kvs, keysOnly } = response
  let size = 0
  for (const kv of kvs) size += kv.key.length + (keysOnly ? 0 : kv.value.length) + 100
  if (size < textLimit) return encodeRange(response, header)
  const parts = kvs.map((kv, i) => (i === 0 ? '' : ',') + encodeKv(kv, keysOnly))
  parts.unshift(`{"header":${header(response.revision)},"kvs":[`)
  parts.push(`]${rangeTail(response)}`)
  const bytes = Buffer.allocUnsafe(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) at += bytes.write(part, at, 'latin1')
  return bytes
}

function encodeRange(response: RangeResponse, header: Header): string {
  let text = `{"header":${header(response.revision)}`
  const { kvs, keysOnly } = response
  if (kvs.length > 0) {
    text += `,"kvs":[${encodeKv(kvs[0]!, keysOnly)}`
    for (let i = 1; i < kvs.length; i++) text += `,${encodeKv(kvs[i]!, keysOnly)}`
    text += ']'
  }
  return text + rangeTail(response)
}

const rangeTail = ({ more, count }: RangeResponse) =>
  `${more ? ',"more":true' : ''}${count === 0 ? '' : `,"count":"${count}"`}}`

export function encodePut(response: PutResponse, header: Header): string {
  const prevKv = response.prevKv ? `,"prev_kv":${encodeKv(response.prevKv)}` : ''
  return `{"header":${header(response.revision)}${prevKv}}`
}

export function encodeDeleteRange(response: DeleteRangeResponse, header: Header): string {
  const deleted = response.deleted === 0 ? '' : `,"deleted":"${response.deleted}"`
  const { prevKvs } = response
  const previous = prevKvs.length === 0 ? '' : `,"prev_kvs":[${prevKvs.map(kv => encodeKv(kv)).join(',')}]`
  return `{"header":${header(response.revision)}${deleted}${previous}}`
}

export function encodeTxn(response: TxnResponse, header: Header): string {
  const succeeded = response.succeeded ? ',"succeeded":true' : ''
  const { responses } = response
  const list = responses.length === 0 ? '' : `,"responses":[${responses.map(encodeResponseOp).join(',')}]`
  return `{"header":${header(response.revision)}${succeeded}${list}}`
}

function encodeResponseOp(op: ResponseOp): string {
  if ('range' in op) return `{"response_range":${encodeRange(op.range, innerHeader)}}`
  if ('put' in op) return `{"response_put":${encodePut(op.put, innerHeader)}}`
  if ('deleteRange' in op) return `{"response_delete_range":${encodeDeleteRange(op.deleteRange, innerHeader)}}`
  return `{"response_txn":${encodeTxn(op.txn, innerHeader)}}`
}

export function encodeWatch(response: WatchResponse, header: Header): string {
  let text = `{"header":${header(response.revision)}`
  if (response.watchId !== 0) text += `,"watch_id":"${response.watchId}"`
  if (response.created) text += ',"created":true'
  if (response.canceled) text += ',"canceled":true'
  if (response.compactRevision) text += `,"compact_revision":"${response.compactRevision}"`
  if (response.cancelReason) text += `,"cancel_reason":${JSON.stringify(response.cancelReason)}`
  if (response.fragment) text += ',"fragment":true'
  if (response.events?.length) text += `,"events":[${response.events.map(encodeEvent).join(',')}]`
  return `${text}}`
}

function encodeEvent({ kv, prevKv }: Event): string {
  const type = kv.version === 0 ? '"type":"DELETE",' : ''
  return `{${type}"kv":${encodeKv(kv)}${prevKv ? `,"prev_kv":${encodeKv(prevKv)}` : ''}}`
}

export function encodeMember(member: Member): string {
  return JSON.stringify({
    ID: String(member.id),
    name: member.name || undefined,
    peerURLs: member.peerUrls,
    clientURLs: member.clientUrls.length > 0 ? member.clientUrls : undefined,
  })
}
