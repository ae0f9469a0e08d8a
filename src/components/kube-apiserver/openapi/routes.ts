/** GET /openapi/v2 and /openapi/v3[/…]. */
import type { FastifyInstance } from 'fastify'

/** Without the @ that clients ask with: it is in no valid media type (kube-openapi, handler.go). */
const protobuf = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf'

export function addOpenApi(app: FastifyInstance): void {
  let json: string | undefined
  let bytes: Buffer | undefined
  app.get('/openapi/v2', async (request, reply) => {
    const { v2Document } = await import('./documents.ts')
    // Asked for by a name that has changed over time: proto-openapi.spec.v2@v1.0+protobuf, …v2.v1.0+protobuf.
    if (/protobuf/.test(request.headers.accept ?? '')) {
      const { encodeGnostic } = await import('./gnostic.ts')
      bytes ??= encodeGnostic(v2Document('v2'))
      return reply.header('content-type', protobuf).send(bytes)
    }
    json ??= JSON.stringify(v2Document('v2'))
    return reply.header('content-type', 'application/json').send(Buffer.from(json))
  })
  app.get('/openapi/v3', async (_request, reply) => {
    const { v3Index } = await import('./documents.ts')
    return reply.header('content-type', 'application/json').send(Buffer.from(JSON.stringify(v3Index())))
  })
  app.get('/openapi/v3/*', async (request, reply) => {
    const { v3Document } = await import('./documents.ts')
    const document = v3Document((request.params as { '*': string })['*'])
    return document
      ? reply.header('content-type', 'application/json').send(Buffer.from(document))
      : reply.callNotFound()
  })
}
