/**
 * /exec, /run and /attach over WebSocket (v5.channel.k8s.io, v4.channel.k8s.io), as kubectl ≥ 1.30 speaks by way of kube-apiserver.
 * What is run are the programs of shell/, never anything of the host.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { WebSocket, WebSocketServer } from 'ws'
import { messageOf } from '#errors.ts'
import type { SecureServer } from '#kubernetes/serving.ts'
import type { Log } from '#log.ts'
import type { Container } from './container.ts'
import type { Pods } from './pods.ts'
import { isKnown, run } from './shell/run.ts'

const protocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io']
const channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const

interface Target {
  container: Container
  command: string[]
  stdin: boolean
  tty: boolean
}

export function addExec(server: SecureServer, pods: Pods, log: Log): void {
  // loaded with the first exec: most kubelets never see one
  let sockets: Promise<WebSocketServer> | undefined
  const open = () => {
    sockets ??= import('ws').then(
      ws =>
        new ws.WebSocketServer({
          noServer: true,
          handleProtocols: offered => protocols.find(protocol => offered.has(protocol)) ?? false,
        }),
    )
    return sockets
  }
  server.onUpgrade(({ raw, socket, head }) => {
    const target = targetOf(raw.url ?? '', pods)
    if ('status' in target) return answer(socket, target.status, target.message)
    const problem = protocolProblem(raw)
    if (problem) return answer(socket, 400, problem)
    open().then(
      server =>
        server.handleUpgrade(raw, socket, head, webSocket => {
          webSocket.on('error', error => log.info('exec: connection error', { err: messageOf(error) }, 4))
          void serve(webSocket, target).catch(error => log.error('exec failed', messageOf(error)))
        }),
      error => {
        log.error('exec failed', messageOf(error))
        socket.destroy()
      },
    )
  })
  // without an upgrade
  for (const method of ['GET', 'POST'] as const) {
    for (const path of ['/exec/*', '/attach/*', '/portForward/*'])
      server.app.route({
        method,
        url: path,
        handler: async (_request, reply) =>
          reply.code(400).header('content-type', 'text/plain; charset=utf-8').send('Upgrade request required\n'),
      })
  }
}

/** /exec/{namespace}/{pod}/{container}, with the uid before the container in the older form. */
function targetOf(url: string, pods: Pods): Target | { status: number; message: string } {
  const { pathname, searchParams } = new URL(url, 'https://kubelet')
  const [, kind, namespace, name, ...rest] = pathname.split('/').map(decodeURIComponent)
  const containerName = rest.at(-1)
  if ((kind !== 'exec' && kind !== 'attach') || !namespace || !name || !containerName)
    return { status: 404, message: '404 page not found' }
  const worker = pods.find(namespace, name)
  if (!worker) return { status: 404, message: 'pod does not exist' }
  const container = worker.container(containerName)
  if (!container) return { status: 404, message: `container not found (${JSON.stringify(containerName)})` }
  if (container.state.kind !== 'running')
    return { status: 500, message: `container not found (${JSON.stringify(containerName)})` }
  const is = (name: string) => ['1', 'true'].includes(searchParams.get(name) ?? '')
  const command = searchParams.getAll('command')
  if (kind === 'exec' && command.length === 0) return { status: 400, message: 'you must specify at least 1 command' }
  return { container, command: kind === 'attach' ? [] : command, stdin: is('input'), tty: is('tty') }
}

function protocolProblem({ headers }: IncomingMessage): string | undefined {
  if (headers.upgrade?.toLowerCase() !== 'websocket')
    return `unable to upgrade: this kubelet speaks WebSocket (${protocols[0]}), not ${headers.upgrade}; use kubectl 1.30 or newer`
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map(text => text.trim())
  if (!offered.some(protocol => protocols.includes(protocol)))
    return `unable to upgrade: websocket server can't find a suitable subprotocol: client supports [${offered.join(' ')}], server supports [${protocols.join(' ')}]`
  return undefined
}

async function serve(socket: WebSocket, { container, command, stdin, tty }: Target): Promise<void> {
  const send = (stream: number, text: string | Buffer) => {
    if (socket.readyState === socket.OPEN) socket.send(Buffer.concat([Buffer.of(stream), Buffer.from(text)]))
  }
  const stop = new AbortController()
  const end = () => stop.abort()
  socket.once('close', end)
  container.io().signal.addEventListener('abort', end, { once: true })
  const input = inputOf(socket, stdin, tty ? text => send(channel.stdout, text.replace(/\r/g, '\r\n')) : undefined)
  const lineEnds = (text: string) => (tty ? text.replace(/\r?\n/g, '\r\n') : text)
  let status: object
  if (command.length === 0) {
    const onLine = ({ stream, text }: { stream: 'stdout' | 'stderr'; text: string }) =>
      send(channel[stream], lineEnds(text))
    container.log.on('line', onLine)
    await Promise.race([
      new Promise(resolve => stop.signal.addEventListener('abort', resolve, { once: true })),
      new Promise<void>(resolve => (container.log.ended ? resolve() : container.log.once('end', resolve))),
    ])
    container.log.off('line', onLine)
    status = success
  } else if (!isKnown(command)) {
    status = notFound(command[0]!)
  } else {
    const exitCode = await run(
      command,
      container.io({
        out: text => send(channel.stdout, lineEnds(text)),
        err: text => send(tty ? channel.stdout : channel.stderr, lineEnds(text)),
        read: input,
        signal: stop.signal,
      }),
    )
    status = exitCode === 0 ? success : exited(exitCode)
  }
  send(channel.error, JSON.stringify(status))
  socket.close(1000)
}

/** Channel 0 as a stream of text; v5 ends it with channel 255. A terminal echoes what is typed. */
function inputOf(socket: WebSocket, stdin: boolean, echo?: (text: string) => void): () => Promise<string | undefined> {
  const chunks: string[] = []
  let ended = !stdin
  let wake: (() => void) | undefined
  socket.on('message', (data: Buffer) => {
    const stream = data[0]
    if (stream === channel.stdin) {
      const text = data.toString('utf8', 1)
      echo?.(text)
      if (text.includes('\x04')) ended = true
      else if (text !== '') chunks.push(text)
    } else if (stream === channel.close && data[1] === channel.stdin) ended = true
    wake?.()
  })
  socket.once('close', () => {
    ended = true
    wake?.()
  })
  return async () => {
    while (chunks.length === 0 && !ended) {
      await new Promise<void>(resolve => {
        wake = resolve
      })
    }
    return chunks.shift()
  }
}

const success = { metadata: {}, status: 'Success' }

const exited = (exitCode: number) => ({
  metadata: {},
  status: 'Failure',
  message: `command terminated with non-zero exit code: exit status ${exitCode}`,
  reason: 'NonZeroExitCode',
  details: { causes: [{ reason: 'ExitCode', message: String(exitCode) }] },
})

const notFound = (command: string) => {
  const runc = `OCI runtime exec failed: exec failed: unable to start container process: exec: ${JSON.stringify(command)}: executable file not found in $PATH: unknown`
  return {
    metadata: {},
    status: 'Failure',
    message: `Internal error occurred: error executing command in container: failed to exec in container: ${runc}`,
    reason: 'InternalError',
    details: { causes: [{ message: runc }] },
    code: 500,
  }
}

function answer(socket: Duplex, status: number, message: string): void {
  const body = `${message}\n`
  const reasons: Record<number, string> = { 400: 'Bad Request', 404: 'Not Found', 500: 'Internal Server Error' }
  socket.end(
    `HTTP/1.1 ${status} ${reasons[status]}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  )
}
