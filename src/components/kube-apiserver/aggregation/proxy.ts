/** Requests for an aggregated API go on to its server, with the front proxy's certificate and the user in X-Remote-* headers: kube-aggregator's handler_proxy.go. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Dispatcher } from 'undici'
import { messageOf } from '#errors.ts'
import type { UserInfo } from '#kubernetes/types.ts'
import type { Log } from '#log.ts'
import { joinHostPort } from '#tls/errors.ts'
import { forwardable } from '../proxy/nodes.ts'
import type { Store } from '../storage/store.ts'
import type { RemoteApi } from './apiservices.ts'
import { resolveService } from './services.ts'

/** As undici takes them: name, value, name, value, so that groups may repeat. */
function remoteHeaders({ username, groups, extra }: UserInfo): string[] {
  const headers = ['X-Remote-User', username]
  for (const group of groups) headers.push('X-Remote-Group', group)
  for (const [key, values] of Object.entries(extra ?? {})) {
    // Escaped as transport.headerKeyEscape: what is no token character.
    const name = `X-Remote-Extra-${encodeURIComponent(key)
      .replaceAll("'", '%27')
      .replace(/[()]/g, c => `%${c.charCodeAt(0).toString(16)}`)}`
    for (const value of values) headers.push(name, value)
  }
  return headers
}

const plain = 'text/plain; charset=utf-8'

export async function proxyToApi(
  request: FastifyRequest,
  reply: FastifyReply,
  { api, store, log }: { api: RemoteApi; store: Store; log: Log },
): Promise<unknown> {
  const unavailable = (text: string) =>
    reply.code(503).header('content-type', plain).header('x-content-type-options', 'nosniff').send(`${text}\n`)
  if (!api.available) return unavailable('service unavailable')
  let answer: Dispatcher.ResponseData
  try {
    const { host, port } = await resolveService(store, api.service)
    const headers = Object.entries(forwardable(request.headers)).filter(
      ([name]) => !name.startsWith('x-remote-') && !name.startsWith('impersonate-'),
    )
    answer = await api.dialer.agent.request({
      origin: `https://${joinHostPort(host, port)}`,
      path: request.url,
      method: request.method as Dispatcher.HttpMethod,
      headers: [...headers.flat(), ...remoteHeaders(request.user)],
      bodyTimeout: 0,
      ...(Buffer.isBuffer(request.body) && request.body.length > 0 ? { body: request.body } : {}),
    })
  } catch (error) {
    log.error('Error while proxying request', error, { URI: request.url })
    return unavailable(`error trying to reach service: ${messageOf(error)}`)
  }
  for (const [name, value] of Object.entries(forwardable(answer.headers))) reply.header(name, value)
  request.raw.once('close', () => answer.body.destroy())
  answer.body.on('error', () => {})
  return reply.code(answer.statusCode).send(answer.body)
}
