/** The API's paths on fastify: each request to its handler, each answer in the form that was asked for. Bodies are Buffers: to a string fastify would add a charset. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { quote } from '#kubernetes/go.ts'
import type { SecureServer } from '#kubernetes/serving.ts'
import { kubernetesVersion, platform } from '#kubernetes/version.ts'
import type { CustomResources } from './custom-resources/definitions.ts'
import { customDiscovery } from './custom-resources/discovery.ts'
import { addDiscovery, discoveryOf, type OtherApis } from './discovery/routes.ts'
import { handlerFor } from './dispatch.ts'
import { addOpenApi } from './openapi/routes.ts'
import { findResource } from './resources/table.ts'
import type { ResourceDefinition } from './resources/types.ts'
import { storageStatus, UnavailableError } from './storage/errors.ts'
import { GatewayError } from './storage/etcd.ts'
import { negotiate } from './verbs/negotiate.ts'
import { type IncludeObject, transform } from './verbs/table.ts'
import type { Answer, Api, ApiRequest } from './verbs/types.ts'

/** Takes requests that are not for this process' own resources: aggregated APIs, and pods' logs and the like. Undefined: not for me. */
type Elsewhere = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown> | undefined

export interface RouteOptions {
  api: Api
  server: SecureServer
  serverAddress: () => string
  others: OtherApis
  custom: CustomResources
  elsewhere: Elsewhere
}

const empty = Buffer.alloc(0)

export function addRoutes(app: FastifyInstance, options: RouteOptions): void {
  const { serverAddress, others, custom } = options
  const discovery = customDiscovery(() => custom.all())
  const documentOf = (path: string) => discoveryOf(path) ?? discovery.document(path)
  addDiscovery(app, {
    serverAddress,
    others: {
      aggregated: () => [...discovery.aggregated(), ...others.aggregated()],
      groups: () => [...discovery.groups(), ...others.groups()],
    },
  })
  addOpenApi(app, custom)
  app.get('/version', (_request, reply) =>
    reply
      .header('content-type', 'application/json')
      .send(Buffer.from(JSON.stringify({ ...kubernetesVersion, platform }, null, 2))),
  )
  app.get('/version/', (_request, reply) => reply.redirect('/version'))
  const handler = (request: FastifyRequest, reply: FastifyReply) => serve(request, reply, options, documentOf)
  for (const url of ['/api/*', '/apis/*'])
    app.route({ method: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'], url, handler })
}

async function serve(
  request: FastifyRequest,
  reply: FastifyReply,
  options: RouteOptions,
  discoveryOf: (path: string) => unknown,
): Promise<unknown> {
  const { info } = request
  const proxied = options.elsewhere(request, reply)
  if (proxied) return proxied
  if (!info.isResourceRequest) {
    const document = request.method === 'GET' ? discoveryOf(info.path) : undefined
    if (!document) return reply.callNotFound()
    return reply.header('content-type', 'application/json').send(Buffer.from(`${JSON.stringify(document)}\n`))
  }
  const { apiGroup, apiVersion, resource } = info
  const definition = findResource(apiGroup, apiVersion, resource) ?? options.custom.find(apiGroup, apiVersion, resource)
  if (!definition) {
    const document = request.method === 'GET' && info.resource === '' ? discoveryOf(info.path) : undefined
    if (document)
      return reply.header('content-type', 'application/json').send(Buffer.from(`${JSON.stringify(document)}\n`))
    return reply.callNotFound()
  }
  const handle = handlerFor(definition, info)
  if (!handle) return reply.callNotFound()
  const asked = apiRequest(request, reply, definition)
  try {
    const answer = await handle(options.api, asked)
    return await send(reply, answer, asked, options)
  } catch (error) {
    warn(reply, asked.warnings)
    throw error instanceof UnavailableError || error instanceof GatewayError ? storageStatus(error) : error
  }
}

function apiRequest(request: FastifyRequest, reply: FastifyReply, definition: ResourceDefinition): ApiRequest {
  const { headers, url } = request
  const mark = url.indexOf('?')
  let controller: AbortController | undefined
  return {
    definition,
    info: request.info,
    user: request.user,
    method: request.method,
    query: mark === -1 ? noQuery : new URLSearchParams(url.slice(mark + 1)),
    accept: headers.accept ?? '',
    contentType: headers['content-type'] ?? '',
    userAgent: headers['user-agent'] ?? '',
    body: Buffer.isBuffer(request.body) ? request.body : empty,
    get signal() {
      if (!controller) {
        const made = new AbortController()
        controller = made
        reply.raw.once('close', () => made.abort())
      }
      return controller.signal
    },
    warnings: [],
  }
}

const noQuery = new URLSearchParams()

async function send(
  reply: FastifyReply,
  answer: Answer,
  asked: ApiRequest,
  { api, server }: RouteOptions,
): Promise<unknown> {
  warn(reply, asked.warnings)
  reply.code(answer.code)
  if ('stream' in answer) {
    server.started(reply.request, answer.code)
    reply.headers(answer.headers)
    // What was asked for is answered at once, though nothing may come for a long time.
    reply.raw.once('pipe', () => reply.raw.flushHeaders())
    return reply.send(answer.stream)
  }
  if (answer.headers) reply.headers(answer.headers)
  if ('json' in answer) return reply.header('content-type', 'application/json').send(answer.json)
  const form = negotiate(asked.accept)
  const object = transform(answer.object, form, {
    definition: asked.definition,
    now: api.clock.now(),
    include: (asked.query.get('includeObject') as IncludeObject | null) ?? 'Metadata',
  })
  if (asked.definition.resource && reply.request.audit)
    reply.request.audit.objectName = answer.object.metadata?.name ?? ''
  if (form.format === 'yaml') {
    const { stringify } = await import('yaml')
    return reply.header('content-type', 'application/yaml').send(Buffer.from(stringify(object)))
  }
  return reply.header('content-type', 'application/json').send(Buffer.from(`${JSON.stringify(object)}\n`))
}

/** RFC 7234's Warning header, as apiserver writes it. */
function warn(reply: FastifyReply, warnings: readonly string[]): void {
  if (warnings.length > 0)
    reply.header(
      'warning',
      warnings.map(text => `299 - ${quote(text)}`),
    )
}
