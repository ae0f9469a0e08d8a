/** etcd's v3 JSON gateway (`/v3/kv/…`, `/v3/watch`, `/v3/lease/…`): keys and values are base64, 64-bit numbers are strings, what is zero is left out. */
import type { Dispatcher } from 'undici'
import { atMost } from '#kubernetes/at-most.ts'
import { Endpoints } from './endpoints.ts'
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
  /** `https://127.0.0.1:2379`, … : by turns. */
  endpoints: readonly string[]
}

/** Besides watches. A burst (a thousand nodes that join) must not open a connection for each request, with a handshake at both ends. */
const requestsAtOnce = 32

export class Etcd {
  readonly #inTurn = atMost(requestsAtOnce)
  readonly #options: EtcdOptions
  readonly #endpoints: Endpoints

  constructor(options: EtcdOptions) {
    this.#options = options
    this.#endpoints = new Endpoints(options.endpoints)
  }

  /** The endpoint whose turn it was last. */
  get endpoint(): string {
    return this.#endpoints.current
  }

  /** One member may be a little behind another. */
  get isCluster(): boolean {
    return this.#options.endpoints.length > 1
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
    const ask = () => this.#tried(origin => post(this.#options.dispatcher, origin, path, body))
    const { statusCode, text } = await this.#inTurn(ask, undefined)
    if (statusCode !== 200) throw gatewayError(text, statusCode)
    return JSON.parse(text)
  }

  /** Endpoint after endpoint, until one has answered. A lone one is the caller's to try again. */
  async #tried<T extends { statusCode: number; body?: { dump(): Promise<void> } }>(
    ask: (origin: string) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const turns = this.#endpoints.turns()
    for (const [i, endpoint] of turns.entries()) {
      const isLast = i === turns.length - 1
      try {
        const answer = await ask(endpoint)
        // it has no leader, or it is going: it did nothing, and says so at once
        if (answer.statusCode === 503 && !isLast && !isUncertain(answer)) {
          this.#endpoints.failed(endpoint)
          await answer.body?.dump()
          continue
        }
        this.#endpoints.answered(endpoint)
        return answer
      } catch (error) {
        if (signal?.aborted) throw error
        this.#endpoints.failed(endpoint)
        // nothing was answered, so a second one may do it
        if (isLast) throw new UnavailableError(error)
      }
    }
    throw new Error('unreachable: there is always an endpoint')
  }
}

/** A write that may still come to be. */
const isUncertain = (answer: object): boolean => 'text' in answer && String(answer.text).includes('timed out')

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
