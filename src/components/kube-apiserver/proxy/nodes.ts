/** …/nodes/<name>/proxy/<path>: anything of a kubelet's, as the apiserver. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Kubelets } from './kubelets.ts'

/** Of one connection alone: RFC 9110 §7.6.1. */
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'host',
  'content-length',
  'authorization',
])

export function forwardable(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined || hopByHop.has(name) || name.startsWith(':')
        ? []
        : [[name, Array.isArray(value) ? value.join(', ') : value]],
    ),
  )
}

export async function proxyToNode(request: FastifyRequest, reply: FastifyReply, kubelets: Kubelets): Promise<unknown> {
  const { info, url, method, headers } = request
  // `https:node-1:10250` names scheme and port, too.
  const [, node = info.name, port] = /^(?:https?:)?([^:]+)(?::(\d+))?$/.exec(info.name) ?? []
  const address = await kubelets.addressOf(node)
  const rest = url.slice(url.indexOf('/proxy') + '/proxy'.length)
  const {
    statusCode,
    headers: answered,
    body,
  } = await kubelets.request(
    { host: address.host, port: port ? Number(port) : address.port },
    {
      method,
      path: rest.startsWith('/') ? rest : `/${rest}`,
      headers: forwardable(headers),
      ...(Buffer.isBuffer(request.body) ? { body: request.body } : {}),
    },
  )
  for (const [name, value] of Object.entries(forwardable(answered))) reply.header(name, value)
  return reply.code(statusCode).send(body)
}
