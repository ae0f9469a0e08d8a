/** A plain-HTTP server beside a component's own: kube-proxy's health and metrics, the kubelet's :10248. Nothing secret is served there. */
import Fastify, { type FastifyInstance } from 'fastify'
import { TrustplaneError } from '#errors.ts'
import { noSchemas } from '#no-schemas.ts'

export interface PlainServer {
  app: FastifyInstance
  /** Resolves with where it listens. */
  listen(): Promise<{ host: string; port: number }>
  close(): Promise<void>
}

/** @param at `host:port`, `[::1]:port`; port 0: any free one. @throws TrustplaneError TP_FLAG_INVALID */
export function createPlainServer(component: string, flag: string, at: string): PlainServer {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d+)$/.exec(at)
  if (!match) {
    throw new TrustplaneError(
      'TP_FLAG_INVALID',
      `${component}: invalid argument ${JSON.stringify(at)} for "--${flag}"`,
      {
        fix: 'write it as host:port, such as 127.0.0.1:10256',
      },
    )
  }
  const host = match[1] ?? (match[2] || '127.0.0.1')
  const app = Fastify({
    schemaController: noSchemas,
    logger: false,
    forceCloseConnections: true,
    bodyLimit: 1024,
  })
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).type('text/plain; charset=utf-8').send('404 page not found\n'),
  )
  return {
    app,
    async listen() {
      await app.listen({ host, port: Number(match[3]) })
      const { port } = app.server.address() as { port: number }
      return { host, port }
    },
    close: () => app.close(),
  }
}
