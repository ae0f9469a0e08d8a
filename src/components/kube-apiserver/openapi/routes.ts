/** GET /openapi/v2 and /openapi/v3[/…]. */
import type { FastifyInstance } from 'fastify'
import type { CustomResources } from '../custom-resources/definitions.ts'

/** Without the @ that clients ask with: it is in no valid media type (kube-openapi, handler.go). */
const protobuf = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf'

export function addOpenApi(app: FastifyInstance, custom: CustomResources): void {
  let json: string | undefined
  let bytes: Buffer | undefined
  let generation = custom.generation
  const document = async () => {
    const { v2Document } = await import('./documents.ts')
    if (generation !== custom.generation) {
      generation = custom.generation
      json = undefined
      bytes = undefined
    }
    const rows = custom.all()
    if (rows.length === 0) return v2Document('v2')
    const { withCustom } = await import('../custom-resources/openapi.ts')
    return withCustom(v2Document('v2'), rows)
  }
  app.get('/openapi/v2', async (request, reply) => {
    const whole = await document()
    // Asked for by a name that has changed over time: proto-openapi.spec.v2@v1.0+protobuf, …v2.v1.0+protobuf.
    if (/protobuf/.test(request.headers.accept ?? '')) {
      const { encodeGnostic } = await import('./gnostic.ts')
      bytes ??= encodeGnostic(whole)
      return reply.header('content-type', protobuf).send(bytes)
    }
    json ??= JSON.stringify(whole)
    return reply.header('content-type', 'application/json').send(Buffer.from(json))
  })
  app.get('/openapi/v3', async (_request, reply) => {
    const { v3Index } = await import('./documents.ts')
    const { customV3Paths } = await import('../custom-resources/openapi.ts')
    const more = customV3Paths(custom.all())
    return reply
      .header('content-type', 'application/json')
      .send(Buffer.from(JSON.stringify(v3Index(more, custom.generation))))
  })
  app.get('/openapi/v3/*', async (request, reply) => {
    const { v3Document, info } = await import('./documents.ts')
    const { customV3Document } = await import('../custom-resources/openapi.ts')
    const path = (request.params as { '*': string })['*']
    const document = v3Document(path) ?? customV3Document(path, custom.all(), info)
    return document
      ? reply.header('content-type', 'application/json').send(Buffer.from(document))
      : reply.callNotFound()
  })
}
