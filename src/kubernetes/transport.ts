/** HTTP over a dialer: kept-alive connections, one request at a time on each, and the words client-go has for what goes wrong. */
import type { TLSSocket } from 'node:tls'
import { Client, type Dispatcher, errors, Pool } from 'undici'
import { messageOf } from '#errors.ts'
import type { Dialer } from '#tls/types.ts'
import { atMost } from './at-most.ts'

/** No answer came: refused in TLS, unreachable, or cut off. `cause` is `#tls`'s error. */
export class RequestError extends Error {
  override readonly name = 'RequestError'
}

export interface Answer {
  status: number
  method: string
  path: string
}

export interface TransportOptions {
  dialer: Dialer
  /** `https://127.0.0.1:6443` */
  server: string
  /** Told of every answer's status, with the connection that it came over. */
  onAnswer?: (socket: TLSSocket, answer: Answer) => void
  /** Most connections at once; default: as many as are needed. */
  connections?: number
  /** So many requests at once, besides streams; default 8. */
  requestsAtOnce?: number
}

interface TransportRequest {
  method: string
  /** With query. */
  path: string
  headers?: Record<string, string | string[]>
  body?: string | Uint8Array
  signal?: AbortSignal
  /** The body may be silent for any time (watches, logs -f). */
  streaming?: boolean
}

export interface RawAnswer {
  status: number
  headers: Record<string, string | string[] | undefined>
  stream: Dispatcher.ResponseData['body']
  text(): Promise<string>
  json<T = unknown>(): Promise<T>
}

export interface Transport {
  request(request: TransportRequest): Promise<RawAnswer>
  /** Handshakes anew from the next request on. What is on its way gets its answer over the old connections; streams are ended. */
  renew(): void
  close(): Promise<void>
}

/**
 * undici frees a connection one turn of the event loop after its answer ended; who asked at once would get a second connection.
 * (undici 8.12, client-h1.js onMessageComplete)
 */
async function reusable<T>(answer: Promise<T>): Promise<T> {
  const value = await answer
  await new Promise(setImmediate)
  return value
}

// Go's http.Transport in client-go and the apiserver's IdleTimeout: 90 s.
const idleMs = 90_000

/**
 * So many requests at once, besides streams: a burst (a hundred pods to create) must not open a hundred connections, each with its
 * handshake. client-go sends them over one HTTP/2 connection, at 20 to 50 a second.
 */
const usualRequestsAtOnce = 8

export function createTransport(options: TransportOptions): Transport {
  const { dialer, server, onAnswer, connections, requestsAtOnce = usualRequestsAtOnce } = options
  const url = new URL(server)
  const base = url.pathname.replace(/\/$/, '')
  const target = { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 443) }
  const inTurn = atMost(requestsAtOnce)
  const newGeneration = () => ({
    streams: new Set<RawAnswer['stream']>(),
    pool: new Pool(url.origin, {
      connections: connections ?? null,
      allowH2: false,
      keepAliveTimeout: idleMs,
      keepAliveMaxTimeout: idleMs,
      headersTimeout: 60_000,
      bodyTimeout: 60_000,
      factory: (origin, options) => connection(origin, options as Client.Options),
    }),
  })
  let generation = newGeneration()

  /** One undici Client is one connection at a time, so it knows which socket an answer came over. */
  function connection(origin: URL, options: Client.Options): Dispatcher {
    let socket: TLSSocket | undefined
    const client = new Client(origin, {
      ...options,
      connect(_options, callback) {
        dialer.connect(target).then(
          connected => {
            socket = connected
            callback(null, connected)
          },
          (error: Error) => callback(error, null),
        )
      },
    })
    if (onAnswer) {
      const dispatch = client.dispatch.bind(client)
      client.dispatch = (options, handler) =>
        dispatch(
          options,
          told(handler, status => {
            if (socket) onAnswer(socket, { status, method: options.method, path: options.path })
          }),
        )
    }
    return client
  }

  async function once(request: TransportRequest): Promise<RawAnswer> {
    const { pool, streams } = generation
    const answer = pool.request({
      method: request.method as Dispatcher.HttpMethod,
      path: base + request.path,
      ...(request.headers ? { headers: request.headers } : {}),
      ...(request.body === undefined ? {} : { body: request.body }),
      ...(request.signal ? { signal: request.signal } : {}),
      ...(request.streaming ? { bodyTimeout: 0, headersTimeout: 0 } : {}),
    })
    const { statusCode, headers, body } = await (request.signal ? abortable(answer, request.signal) : answer)
    if (request.streaming) {
      // renewed while it was asked for: it would go on over a connection of the old kind
      if (pool !== generation.pool) body.destroy()
      else {
        streams.add(body)
        body.once('close', () => streams.delete(body))
      }
    }
    return {
      status: statusCode,
      headers,
      stream: body,
      text: () => reusable(body.text()),
      json: <T>() => reusable(body.json() as Promise<T>),
    }
  }

  return {
    async request(request) {
      for (let tries = 0; ; tries++) {
        try {
          return await (request.streaming ? once(request) : inTurn(() => once(request), request.signal))
        } catch (error) {
          if (request.signal?.aborted) throw request.signal.reason
          // A kept-alive connection that the other end closed just now: Go's transport tries anew, too, when it is safe.
          if (error instanceof errors.SocketError && request.method === 'GET' && tries < 2) continue
          throw requestError(request.method, server + request.path, error)
        }
      }
    },
    renew() {
      const { pool, streams } = generation
      generation = newGeneration()
      for (const stream of streams) stream.destroy()
      pool.close().catch(() => {})
    },
    close: () => generation.pool.destroy().then(() => {}),
  }
}

/** undici listens to a request's signal only once it has a connection for it (undici 8.12, api-request.js); whoever gives up need not wait for that. */
function abortable(answer: Promise<Dispatcher.ResponseData>, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
  return new Promise((resolve, reject) => {
    const giveUp = () => {
      reject(signal.reason)
      answer.then(
        ({ body }) => body.destroy(),
        () => {},
      )
    }
    signal.addEventListener('abort', giveUp, { once: true })
    answer.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp))
  })
}

/** The same handler, whose answer's status is told first. */
function told(handler: Dispatcher.DispatchHandler, onStatus: (status: number) => void): Dispatcher.DispatchHandler {
  return {
    onRequestStart: (controller, context) => handler.onRequestStart?.(controller, context),
    onRequestUpgrade: (controller, status, headers, socket) =>
      handler.onRequestUpgrade?.(controller, status, headers, socket),
    onResponseStart(controller, status, headers, text) {
      if (status >= 200) onStatus(status)
      handler.onResponseStart?.(controller, status, headers, text)
    },
    onResponseData: (controller, chunk) => handler.onResponseData?.(controller, chunk),
    onResponseEnd: (controller, trailers) => handler.onResponseEnd?.(controller, trailers),
    onResponseError: (controller, error) => handler.onResponseError?.(controller, error),
  }
}

/** net/url's Error: `Get "https://…": dial tcp …`. */
export function requestError(method: string, url: string, cause: unknown): RequestError {
  const verb = method.charAt(0).toUpperCase() + method.slice(1).toLowerCase()
  return new RequestError(`${verb} "${url}": ${wordsOf(cause)}`, { cause })
}

/** utilnet.IsConnectionRefused: nobody listens there (yet, or any more). */
export const isConnectionRefused = (error: unknown) =>
  error instanceof RequestError && / connect: connection refused$/.test(error.message)

/** What Go says for what undici says; `#tls` already speaks Go. */
function wordsOf(error: unknown): string {
  if (error instanceof errors.SocketError) return 'EOF'
  if (error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError)
    return 'net/http: timeout awaiting response headers'
  if (error instanceof errors.ClientDestroyedError || error instanceof errors.ClientClosedError)
    return 'http: use of closed client'
  return messageOf(error)
}
