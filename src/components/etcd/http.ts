/**
 * What a client port serves over HTTP/1.1 and HTTP/2: the JSON gateway, gRPC, and the few plain paths (`/health`, `/version`,
 * `/metrics`, …), which fastify has. The gateway's paths are looked at first: a range takes 30 µs or so in all, and a
 * router that cannot match one of them would be a good part of that.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer as createHttp2Server, type Http2Server } from 'node:http2'
import type { Socket } from 'node:net'
import fastify, { type FastifyInstance } from 'fastify'
import { noSchemas } from '#no-schemas.ts'
import { createServer } from '#node-http.ts'

/** True: this request is mine. */
export type Handler = (request: IncomingMessage, response: ServerResponse) => boolean

export interface HttpServer {
  /** fastify's instance, for the plain paths. */
  app: FastifyInstance
  /** Takes over a connection. `protocol` is ALPN's; undefined: look at what the client sends first. */
  accept(socket: Socket, protocol?: string | false | null): void
  /** Ends every connection. */
  close(): Promise<void>
}

/** HTTP/2's connection preface (RFC 9113 §3.4) begins so, and no HTTP/1.1 request does. */
const preface = 'PRI '

export async function createHttp(handlers: readonly Handler[]): Promise<HttpServer> {
  let h1: Server | undefined
  let h2: Http2Server | undefined
  const app = fastify({
    schemaController: noSchemas,
    logger: false,
    forceCloseConnections: true,
    serverFactory(plain) {
      const listener = (request: IncomingMessage, response: ServerResponse) => {
        for (const handler of handlers) if (handler(request, response)) return
        plain(request, response)
      }
      // etcd has no such timeouts on its client port; a watch stays open for days
      h1 = createServer({ requestTimeout: 0, headersTimeout: 60_000, keepAliveTimeout: 0 }, listener)
      h2 = createHttp2Server({ settings: { maxConcurrentStreams: 2 ** 31 - 1 } })
      h2.on('request', (request, response) =>
        listener(request as unknown as IncomingMessage, response as unknown as ServerResponse),
      )
      h2.on('sessionError', () => {})
      return h1
    },
  })
  // a body is of no interest to the plain paths, whatever its type
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, payload, done) => {
    payload.resume()
    done(null)
  })
  const sockets = new Set<Socket>()
  return {
    app,
    accept(socket, protocol) {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
      socket.on('error', () => socket.destroy())
      if (protocol === 'h2') h2!.emit('connection', socket)
      else if (protocol === 'http/1.1') h1!.emit('connection', socket)
      else sniff(socket, http2 => (http2 ? h2! : h1!).emit('connection', socket))
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      await app.close()
    },
  }
}

/** A connection that says nothing for so long is ended. */
const firstBytesMs = 60_000

/** Reads the first bytes, puts them back, and says whether they are HTTP/2's. */
function sniff(socket: Socket, decide: (http2: boolean) => void): void {
  let head: Buffer = Buffer.alloc(0)
  const timer = setTimeout(() => socket.destroy(), firstBytesMs).unref()
  const done = () => {
    clearTimeout(timer)
    socket.off('readable', look).off('end', giveUp).off('close', done)
  }
  const giveUp = () => {
    done()
    socket.destroy()
  }
  const look = () => {
    const chunk: Buffer | null = socket.read()
    if (chunk === null) return
    head = head.length === 0 ? chunk : Buffer.concat([head, chunk])
    const start = head.toString('latin1', 0, preface.length)
    if (start.length < preface.length && preface.startsWith(start)) return
    done()
    socket.unshift(head)
    decide(start === preface)
  }
  socket.on('readable', look).on('end', giveUp).on('close', done)
}
