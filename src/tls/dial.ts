/** Client ends: a TLS connection whose server our verifier judged, and an undici Agent that makes its connections so. */
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { Agent, type Dispatcher } from 'undici'
import { alertOf } from './alerts.ts'
import { contextMaker } from './context.ts'
import { dialWords, joinHostPort, RefusedError, UnreachableError } from './errors.ts'
import { clientFailure, type HandshakeFailure } from './handshake-errors.ts'
import { judgeServer } from './judge.ts'
import { watchKeylog } from './keylog.ts'
import { watchRefusal } from './late-refusal.ts'
import { setPeer } from './peer.ts'
import { describeCertificate, describeOwn, presentedBy } from './presented.ts'
import { destroyBoth, refuse } from './refuse.ts'
import type { Dialer, DialOptions, HandshakeRecord } from './types.ts'

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
      const context = contextOf(identity)
      const bundle = options.roots.current()
      dial(target, { options, alpn, identity, context, bundle }, (error, socket) => {
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

interface Attempt {
  options: DialOptions
  alpn: string[]
  identity: ReturnType<NonNullable<DialOptions['identity']>['current']> | undefined
  context: ReturnType<ReturnType<typeof contextMaker>>
  bundle: ReturnType<DialOptions['roots']['current']>
}

function dial(
  target: Target,
  attempt: Attempt,
  callback: (error: Error | undefined, socket?: TLSSocket) => void,
): void {
  const { options, identity, bundle } = attempt
  const { voice, clock } = options
  const { host, port } = target
  const address = joinHostPort(host, port)
  const name = options.servername ?? host
  let clientRandom = () => ''
  let local = address
  let settled = false

  const record = (update: Partial<HandshakeRecord>): HandshakeRecord => ({
    time: clock.now().toISOString(),
    handshake: clientRandom(),
    observer: options.component,
    end: 'client',
    from: options.from,
    to: options.to,
    address,
    port,
    outcome: 'ok',
    name,
    ...(identity ? { own: describeOwn(identity) } : {}),
    ...(bundle.file ? { bundle: bundle.file } : {}),
    ...update,
  })
  const settle = (error: Error | undefined, socket?: TLSSocket) => {
    if (settled) return
    settled = true
    clearTimeout(timer)
    callback(error, socket)
  }
  const unreachable = (message: string, cause?: unknown) => {
    if (settled) return
    const what = record({ outcome: 'unreachable', reason: 'unreachable', message })
    options.records.write(what)
    settle(new UnreachableError(what, cause))
  }
  const refused = (failure: HandshakeFailure, more: Partial<HandshakeRecord>, cause?: unknown) => {
    if (settled) return
    const { message, refusedBy, reason, alert } = failure
    const what = record({
      ...more,
      outcome: 'refused',
      refusedBy,
      layer: 'tls',
      ...(reason ? { reason } : {}),
      message,
      ...(alert ? { alert } : {}),
    })
    options.records.write(what)
    settle(new RefusedError(what, cause))
  }

  const raw = connectTcp({ host, port, noDelay: true, autoSelectFamily: true })
  const timer = setTimeout(() => {
    unreachable(secured ? 'net/http: TLS handshake timeout' : `dial tcp ${address}: i/o timeout`)
    raw.destroy()
  }, options.handshakeTimeoutMs ?? 10_000)
  let secured = false
  const onConnectError = (error: NodeJS.ErrnoException) => unreachable(dialWords(firstOf(error), host, address), error)
  raw.once('error', onConnectError)
  raw.once('connect', () => {
    secured = true
    raw.off('error', onConnectError)
    local = `${joinHostPort(raw.localAddress ?? '', raw.localPort ?? 0)}->${joinHostPort(raw.remoteAddress ?? host, port)}`
    handshake(raw)
  })

  function handshake(raw: Socket): void {
    const socket = connectTls({
      socket: raw,
      servername: isIP(name) ? '' : name.replace(/\.$/, ''),
      secureContext: attempt.context,
      ALPNProtocols: attempt.alpn,
      // Our verifier takes over, in `secure` below; OpenSSL has no trust anchors and no say.
      rejectUnauthorized: false,
    })
    const keylog = watchKeylog(socket)
    clientRandom = keylog.clientRandom
    let judged = false
    const fail = (error?: Error) => {
      if (judged) return
      judged = true
      keylog.forget()
      const failure = clientFailure(error, local)
      if (failure.notTls) unreachable(failure.message, error)
      else refused(failure, {}, error)
      socket.destroy()
    }
    socket.on('error', fail)
    socket.on('close', () => fail())
    socket.once('secure', () => {
      if (judged) return
      judged = true
      const tlsVersion = socket.getProtocol() ?? ''
      const presented = judgeServer(presentedBy(socket), {
        bundle,
        name,
        voice,
        now: clock.now(),
        insecureSkipVerify: options.insecureSkipVerify ?? false,
        tlsVersion,
      })
      const more: Partial<HandshakeRecord> = {
        peer: presented.certificates.map(describeCertificate),
        tls: {
          version: tlsVersion,
          cipher: socket.getCipher().standardName ?? socket.getCipher().name,
          ...groupOf(socket),
          ...(socket.alpnProtocol ? { alpn: socket.alpnProtocol } : {}),
          resumed: socket.isSessionReused(),
        },
      }
      if (presented.refused) {
        const { reason, message, alert } = presented.refused
        const sent = refuse('client', socket, raw, keylog, alert)
        const words = sent ? { alert: alertOf(alert, 'sent') } : {}
        refused({ message, refusedBy: 'client', reason, ...words }, more)
        return
      }
      const ok = record(
        options.insecureSkipVerify
          ? { ...more, message: 'insecure-skip-tls-verify: the server was not verified' }
          : more,
      )
      keylog.forget()
      options.records.write(ok)
      // For who speaks HTTP over it: a 401 or 403 is told of the handshake that it came over.
      setPeer(socket, {
        handshake: ok.handshake,
        certificates: presented.certificates,
        address,
        record: update => options.records.write({ ...ok, time: clock.now().toISOString(), ...update }),
      })
      watchRefusal(socket, { record: ok, local, options })
      socket.off('error', fail)
      settle(undefined, socket)
    })
    if (settled) destroyBoth(socket, raw)
  }
}

/** autoSelectFamily gathers what each address said. */
const firstOf = (error: NodeJS.ErrnoException): NodeJS.ErrnoException =>
  error instanceof AggregateError ? ((error.errors[0] as NodeJS.ErrnoException | undefined) ?? error) : error

function groupOf(socket: TLSSocket): { group?: string } {
  const info = socket.getEphemeralKeyInfo() as { name?: string } | null
  return info?.name ? { group: info.name } : {}
}
