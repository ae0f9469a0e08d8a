/** What etcd answers besides the API: health, version, metrics. Shapes: etcd's etcdserver/api/etcdhttp. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Voice } from '#x509/types.ts'
import type { EtcdServer } from './etcd-server.ts'
import { corsHeaders } from './gateway/replies.ts'
import type { Metrics } from './metrics.ts'

/** Name, and what it says when something is wrong. */
type Check = readonly [name: string, run: (server: EtcdServer) => string | undefined]

const serializableRead: Check = ['serializable_read', () => undefined]

const checks: Record<'livez' | 'readyz', readonly Check[]> = {
  livez: [serializableRead],
  readyz: [
    ['data_corruption', () => undefined],
    serializableRead,
    ['linearizable_read', server => (server.hasLeader ? undefined : 'etcdserver: no leader')],
  ],
}

const plainText = 'text/plain; charset=utf-8'

export function registerMetrics(app: FastifyInstance, metrics: Metrics): void {
  app.get('/metrics', async (_, reply) => {
    reply.type('text/plain; version=0.0.4; charset=utf-8')
    return metrics.text()
  })
}

export function registerHealth(app: FastifyInstance, server: EtcdServer, voice: Voice): void {
  app.get('/health', async (_, reply) => {
    const reason = server.noSpace ? 'ALARM NOSPACE' : server.hasLeader ? '' : 'RAFT NO LEADER'
    const healthy = reason === ''
    reply.code(healthy ? 200 : 503).type(plainText)
    return JSON.stringify(voice === 'go1.19' ? { health: String(healthy) } : { health: String(healthy), reason })
  })
  for (const path of ['livez', 'readyz'] as const) {
    app.get(`/${path}`, async (request, reply) => answerChecks(path, checks[path], server, request, reply))
    for (const check of checks[path]) {
      app.get(`/${path}/${check[0]}`, async (request, reply) => answerChecks(path, [check], server, request, reply))
    }
  }
}

function answerChecks(
  path: string,
  list: readonly Check[],
  server: EtcdServer,
  request: FastifyRequest,
  reply: FastifyReply,
): string {
  const { verbose, exclude } = request.query as { verbose?: string; exclude?: string | string[] }
  const excluded = exclude === undefined ? [] : [exclude].flat()
  let lines = ''
  let failed = false
  for (const [name, run] of list) {
    const error = excluded.includes(name) ? undefined : run(server)
    if (error) failed = true
    lines += excluded.includes(name)
      ? `[+]${name} excluded: ok\n`
      : error
        ? `[-]${name} failed: ${error}\n`
        : `[+]${name} ok\n`
  }
  reply
    .code(failed ? 503 : 200)
    .type(plainText)
    .header('X-Content-Type-Options', 'nosniff')
  if (failed) return `${lines}${path} check failed\n`
  return verbose === undefined ? 'ok\n' : `${lines}${path} check passed\n`
}

export function registerVersion(app: FastifyInstance, server: EtcdServer): void {
  const { version, clusterVersion } = server.cluster
  app.get('/version', async (_, reply) => {
    // a Buffer, so that no charset is added to the type
    reply.header('Content-Type', 'application/json')
    return Buffer.from(`{"etcdserver":"${version}","etcdcluster":"${clusterVersion}"}`)
  })
}

/** The client port's manners: every origin is allowed, OPTIONS are answered for any path, and what is not there is said in net/http's words. */
export function registerManners(app: FastifyInstance): void {
  app.addHook('onSend', async (_, reply) => {
    for (let i = 0; i < corsHeaders.length; i += 2) reply.header(corsHeaders[i]!, corsHeaders[i + 1]!)
  })
  app.options('*', async () => '')
}

/** net/http's mux and etcd's allowMethod: 405 on a path that is there, 404 on one that is not. */
export function registerNotFound(app: FastifyInstance): void {
  app.setNotFoundHandler((request, reply) => {
    const [url = ''] = request.url.split('?')
    const known = request.method !== 'GET' && app.hasRoute({ method: 'GET', url })
    reply
      .code(known ? 405 : 404)
      .header('X-Content-Type-Options', 'nosniff')
      .type(plainText)
    if (known) reply.header('Allow', 'GET')
    return known ? 'Method Not Allowed\n' : '404 page not found\n'
  })
}
