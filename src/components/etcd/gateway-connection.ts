/**
 * The gateway's own connection to the server. etcd's JSON gateway is a gRPC client of the very server that it is in: it dials
 * the port with the serving certificate (or `--client-cert-file`, 3.5), trusts what answers, and keeps that connection. A
 * certificate that the server does not take for a client leaves the gateway without one: every call is a 503 (etcd#9785).
 * Here requests do not travel over it, but they are answered only while it stands: it is dialled for real, over HTTP/2, is
 * kept open, and is dialled again, as etcd does, when it breaks. Changed files and certificates that end do not break it, there or here.
 */
import { type ClientHttp2Session, connect } from 'node:http2'
import type { Duplex } from 'node:stream'
import { createDialer } from '#tls/dial.ts'
import type { Dialer } from '#tls/types.ts'
import type { ComponentContext } from '../component.ts'
import { EtcdError, grpcCodes } from './errors.ts'
import type { Security } from './security.ts'

/** grpc-go's first backoff; a refusal comes after the client's end of the handshake, so it never grows. */
const retryMs = 1000

type State = { kind: 'connecting'; settled: Promise<void> } | { kind: 'ready' } | { kind: 'failed'; error: EtcdError }

export class GatewayConnection {
  readonly #context: ComponentContext
  readonly #target: { host: string; port: number }
  readonly #dialer: Dialer
  #state: State
  #session: ClientHttp2Session | undefined
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(target: { host: string; port: number }, security: Security, context: ComponentContext) {
    this.#context = context
    // a wildcard address is dialled as the loopback
    const host = target.host === '0.0.0.0' ? '127.0.0.1' : target.host === '::' ? '::1' : target.host
    this.#target = { host, port: target.port }
    this.#dialer = createDialer({
      component: 'etcd',
      from: 'etcd-gateway',
      to: 'etcd',
      clock: context.clock,
      voice: context.voice,
      log: context.log,
      records: context.records,
      identity: security.dialIdentity,
      roots: security.bundle,
      // "trust local server" (embed/serve.go): what it looks at is its own listener
      insecureSkipVerify: true,
      alpn: ['h2'],
    })
    this.#state = { kind: 'connecting', settled: this.#dial() }
  }

  /** undefined: it stands. While it is being dialled, calls wait, as gRPC's do. */
  unavailable(): EtcdError | undefined | Promise<EtcdError | undefined> {
    const state = this.#state
    if (state.kind === 'ready') return undefined
    if (state.kind === 'failed') return state.error
    return state.settled.then(() => this.unavailable())
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#session?.destroy()
    await this.#dialer.close()
  }

  async #dial(): Promise<void> {
    // grpc-go's words for the two places: TLS 1.2 refuses in the handshake, TLS 1.3 after the client's end of it
    let place = 'transport: authentication handshake failed'
    try {
      const socket = await this.#dialer.connect(this.#target)
      place = 'error reading server preface'
      await this.#prove(socket)
      this.#state = { kind: 'ready' }
    } catch (error) {
      this.#fail(`${place}: ${(error as Error).message}`)
    }
  }

  /** In TLS 1.3 a client is done before the server judged it: HTTP/2's first answer is the proof. */
  #prove(socket: Duplex): Promise<void> {
    return new Promise((resolve, reject) => {
      const session = connect('https://gateway', { createConnection: () => socket })
      this.#session = session
      session.once('remoteSettings', () => resolve())
      session.once('error', reject)
      session.on('error', () => {})
      session.once('close', () => {
        reject(new Error('connection closed'))
        if (this.#state.kind === 'ready') this.#fail('error reading from server: EOF')
      })
      session.unref()
    })
  }

  #fail(why: string): void {
    if (this.#closed) return
    // etcd 3.4 keeps the reason to itself; 3.5 passes gRPC's on
    const message = this.#context.voice === 'go1.19' ? 'connection closed' : `connection error: desc = "${why}"`
    this.#state = { kind: 'failed', error: new EtcdError(grpcCodes.unavailable, message) }
    this.#timer = setTimeout(() => {
      void this.#dial()
    }, retryMs).unref()
  }
}
