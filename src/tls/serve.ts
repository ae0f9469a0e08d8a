/** HTTP on a listener: what fastify wants as `serverFactory`. */
import { createServer, type RequestListener, type Server } from 'node:http'
import {
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2'
import type { TlsListener } from './types.ts'

export interface ServeOptions {
  /** HTTP/2 and HTTP/1.1 by ALPN; false: HTTP/1.1 alone (say so in the listener's `alpn`, too). */
  http2: boolean
}

/**
 * For `fastify({ serverFactory: serverFactory(listener, { http2: true }), forceCloseConnections: true })`.
 * The server has no port of its own: every connection that passed the listener's handshake is handed to it. Start it with
 * `await app.ready(); await listener.listen()`, or with `app.listen({ host, port })`, whose host and port are the listener's.
 * Stop it with `await app.close(); await listener.close()`.
 */
export function serverFactory(listener: TlsListener, options: ServeOptions): (handler: RequestListener) => Server {
  return handler => {
    const server: Server = options.http2
      ? (createSecureServer(
          { allowHTTP1: true },
          // the two request classes are of one shape, and fastify takes both
          handler as unknown as (request: Http2ServerRequest, response: Http2ServerResponse) => void,
        ) as Http2SecureServer as unknown as Server)
      : createServer(handler)
    const event = options.http2 ? 'secureConnection' : 'connection'
    listener.on('connection', socket => server.emit(event, socket))
    let listening = false
    Object.defineProperty(server, 'listening', { get: () => listening })
    Object.assign(server, {
      listen() {
        listener.listen().then(
          () => {
            listening = true
            server.emit('listening')
          },
          (error: Error) => server.emit('error', error),
        )
        return server
      },
      address: () => ({ address: listener.address.host, port: listener.address.port, family: 'IPv4' }),
      closeAllConnections: () => listener.closeConnections(),
      close(callback?: (error?: Error) => void) {
        listening = false
        listener.close().then(() => {
          server.emit('close')
          callback?.()
        }, callback)
        return server
      },
    })
    return server
  }
}
