/** Client ends: a TLS connection whose server our verifier judged, and an undici Agent that makes its connections so. */
import { connect as connectTcp } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { Agent, Dispatcher } from 'undici'
import { type Attempt, ClientHandshake } from './client-handshake.ts'
import { contextMaker } from './context.ts'
import { dialWords, joinHostPort, RefusedError, UnreachableError } from './errors.ts'
import { tellBundle, tellIdentity } from './loaded.ts'
import { describeOwn } from './presented.ts'
import type { Dialer, DialOptions, HandshakeRecord, Identity } from './types.ts'

interface Target {
  host: string
  port: number
}

export function createDialer(options: DialOptions): Dialer {
  const contextOf = contextMaker(options)
  const open = new Set<TLSSocket>()
  const closing = new AbortController()
  const alpn = [...(options.alpn ?? ['http/1.1'])]
  let agent: RenewableAgent | undefined
  const { component, records, clock, from, to } = options
  const place = { component, records, clock, from, to, end: 'client' } as const
  const untell = [
    ...(options.identity ? [tellIdentity(options.identity, place)] : []),
    ...(options.insecureSkipVerify ? [] : [tellBundle(options.roots, place)]),
  ]

  const connect = (target: Target): Promise<TLSSocket> =>
    new Promise((resolve, reject) => {
      const own = loadIdentity(options, target)
      const bundle = options.roots.current()
      const tls = { alpn, identity: own, context: contextOf(own), bundle, signal: closing.signal }
      dial(target, options, tls, (error, socket) => {
        if (!socket) return reject(error)
        open.add(socket)
        socket.once('close', () => open.delete(socket))
        resolve(socket)
      })
    })

  const newAgent = () =>
    new Agent({
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

  return {
    connect,
    get agent() {
      agent ??= new RenewableAgent(newAgent)
      return agent
    },
    retireConnections: () => agent?.retire(),
    closeConnections() {
      agent?.renew()
      for (const socket of open) socket.destroy()
    },
    async close() {
      closing.abort()
      for (const stop of untell) stop()
      for (const socket of open) socket.destroy()
      await agent?.destroy()
    },
  }
}

/** An Agent in place of which a new one can be put, so that no request goes to a connection that is being ended. */
class RenewableAgent extends Dispatcher {
  readonly #make: () => Agent
  #current: Agent

  constructor(make: () => Agent) {
    super()
    this.#make = make
    this.#current = make()
  }

  renew(): void {
    this.#current.destroy().catch(() => {})
    this.#current = this.#make()
  }

  retire(): void {
    this.#current.close().catch(() => {})
    this.#current = this.#make()
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    return this.#current.dispatch(options, handler)
  }

  override close(callback?: () => void): Promise<void> {
    return this.#current.close().then(callback)
  }

  override destroy(): Promise<void> {
    return this.#current.destroy()
  }
}

/** @throws RefusedError when its files cannot be used any more: Go's GetClientCertificate failed, and with it the handshake */
function loadIdentity(options: DialOptions, target: Target): Identity | undefined {
  try {
    return options.identity?.current()
  } catch (error) {
    const { message } = error as Error
    const seen: HandshakeRecord = {
      ...known(options, target),
      outcome: 'refused',
      refusedBy: 'client',
      layer: 'tls',
      ...(/does not match/.test(message) ? { reason: 'key-mismatch' } : {}),
      message,
    }
    options.records.write(seen)
    throw new RefusedError(seen, error)
  }
}

/** What is known before anything happened. */
const known = (options: DialOptions, { host, port }: Target): HandshakeRecord => ({
  time: options.clock.now().toISOString(),
  handshake: '',
  observer: options.component,
  end: 'client',
  from: options.from,
  to: options.to,
  address: joinHostPort(host, port),
  port,
  outcome: 'ok',
  name: options.servername ?? host,
})

interface Tls extends Pick<Attempt, 'alpn' | 'context' | 'bundle'> {
  identity: Identity | undefined
  /** Gives up at once. */
  signal: AbortSignal
}

/** Connects, then hands over to the handshake; `callback` is called once. */
function dial(target: Target, options: DialOptions, tls: Tls, callback: Attempt['settle']): void {
  const { host, port } = target
  const address = joinHostPort(host, port)
  let settled = false
  const settle: Attempt['settle'] = (error, socket) => {
    if (settled) return
    settled = true
    clearTimeout(timer)
    tls.signal.removeEventListener('abort', onAbort)
    callback(error, socket)
  }
  const record: Attempt['record'] = more => ({
    ...known(options, target),
    ...(raw.localPort ? { local: joinHostPort(raw.localAddress ?? '', raw.localPort) } : {}),
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
  const onAbort = () => {
    // our own doing: nothing to record
    const message = `dial tcp ${address}: operation was canceled`
    settle(new UnreachableError(record({ outcome: 'unreachable', reason: 'unreachable', message })))
    raw.destroy()
  }
  tls.signal.addEventListener('abort', onAbort)
  raw.on('error', (error: NodeJS.ErrnoException) => {
    if (!connected) unreachable(dialWords(firstOf(error), host, address), error)
  })
  raw.once('connect', () => {
    connected = true
    const name = options.servername ?? host
    const connection = `${joinHostPort(raw.localAddress ?? '', raw.localPort ?? 0)}->${joinHostPort(raw.remoteAddress ?? host, port)}`
    const isSettled = () => settled
    new ClientHandshake(raw, connection, { options, ...tls, name, address, record, isSettled, settle }).start()
  })
  if (tls.signal.aborted) onAbort()
}

/** autoSelectFamily gathers what each address said. */
const firstOf = (error: NodeJS.ErrnoException): NodeJS.ErrnoException =>
  error instanceof AggregateError ? ((error.errors[0] as NodeJS.ErrnoException | undefined) ?? error) : error
