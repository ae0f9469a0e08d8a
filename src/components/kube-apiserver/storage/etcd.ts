/** etcd's v3 JSON gateway (`/v3/kv/…`, `/v3/watch`, `/v3/lease/…`): keys and values are base64, 64-bit numbers are strings, what is zero is left out. */
import type { Dispatcher } from 'undici'
import { UnavailableError } from './errors.ts'
import { post } from './post.ts'

export interface KeyValue {
  key: string
  /** As stored. */
  value: Buffer
  modRevision: number
}

export interface RangeAnswer {
  kvs: KeyValue[]
  more: boolean
  /** Of all that match, not only of what was returned. */
  count: number
  /** The store's revision when it answered. */
  revision: number
}

export interface RangeRequest {
  key: string
  /** Exclusive; left out: that key alone. */
  rangeEnd?: string
  limit?: number
  revision?: number
  countOnly?: boolean
  keysOnly?: boolean
}

export type Operation =
  | { put: { key: string; value: string | Buffer; lease?: string } }
  | { delete: { key: string } }
  | { range: { key: string } }

export interface TxnAnswer {
  succeeded: boolean
  revision: number
  /** What a range in the branch that was taken found, in order. */
  ranges: KeyValue[][]
}

interface WireKv {
  key: string
  value?: string
  mod_revision?: string
}

interface WireRange {
  header: { revision: string }
  kvs?: WireKv[]
  more?: boolean
  count?: string
}

const b64 = (text: string | Buffer) => (typeof text === 'string' ? Buffer.from(text, 'utf8') : text).toString('base64')

/** The end of the range of everything that starts with `prefix`: clientv3.GetPrefixRangeEnd. */
export function prefixEnd(prefix: string): string {
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1)
}

const keyValue = (kv: WireKv): KeyValue => ({
  key: Buffer.from(kv.key, 'base64').toString('utf8'),
  value: kv.value === undefined ? Buffer.alloc(0) : Buffer.from(kv.value, 'base64'),
  modRevision: Number(kv.mod_revision ?? 0),
})

export interface EtcdOptions {
  /** Connections to etcd: of `#tls`, or a plain undici Agent for `http:`. */
  dispatcher: Dispatcher
  /** `https://127.0.0.1:2379`, … : tried in turn. */
  endpoints: readonly string[]
}

export class Etcd {
  readonly #options: EtcdOptions
  #current = 0

  constructor(options: EtcdOptions) {
    this.#options = options
  }

  /** The endpoint that requests go to now. */
  get endpoint(): string {
    return this.#options.endpoints[this.#current]!
  }

  /** After a failed connection: the next endpoint's turn. */
  next(): void {
    this.#current = (this.#current + 1) % this.#options.endpoints.length
  }

  async range(request: RangeRequest): Promise<RangeAnswer> {
    let body = `{"key":"${b64(request.key)}"`
    if (request.rangeEnd !== undefined) body += `,"range_end":"${b64(request.rangeEnd)}"`
    if (request.limit) body += `,"limit":"${request.limit}"`
    if (request.revision) body += `,"revision":"${request.revision}"`
    if (request.countOnly) body += ',"count_only":true'
    if (request.keysOnly) body += ',"keys_only":true'
    const answer = (await this.#post('/v3/kv/range', `${body}}`)) as WireRange
    return {
      kvs: answer.kvs === undefined ? [] : answer.kvs.map(keyValue),
      more: answer.more === true,
      count: Number(answer.count ?? 0),
      revision: Number(answer.header.revision),
    }
  }

  /** `expect`: what the key's mod revision must be; 0: that it is not there. */
  async txn(
    expect: readonly { key: string; modRevision: number }[],
    success: readonly Operation[],
    failure: readonly Operation[] = [],
  ): Promise<TxnAnswer> {
    const compare = expect.map(
      ({ key, modRevision }) => `{"key":"${b64(key)}","target":"MOD","result":"EQUAL","mod_revision":"${modRevision}"}`,
    )
    const answer = (await this.#post(
      '/v3/kv/txn',
      `{"compare":[${compare}],"success":[${success.map(operation)}],"failure":[${failure.map(operation)}]}`,
    )) as { header: { revision: string }; succeeded?: boolean; responses?: { response_range?: WireRange }[] }
    return {
      succeeded: answer.succeeded === true,
      revision: Number(answer.header.revision),
      ranges: (answer.responses ?? []).flatMap(({ response_range: range }) =>
        range === undefined ? [] : [(range.kvs ?? []).map(keyValue)],
      ),
    }
  }

  async grantLease(ttlSeconds: number): Promise<string> {
    const answer = (await this.#post('/v3/lease/grant', `{"TTL":"${ttlSeconds}"}`)) as { ID: string }
    return answer.ID
  }

  async compact(revision: number): Promise<void> {
    await this.#post('/v3/kv/compaction', `{"revision":"${revision}"}`)
  }

  /** The answer of `/v3/watch`, a stream of JSON lines; `watch.ts` reads it. */
  async openWatch(prefix: string, startRevision: number, signal: AbortSignal): Promise<AsyncIterable<Buffer>> {
    const create = `{"create_request":{"key":"${b64(prefix)}","range_end":"${b64(prefixEnd(prefix))}","start_revision":"${startRevision}","prev_kv":true,"progress_notify":true}}`
    const { statusCode, body } = await this.#tried(
      origin =>
        this.#options.dispatcher.request({
          origin,
          path: '/v3/watch',
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: create,
          signal,
          bodyTimeout: 0,
        }),
      signal,
    )
    if (statusCode !== 200) throw gatewayError(await body.text(), statusCode)
    return body
  }

  async #post(path: string, body: string): Promise<unknown> {
    const { statusCode, text } = await this.#tried(origin => post(this.#options.dispatcher, origin, path, body))
    if (statusCode !== 200) throw gatewayError(text, statusCode)
    return JSON.parse(text)
  }

  /** Endpoint after endpoint. Nothing was answered, so a second one may do it; a lone one is the caller's to try again. */
  async #tried<T>(ask: (origin: string) => Promise<T>, signal?: AbortSignal): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await ask(this.endpoint)
      } catch (error) {
        if (signal?.aborted) throw error
        this.next()
        if (tries >= this.#options.endpoints.length) throw new UnavailableError(error)
      }
    }
  }
}

function operation(op: Operation): string {
  if ('put' in op) {
    const lease = op.put.lease === undefined ? '' : `,"lease":"${op.put.lease}"`
    return `{"request_put":{"key":"${b64(op.put.key)}","value":"${b64(op.put.value)}"${lease}}}`
  }
  if ('delete' in op) return `{"request_delete_range":{"key":"${b64(op.delete.key)}"}}`
  return `{"request_range":{"key":"${b64(op.range.key)}"}}`
}

/** An answer of the gateway that is not what was asked for; `code` is gRPC's. */
export class GatewayError extends Error {
  readonly code: number

  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

function gatewayError(text: string, status: number): GatewayError {
  try {
    const { message, error, code } = JSON.parse(text) as { message?: string; error?: string; code?: number }
    return new GatewayError(code ?? 2, message ?? error ?? text)
  } catch {
    return new GatewayError(status === 503 ? 14 : 2, text || `HTTP status ${status}`)
  }
}

/** gRPC's OutOfRange: the revision that was asked for is compacted. */
export const isCompacted = (error: unknown) => error instanceof GatewayError && error.code === 11
