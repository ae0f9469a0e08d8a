/** A client's side of one handshake, on a TCP connection that is there. */
import { isIP, type Socket } from 'node:net'
import { connect, type SecureContext, type TLSSocket } from 'node:tls'
import { alertOf } from './alerts.ts'
import { RefusedError, UnreachableError } from './errors.ts'
import { type HandshakeFailure, handshakeFailure, isNotTls } from './handshake-errors.ts'
import { type Judgement, judgeServer } from './judge.ts'
import { Keylog } from './keylog.ts'
import { watchRefusal } from './late-refusal.ts'
import { setPeer } from './peer.ts'
import { describeCertificate, presentedBy } from './presented.ts'
import { refuse } from './refuse.ts'
import type { Bundle, DialOptions, HandshakeRecord } from './types.ts'

export interface Attempt {
  options: DialOptions
  alpn: readonly string[]
  context: SecureContext
  bundle: Bundle
  /** Checked in the server's certificate. */
  name: string
  /** `host:port` that was dialled. */
  address: string
  /** A record with what is known before the handshake. */
  record(more: Partial<HandshakeRecord>): HandshakeRecord
  /** Given up: what still happens to the connection is nobody's news. */
  isSettled(): boolean
  /** The first call counts. */
  settle(error: RefusedError | UnreachableError | undefined, socket?: TLSSocket): void
}

/** crypto/tls RecordHeaderError. */
const notTls = 'tls: first record does not look like a TLS handshake'

export class ClientHandshake {
  readonly #raw: Socket
  readonly #attempt: Attempt
  /** `127.0.0.1:50000->127.0.0.1:2379`, for Go's words. */
  readonly #connection: string
  #judgement: Judgement | undefined
  #done = false
  #keylog: Keylog | undefined

  constructor(raw: Socket, connection: string, attempt: Attempt) {
    this.#raw = raw
    this.#attempt = attempt
    this.#connection = connection
  }

  start(): void {
    const { alpn, context, name } = this.#attempt
    const socket = connect({
      socket: this.#raw,
      servername: isIP(name) ? '' : name.replace(/\.$/, ''),
      secureContext: context,
      ALPNProtocols: alpn as string[],
      // Our verifier takes over; OpenSSL has no trust anchors and no say.
      rejectUnauthorized: false,
    })
    const keylog = new Keylog(socket, log => {
      // TLS 1.2's only line comes when the server's flight was read and nothing of ours is out: the last moment at which an alert
      // comes before our Finished, and where Go verifies (test/tls/alert-order.test.ts pins it on Node 22, 24 and 26).
      if (!this.#judgement && log.has('CLIENT_RANDOM')) this.#judge(socket, log, 'TLSv1.2')
    })
    this.#keylog = keylog
    const failed = (error?: Error) => this.#failed(socket, error)
    socket.on('error', failed)
    socket.on('close', () => failed())
    socket.once('secure', () => {
      if (this.#done || this.#attempt.isSettled()) return
      const tlsVersion = socket.getProtocol() ?? ''
      if (!this.#judgement) this.#judge(socket, keylog, tlsVersion)
      if (this.#done) return
      this.#accept(socket, tlsVersion)
      socket.off('error', failed)
    })
  }

  #judge(socket: TLSSocket, keylog: Keylog, tlsVersion: string): void {
    const { options, bundle, name } = this.#attempt
    this.#judgement = judgeServer(presentedBy(socket), {
      bundle,
      name,
      voice: options.voice,
      now: options.clock.now(),
      insecureSkipVerify: options.insecureSkipVerify ?? false,
      tlsVersion,
    })
    if (!this.#judgement.refused) return
    const { reason, message, alert } = this.#judgement.refused
    const random = keylog.clientRandom
    const sent = refuse('client', socket, this.#raw, keylog, alert)
    this.#refuse(
      { message, refusedBy: 'client', reason, ...(sent ? { alert: alertOf(alert, 'sent') } : {}) },
      { ...this.#seen(), handshake: random, tls: { version: tlsVersion, cipher: cipherOf(socket), resumed: false } },
    )
  }

  #accept(socket: TLSSocket, tlsVersion: string): void {
    const { options, settle } = this.#attempt
    this.#done = true
    const ok = this.#attempt.record({
      ...this.#seen(),
      tls: {
        version: tlsVersion,
        cipher: cipherOf(socket),
        ...groupOf(socket),
        ...(socket.alpnProtocol ? { alpn: socket.alpnProtocol } : {}),
        resumed: socket.isSessionReused(),
      },
      ...(options.insecureSkipVerify ? { message: 'insecure-skip-tls-verify: the server was not verified' } : {}),
    })
    this.#keylog?.forget()
    options.records.write(ok)
    // For who speaks HTTP over it: a 401 or 403 is told of the handshake that it came over.
    setPeer(socket, {
      handshake: ok.handshake,
      certificates: this.#judgement?.certificates ?? [],
      address: this.#attempt.address,
      record: update => options.records.write({ ...ok, time: options.clock.now().toISOString(), ...update }),
    })
    watchRefusal(socket, { record: ok, connection: this.#connection, options })
    // nobody may be listening yet, and a refusal is no crash
    socket.on('error', () => {})
    settle(undefined, socket)
  }

  #failed(socket: TLSSocket, error?: Error): void {
    if (this.#done || this.#attempt.isSettled()) return
    const { voice } = this.#attempt.options
    const failure = handshakeFailure('client', error, { voice, connection: this.#connection })
    const seen = this.#seen()
    this.#keylog?.forget()
    if (isNotTls(error)) {
      this.#done = true
      const record = this.#attempt.record({ outcome: 'unreachable', reason: 'unreachable', message: notTls })
      this.#attempt.options.records.write(record)
      this.#attempt.settle(new UnreachableError(record, error))
    } else this.#refuse(failure, seen, error)
    socket.destroy()
  }

  #refuse(
    { message, refusedBy, reason, alert }: HandshakeFailure,
    seen: Partial<HandshakeRecord>,
    cause?: Error,
  ): void {
    this.#done = true
    const record = this.#attempt.record({
      ...seen,
      outcome: 'refused',
      refusedBy,
      layer: 'tls',
      ...(reason ? { reason } : {}),
      message,
      ...(alert ? { alert } : {}),
    })
    this.#attempt.options.records.write(record)
    this.#attempt.settle(new RefusedError(record, cause))
  }

  #seen(): Partial<HandshakeRecord> {
    const certificates = this.#judgement?.certificates ?? []
    return {
      handshake: this.#keylog?.clientRandom ?? '',
      ...(certificates.length > 0 ? { peer: certificates.map(describeCertificate) } : {}),
    }
  }
}

const cipherOf = (socket: TLSSocket): string => {
  const cipher = socket.getCipher() as ReturnType<TLSSocket['getCipher']> | undefined
  return cipher?.standardName ?? cipher?.name ?? ''
}

/** Never before the handshake is done: Node 24.21 dies. */
function groupOf(socket: TLSSocket): { group?: string } {
  const info = socket.getEphemeralKeyInfo() as { name?: string } | null
  return info?.name ? { group: info.name } : {}
}
