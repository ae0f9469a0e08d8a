/** Servers that speak no TLS at all. */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createHttpServer } from '#node-http.ts'
import type { ProtocolDefect } from './protocols.ts'

export interface RawServer {
  port: number
  stop(): Promise<void>
}

const behaviours: Record<NonNullable<ProtocolDefect['raw']>, (socket: Socket) => void> = {
  end: socket => socket.once('data', () => socket.end()),
  reset: socket => socket.once('data', () => socket.resetAndDestroy()),
  silence: socket => socket.resume(),
  http: () => {},
}

/** @throws Error EADDRINUSE and the like */
export async function serveRaw(
  raw: NonNullable<ProtocolDefect['raw']>,
  host: string,
  port: number,
): Promise<RawServer> {
  const server: Server =
    raw === 'http'
      ? createHttpServer((_request, response) => void response.end('this is plain HTTP\n'))
      : createServer(behaviours[raw])
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    // who gives up is no news
    socket.on('error', () => {}).once('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    stop: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
