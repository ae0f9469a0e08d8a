/** Client ends: a TLS connection whose server our verifier judged, and an undici Agent that makes its connections so. */
import { connect as connectTcp } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { Agent, type Dispatcher } from 'undici'
import { type Attempt, ClientHandshake } from './client-handshake.ts'
import { contextMaker } from './context.ts'
import { dialWords, joinHostPort, UnreachableError } from './errors.ts'
import { describeOwn } from './presented.ts'
import type { Dialer, DialOptions, Identity } from './types.ts'

export interface Target {
  host: string
  port: number
}

export function createDialer(options: DialOptions): Dialer {
  const contextOf = contextMaker(options)
  const open = new Set<TLSSocket>()
  const alpn = [...(options.alpn ?? ['http/1.1'])]
  let agent: Agent | undefined

  const connect = (target: Target): Promise<TLSSocket> =>
    new Promise((resolve, reject) => {
      const identity = options.identity?.current()
      const tls = { alpn, identity, context: contextOf(identity), bundle: options.roots.current() }
      dial(target, options, tls, (error, socket) => {
        if (!socket) return reject(error)
        open.add(socket)
        socket.once('close', () => open.delete(socket))
        resolve(socket)
      })
    })

  return {
    connect,
    get agent() {
      agent ??= new Agent({
        allowH2: options.http2 ?? alpn.includes('h2'),
        keepAliveTimeout: 90_000,
        keepAliveMaxTimeout: 600_000,
        connect({ hostname, port, protocol }, callback) {
          const host = hostname.replace(/^\[|\]$/g, '')
          connect({ host, port: Number(port || (protocol === 'https:' ? 443 : 80)) }).then(
            socket => callback(null, socket),
            (error: Error) => callback(error, null),
          )
        },
      })
      return agent as Dispatcher
    },
    closeConnections() {
      for (const socket of open) socket.destroySoon()
    },
    async close() {
      for (const socket of open) socket.destroy()
      await agent?.destroy()
    },
  }
}

/** Connects, then hands over to the handshake; `callback` is called once. */
function dial(
  { host, port }: Target,
  options: DialOptions,
  tls: Pick<Attempt, 'alpn' | 'context' | 'bundle'> & { identity: Identity | undefined },
  callback: Attempt['settle'],
): void {
  const address = joinHostPort(host, port)
  const name = options.servername ?? host
  let settled = false
  const settle: Attempt['settle'] = (error, socket) => {
    if (settled) return
    settled = true
    clearTimeout(timer)
    callback(error, socket)
  }
  const record: Attempt['record'] = more => ({
    time: options.clock.now().toISOString(),
    handshake: '',
    observer: options.component,
    end: 'client',
    from: options.from,
    to: options.to,
    address,
    port,
    ...(raw.localPort ? { local: joinHostPort(raw.localAddress ?? '', raw.localPort) } : {}),
    outcome: 'ok',
    name,
    ...(tls.identity ? { own: describeOwn(tls.identity) } : {}),
    ...(tls.bundle.file ? { bundle: tls.bundle.file } : {}),
    ...more,
  })
  const unreachable = (message: string, cause?: unknown) => {
    if (settled) return
    const seen = record({ outcome: 'unreachable', reason: 'unreachable', message })
    options.records.write(seen)
    settle(new UnreachableError(seen, cause))
  }
  let connected = false
  const raw = connectTcp({ host, port, noDelay: true, autoSelectFamily: true })
  const timer = setTimeout(() => {
    unreachable(connected ? 'net/http: TLS handshake timeout' : `dial tcp ${address}: i/o timeout`)
    raw.destroy()
  }, options.handshakeTimeoutMs ?? 10_000)
  const onError = (error: NodeJS.ErrnoException) => unreachable(dialWords(firstOf(error), host, address), error)
  raw.once('error', onError)
  raw.once('connect', () => {
    connected = true
    raw.off('error', onError)
    const connection = `${joinHostPort(raw.localAddress ?? '', raw.localPort ?? 0)}->${joinHostPort(raw.remoteAddress ?? host, port)}`
    new ClientHandshake(raw, connection, { options, ...tls, name, address, record, settle }).start()
  })
}

/** autoSelectFamily gathers what each address said. */
const firstOf = (error: NodeJS.ErrnoException): NodeJS.ErrnoException =>
  error instanceof AggregateError ? ((error.errors[0] as NodeJS.ErrnoException | undefined) ?? error) : error
