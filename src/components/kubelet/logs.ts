/** GET /containerLogs/{namespace}/{pod}/{container}: kubelet's log endpoint, from memory. */
import { PassThrough } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import type { Container } from './container.ts'
import type { ContainerLog, LogLine } from './container-log.ts'
import type { Pods } from './pods.ts'

interface Query {
  follow?: string
  previous?: string
  tailLines?: string
  limitBytes?: string
  sinceSeconds?: string
  sinceTime?: string
  timestamps?: string
  stream?: string
}

const plain = 'text/plain'
const isTrue = (text: string | undefined) => text === 'true' || text === '1'

export function addLogs(app: FastifyInstance, pods: Pods): void {
  app.get<{ Params: { namespace: string; pod: string; container: string }; Querystring: Query }>(
    '/containerLogs/:namespace/:pod/:container',
    async (request, reply) => {
      const { namespace, pod: name, container: containerName } = request.params
      const fail = (status: number, message: string) =>
        reply.code(status).header('content-type', plain).send(`${message}\n`)
      const { query } = request
      for (const field of ['tailLines', 'limitBytes', 'sinceSeconds'] as const) {
        if (query[field] !== undefined && !/^\d+$/.test(query[field]))
          return fail(400, `{"message": "Unable to decode query."}`)
      }
      const worker = pods.find(namespace, name)
      if (!worker) return fail(404, `pod "${name}" does not exist`)
      const container = worker.container(containerName)
      if (!container) return fail(404, `container "${containerName}" not found in pod "${name}"`)
      const log = isTrue(query.previous) ? container.previousLog : container.log
      if (!log) return fail(400, `previous terminated container "${containerName}" in pod "${name}" not found`)
      const waits = waiting(container)
      if (waits !== undefined && !isTrue(query.previous) && log.lines.length === 0)
        return fail(400, `container "${containerName}" in pod "${name}" is waiting to start: ${waits}`)
      reply.header('content-type', plain)
      if (!isTrue(query.follow) || log.ended) return reply.send(select(log, query).join(''))
      const stream = new PassThrough()
      follow(log, query, stream)
      request.raw.once('close', () => stream.destroy())
      return reply.send(stream)
    },
  )
}

const waiting = ({ state }: Container) => (state.kind === 'waiting' ? (state.message ?? state.reason) : undefined)

const render = ({ time, text }: LogLine, query: Query) =>
  isTrue(query.timestamps) ? `${time.toISOString().replace('Z', '000000Z')} ${text}` : text

function select(log: ContainerLog, query: Query): string[] {
  const since = query.sinceTime
    ? Date.parse(query.sinceTime)
    : query.sinceSeconds
      ? Date.now() - Number(query.sinceSeconds) * 1000
      : undefined
  let lines = log.lines.filter(
    ({ time, stream }) =>
      (since === undefined || time.getTime() >= since) &&
      (!query.stream || query.stream === 'All' || query.stream.toLowerCase() === stream),
  )
  if (query.tailLines !== undefined) lines = Number(query.tailLines) === 0 ? [] : lines.slice(-Number(query.tailLines))
  const texts = lines.map(line => render(line, query))
  if (query.limitBytes === undefined) return texts
  return [texts.join('').slice(0, Number(query.limitBytes))]
}

function follow(log: ContainerLog, query: Query, stream: PassThrough): void {
  let left = query.limitBytes === undefined ? Number.POSITIVE_INFINITY : Number(query.limitBytes)
  const send = (text: string) => {
    stream.write(text.slice(0, left))
    left -= text.length
    if (left <= 0) stop()
  }
  const onLine = (line: LogLine) => send(render(line, query))
  const stop = () => {
    log.off('line', onLine).off('end', stop)
    stream.end()
  }
  stream.on('close', () => log.off('line', onLine).off('end', stop))
  stream.on('error', () => {})
  log.on('line', onLine).on('end', stop)
  for (const text of select(log, query)) send(text)
}
