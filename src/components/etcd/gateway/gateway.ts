/** The JSON gateway: `/v3/…` (and 3.4's `/v3beta/…`) over HTTP/1.1 and HTTP/2. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Voice } from '#x509/types.ts'
import { EtcdError, grpcCodes } from '../errors.ts'
import type { EtcdServer } from '../etcd-server.ts'
import type { Metrics } from '../metrics.ts'
import { createReplies, type Replies } from './replies.ts'
import { type Stream, streamPaths } from './streams.ts'
import { methodOf, type Unary, unaryPaths } from './unary.ts'

export interface GatewayOptions {
  server: EtcdServer
  metrics: Metrics
  voice: Voice
  /** etcd's gateway dials its own server; undefined when that works, else what it says of it. */
  unavailable(): EtcdError | undefined | Promise<EtcdError | undefined>
}

/** A body may be as large as a request, in base64, and some. */
const bodySlack = 512 * 1024

export class Gateway {
  readonly #unary = new Map<string, { call: Unary; method: string | undefined }>()
  readonly #streams = new Map<string, Stream>()
  readonly #replies: Replies
  readonly #unavailable: GatewayOptions['unavailable']
  readonly #maxBody: number
  readonly #metrics: Metrics

  constructor({ server, metrics, voice, unavailable }: GatewayOptions) {
    this.#metrics = metrics
    this.#replies = createReplies(voice)
    this.#unavailable = unavailable
    this.#maxBody = Math.ceil((server.options.maxRequestBytes * 4) / 3) + bodySlack
    const versions = voice === 'go1.19' ? ['/v3', '/v3beta'] : ['/v3']
    for (const version of versions) {
      for (const [path, unary] of Object.entries(unaryPaths(server))) {
        this.#unary.set(version + path, { call: unary, method: methodOf(path) })
      }
      for (const [path, stream] of Object.entries(streamPaths(server, this.#replies))) {
        this.#streams.set(version + path, stream)
      }
    }
  }

  /** True when the path is the gateway's; the request is then answered, or will be. */
  handle(request: IncomingMessage, response: ServerResponse): boolean {
    const url = request.url ?? ''
    const query = url.indexOf('?')
    const path = query === -1 ? url : url.slice(0, query)
    const unary = this.#unary.get(path)
    const stream = unary ? undefined : this.#streams.get(path)
    if (!unary && !stream) {
      if (!/^\/v3(beta)?\//.test(path)) return false
      this.#refuse(request, response, 404, 'Not Found\n')
      return true
    }
    if (request.method !== 'POST') {
      this.#refuse(request, response, 405, 'Method Not Allowed\n')
      return true
    }
    const unavailable = this.#unavailable()
    if (unavailable === undefined) this.#serve(request, response, unary, stream)
    else if (unavailable instanceof Promise) {
      unavailable.then(
        error => (error ? this.#fail(request, response, error) : this.#serve(request, response, unary, stream)),
        error => this.#fail(request, response, asEtcdError(error)),
      )
    } else this.#fail(request, response, unavailable)
    return true
  }

  #serve(
    request: IncomingMessage,
    response: ServerResponse,
    unary?: { call: Unary; method: string | undefined },
    stream?: Stream,
  ): void {
    if (!unary) {
      try {
        stream!(request, response)
      } catch (error) {
        this.#fail(request, response, asEtcdError(error))
      }
      return
    }
    let body = ''
    let chunks: Buffer[] | undefined
    let size = 0
    request.on('data', (chunk: Buffer) => {
      size += chunk.length
      // most bodies are one chunk
      if (chunks) {
        if (size <= this.#maxBody) chunks.push(chunk)
      } else chunks = [chunk]
    })
    request.on('end', () => {
      if (size > this.#maxBody) return this.#replies.error(response, tooLarge)
      if (chunks) body = (chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size)).toString()
      const succeed = (json: string | Buffer) => {
        if (unary.method) this.#metrics.handled(unary.method, 0)
        this.#replies.result(response, json)
      }
      const fail = (thrown: unknown) => {
        const error = asEtcdError(thrown)
        if (unary.method) this.#metrics.handled(unary.method, error.code)
        this.#replies.error(response, error)
      }
      try {
        const answer = unary.call(body)
        if (answer instanceof Promise) answer.then(succeed, fail)
        else succeed(answer)
      } catch (error) {
        fail(error)
      }
    })
  }

  #fail(request: IncomingMessage, response: ServerResponse, error: EtcdError): void {
    request.resume()
    this.#replies.error(response, error)
  }

  #refuse(request: IncomingMessage, response: ServerResponse, status: number, text: string): void {
    request.resume()
    this.#replies.text(response, status, text)
  }
}

const tooLarge = new EtcdError(grpcCodes.invalidArgument, 'etcdserver: request is too large')

function asEtcdError(error: unknown): EtcdError {
  if (error instanceof EtcdError) return error
  return new EtcdError(grpcCodes.unknown, error instanceof Error ? error.message : String(error))
}
