/** GET /api, /apis and below: what is served. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { aggregated, apiGroup, apiGroupList, apiResourceList, apiVersions } from './documents.ts'

/** What aggregated APIs add. */
export interface OtherApis {
  /** APIGroupDiscovery items. */
  aggregated(): readonly unknown[]
  /** APIGroup items. */
  groups(): readonly unknown[]
}

/** The discovery version that is asked for first: `application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList`. */
function askedVersion(accept: string): 'v2' | 'v2beta1' | undefined {
  for (const range of accept.split(',')) {
    const parts = range.split(';').map(part => part.trim())
    if (!parts.includes('as=APIGroupDiscoveryList')) continue
    if (parts.includes('v=v2')) return 'v2'
    if (parts.includes('v=v2beta1')) return 'v2beta1'
  }
  return undefined
}

function send(reply: FastifyReply, document: unknown, contentType = 'application/json') {
  return reply
    .header('content-type', contentType)
    .header('vary', 'Accept')
    .send(Buffer.from(`${JSON.stringify(document)}\n`))
}

export function addDiscovery(app: FastifyInstance, options: { serverAddress: () => string; others: OtherApis }): void {
  const { serverAddress, others } = options
  const root = (core: boolean) => (request: FastifyRequest, reply: FastifyReply) => {
    const version = askedVersion(request.headers.accept ?? '')
    if (version) {
      // client-go looks at the very text of the Content-Type.
      const type = `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`
      return send(reply, aggregated(core, version, core ? [] : others.aggregated()), type)
    }
    return send(reply, core ? apiVersions(serverAddress()) : apiGroupList(others.groups()))
  }
  for (const [path, core] of [
    ['/api', true],
    ['/apis', false],
  ] as const) {
    app.get(path, root(core))
    app.get(`${path}/`, root(core))
  }
}

/** `/api/v1`, `/apis/<group>` and `/apis/<group>/<version>`; undefined: not ours. */
export function discoveryOf(path: string): unknown {
  const parts = path.split('/').filter(part => part !== '')
  if (parts[0] === 'api') return parts.length === 2 ? apiResourceList('', parts[1]!) : undefined
  if (parts.length === 2) return apiGroup(parts[1]!)
  return parts.length === 3 ? apiResourceList(parts[1]!, parts[2]!) : undefined
}
