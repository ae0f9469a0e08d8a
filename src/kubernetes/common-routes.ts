/** The paths that every server has: /healthz, /livez, /readyz with what is below them, and /metrics. */
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Log } from '#log.ts'
import { type HealthCheck, healthAnswer, logCheck, oneHealthAnswer, ping } from './health.ts'
import type { Metrics } from './metrics.ts'
import { nosniff, plainText } from './refusals.ts'

const send = (reply: FastifyReply, { status, body }: { status: number; body: string }) =>
  reply.code(status).headers(nosniff).header('content-type', plainText).send(body)

/** http.NotFound of Go. */
export const pageNotFound = (reply: FastifyReply) => send(reply, { status: 404, body: '404 page not found\n' })

export function addHealthRoutes(
  app: FastifyInstance,
  own: readonly HealthCheck[],
  log: Log,
  metrics: Metrics | undefined,
): void {
  const checks = [ping, logCheck, ...own]
  for (const endpoint of ['healthz', 'livez', 'readyz'] as const) {
    app.get(`/${endpoint}`, async (request, reply) => {
      const mark = request.url.indexOf('?')
      const query = new URLSearchParams(mark === -1 ? '' : request.url.slice(mark + 1))
      const answer = await healthAnswer(endpoint, checks, query, metrics)
      if (answer.failed.length > 0) {
        const names = answer.failed.map(({ name }) => name).join(',')
        const lines = answer.failed.map(({ name, why }) => `[-]${name} failed: ${why}\n`).join('')
        log.info(`${names} check failed: ${endpoint}\n${lines}`, {}, 2)
      }
      return send(reply, answer)
    })
    app.get<{ Params: { check: string } }>(`/${endpoint}/:check`, async (request, reply) => {
      const answer = await oneHealthAnswer(endpoint, request.params.check, checks)
      return answer ? send(reply, answer) : pageNotFound(reply)
    })
  }
}

export function addMetricsRoute(app: FastifyInstance, metrics: Metrics): void {
  app.get('/metrics', async (_request, reply) => {
    const { body, contentType } = await metrics.text()
    return reply.header('content-type', contentType).send(body)
  })
}
