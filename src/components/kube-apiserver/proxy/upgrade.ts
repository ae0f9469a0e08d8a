/**
 * exec, attach and port-forward: the client's upgrade goes to the kubelet as it is, and what the kubelet answers goes back, bytes and all.
 * WebSocket (kubectl ≥ 1.30) is what our kubelet speaks; to SPDY it says so itself.
 */
import type { Duplex } from 'node:stream'
import { messageOf } from '#errors.ts'
import type { UpgradeRequest } from '#kubernetes/serving.ts'
import { badRequest, failure, notFound, StatusError } from '#kubernetes/status.ts'
import { joinHostPort } from '#tls/errors.ts'
import { text } from '../columns/values.ts'
import type { Api } from '../verbs/types.ts'
import { containerOf, podOf } from './pods.ts'

/** The API's query, and the kubelet's. */
const streams: Record<string, string> = { stdin: 'input', stdout: 'output', stderr: 'error', tty: 'tty' }

export async function forwardUpgrade(api: Api, request: UpgradeRequest): Promise<void> {
  const { raw, socket, head, info } = request
  try {
    const { path, node } = await targetOf(api, request)
    const { host, port } = await api.kubelets.addressOf(node)
    const backend = await api.kubelets.dialer.connect({ host, port }).catch(error => {
      throw new StatusError(failure(500, '', `error dialing backend: ${messageOf(error)}`), { cause: error })
    })
    const lines = [`${raw.method} ${path} HTTP/1.1`, `Host: ${joinHostPort(host, port)}`]
    for (let i = 0; i + 1 < raw.rawHeaders.length; i += 2) {
      const name = raw.rawHeaders[i]!
      // Who asks is known here; the kubelet is asked by the apiserver.
      if (/^(host|authorization|impersonate-.*|x-remote-.*)$/i.test(name)) continue
      lines.push(`${name}: ${raw.rawHeaders[i + 1]}`)
    }
    backend.write(`${lines.join('\r\n')}\r\n\r\n`)
    if (head.length > 0) backend.write(head)
    if (raw.headers.upgrade?.toLowerCase() === 'websocket') join(socket, backend)
    else joinSpdy(socket, backend)
  } catch (error) {
    const status = error instanceof StatusError ? error : new StatusError(failure(500, '', messageOf(error)))
    api.log.error('unable to upgrade', error, { URI: raw.url, name: info.name })
    refuse(socket, status)
  }
}

/**
 * SPDY, as kubectl before 1.30 asks: a real kubelet takes it (101); our own answers 400, which is said in a way that those kubectls can show
 * (they read plain text with a colon in it as an empty Status).
 */
function joinSpdy(client: Duplex, backend: Duplex): void {
  backend.once('data', (first: Buffer) => {
    if (!/^HTTP\/1\.1 400/.test(first.toString('latin1', 0, 12))) {
      client.write(first)
      join(client, backend)
      return
    }
    backend.destroy()
    refuse(
      client,
      badRequest(
        'exec, attach and port-forward over SPDY are not emulated: use kubectl 1.30 or newer, which speaks WebSocket',
      ),
    )
  })
  backend.once('close', () => client.end())
  backend.on('error', () => client.destroy())
}

function join(client: Duplex, backend: Duplex): void {
  client.pipe(backend)
  backend.pipe(client)
  for (const [one, other] of [
    [client, backend],
    [backend, client],
  ] as const) {
    one.on('error', () => other.destroy())
    one.once('close', () => other.end())
  }
}

async function targetOf(api: Api, { info, raw }: UpgradeRequest): Promise<{ path: string; node: string }> {
  const { apiGroup, resource, subresource, namespace, name } = info
  if (apiGroup !== '' || resource !== 'pods' || !['exec', 'attach', 'portforward'].includes(subresource))
    throw notFound({ group: apiGroup, resource: subresource ? `${resource}/${subresource}` : resource }, name)
  const query = new URL(raw.url ?? '/', 'https://apiserver').searchParams
  const pod = await podOf(api.store, namespace, name)
  const phase = text(pod, 'status', 'phase')
  if (phase === 'Succeeded' || phase === 'Failed')
    throw badRequest(`cannot exec into a container in a completed pod; current phase is ${phase}`)
  const node = text(pod, 'spec', 'nodeName')
  if (node === '') throw badRequest(`pod ${name} does not have a host assigned`)
  if (subresource === 'portforward') return { path: `/portForward/${namespace}/${name}?${query}`, node }
  const container = containerOf(pod, query.get('container') ?? '')
  const asked = new URLSearchParams()
  for (const [ours, theirs] of Object.entries(streams))
    if (['true', '1'].includes(query.get(ours) ?? '')) asked.set(theirs, '1')
  for (const word of query.getAll('command')) asked.append('command', word)
  return { path: `/${subresource}/${namespace}/${name}/${container}?${asked}`, node }
}

function refuse(socket: Duplex, { status, code }: StatusError): void {
  const body = `${JSON.stringify(status)}\n`
  socket.end(
    `HTTP/1.1 ${code} ${status.reason || 'Error'}\r\nCache-Control: no-cache, private\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  )
}
