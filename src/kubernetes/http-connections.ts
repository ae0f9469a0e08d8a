/** HTTP/1.1 and HTTP/2 over connections that a TLS listener accepted: each goes to the server that its ALPN asks for. */
import type { IncomingMessage, RequestListener, Server } from 'node:http'
import type { Http2ServerRequest, Http2Session, ServerHttp2Session, SessionOptions } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import { messageOf } from '#errors.ts'
import type { Log } from '#log.ts'
import { createServer } from '#node-http.ts'
import { findPeer } from '#tls/peer.ts'
import type { Peer } from '#tls/types.ts'

// Go's: ReadHeaderTimeout 32 s, IdleTimeout 90 s, 1 MiB of headers, 250 streams on a connection.
const limits = { headersTimeout: 32_000, keepAliveTimeout: 90_000, maxHeaderSize: 1 << 20 }
const http2Settings: SessionOptions = { settings: { maxConcurrentStreams: 250 } }

export interface HttpConnections {
  readonly http1: Server
  accept(socket: TLSSocket, peer: Peer): void
  /** What TLS knows of the connection that a request came over. */
  peerOf(raw: IncomingMessage | Http2ServerRequest): Peer | undefined
  close(): void
}

export function createHttpConnections(handler: RequestListener, log: Log): HttpConnections {
  const http1 = createServer(limits, handler)
  const peers = new WeakMap<Http2Session, Peer>()
  const sessions = new Set<ServerHttp2Session>()
  // node:http2 takes its time to load, and only Go's clients speak it to us.
  let http2: Promise<(socket: TLSSocket) => ServerHttp2Session | undefined> | undefined

  async function startHttp2() {
    const module = await import('node:http2')
    // the two request classes are of one shape, and fastify takes both
    const server = module.createServer(http2Settings, handler as unknown as Parameters<typeof module.createServer>[1])
    server.on('sessionError', error => log.info('http2: session error', { err: messageOf(error) }, 4))
    let session: ServerHttp2Session | undefined
    server.on('session', opened => {
      session = opened
    })
    return (socket: TLSSocket) => {
      session = undefined
      // 'session' is emitted before this returns.
      server.emit('connection', socket)
      return session
    }
  }

  return {
    http1,
    accept(socket, peer) {
      socket.on('error', error => log.info('http: connection error', { err: messageOf(error) }, 5))
      if (socket.alpnProtocol !== 'h2') {
        http1.emit('connection', socket)
        return
      }
      http2 ??= startHttp2()
      void http2.then(open => {
        const session = socket.destroyed ? undefined : open(socket)
        if (!session) return
        peers.set(session, peer)
        sessions.add(session)
        session.on('close', () => sessions.delete(session))
      })
    },
    peerOf(raw) {
      if (raw.httpVersionMajor < 2) return findPeer(raw.socket)
      const { session } = (raw as Http2ServerRequest).stream
      return session && peers.get(session)
    },
    close() {
      for (const session of sessions) session.destroy()
      http1.closeAllConnections()
      http1.close()
    },
  }
}
