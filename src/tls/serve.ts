/** HTTP on a listener: what fastify wants as `serverFactory`. */
import type { RequestListener, Server } from 'node:http'
import { createServer as createHttp2Server, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import { createServer } from '#node-http.ts'
import type { TlsListener } from './types.ts'

export interface ServeOptions {
  /** HTTP/2 and HTTP/1.1 by ALPN; false: HTTP/1.1 alone (say so in the listener's `alpn`, too). */
  http2: boolean
}

/** The request classes of HTTP/1.1 and HTTP/2 are of one shape, and fastify takes both. */
type Http2Handler = (request: Http2ServerRequest, response: Http2ServerResponse) => void

/** kube-apiserver's http.Server: IdleTimeout and ReadHeaderTimeout; requests may take any time, since watches do. */
const timeouts = { keepAliveTimeout: 90_000, headersTimeout: 32_000, requestTimeout: 0 }

/**
 * For `fastify({ serverFactory: serverFactory(listener, { http2: true }), forceCloseConnections: true })`.
 * The server has no port of its own: every connection that passed the listener's handshake is handed to it. Start it with
 * `await app.ready(); await listener.listen()`, or with `app.listen({ host, port })`, whose host and port are the listener's.
 * Stop it with `await app.close(); await listener.close()`.
 */
export function serverFactory(listener: TlsListener, options: ServeOptions): (handler: RequestListener) => Server {
  return handler => {
    const server = createServer(timeouts, handler)
    // Two servers, told apart by ALPN: http2's own fallback to HTTP/1.1 wants a tls.Server behind the socket (Node 22).
    const h2 = options.http2 ? createHttp2Server(handler as unknown as Http2Handler) : undefined
    listener.on('connection', socket => {
      const takes = socket.alpnProtocol === 'h2' && h2 ? h2 : server
      takes.emit('connection', socket)
    })
    // The server looks for slow headers between these two, as if it listened itself (Node 24.21, _http_server.js).
    const closeHttp = server.close.bind(server)
    listener.on('listening', () => server.emit('listening'))
    listener.once('close', () => {
      closeHttp(() => {})
      server.emit('close')
    })
    return Object.assign(server, {
      listen() {
        listener.listen().catch((error: Error) => server.emit('error', error))
        return server
      },
      address: () => ({ address: listener.address.host, port: listener.address.port, family: 'IPv4' }),
      closeAllConnections: () => listener.closeConnections(),
      close(callback?: (error?: Error) => void) {
        listener.close().then(() => callback?.(), callback)
        return server
      },
    })
  }
}
