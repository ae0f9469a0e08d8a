/** A server's side of one handshake: from its ClientHello to a judged TLS socket, or to a refusal that both ends know of. */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { revocation } from '#x509/crl.ts'
import { type Acceptor, type Deadline, endRaw } from './accept.ts'
import { plainAlert } from './alert-record.ts'
import { alertOf } from './alerts.ts'
import { clientRandom, parseClientHello } from './client-hello.ts'
import { joinHostPort } from './errors.ts'
import { type HandshakeFailure, handshakeFailure } from './handshake-errors.ts'
import { type Judgement, judgeClient } from './judge.ts'
import { Keylog } from './keylog.ts'
import { setPeer } from './peer.ts'
import { describeCertificate, describeOwn, presentedBy } from './presented.ts'
import { destroyBoth, refuse } from './refuse.ts'
import { ticketOverflow } from './session-ticket.ts'
import type { HandshakeRecord, Identity, Peer } from './types.ts'

/** Go's alert when GetCertificate fails. */
const internalError = 80
const badCertificate = 42

export class ServerHandshake {
  readonly #raw: Socket
  readonly #address: string
  readonly #hello: Buffer | undefined
  readonly #acceptor: Acceptor
  readonly #deadline: Deadline
  #servername = ''
  #identity: Identity | undefined
  #done = false

  /**
   * @param raw the ClientHello is in its buffer again
   * @param address of the client, `host:port`
   * @param hello the ClientHello message; undefined when it is cut into several records
   */
  constructor(raw: Socket, address: string, hello: Buffer | undefined, acceptor: Acceptor, deadline: Deadline) {
    this.#raw = raw
    this.#address = address
    this.#hello = hello
    this.#acceptor = acceptor
    this.#deadline = deadline
  }

  start(): void {
    const { options, alpn, hasSni } = this.#acceptor
    // Node tells the name later, for less: it is read here only when something depends on it.
    if (hasSni && this.#hello) this.#servername = parseClientHello(this.#hello)?.servername ?? ''
    let context: ReturnType<Acceptor['contextFor']>['context']
    try {
      const chosen = this.#acceptor.contextFor(this.#servername, this.#raw.localAddress ?? '')
      this.#identity = chosen.identity
      context = chosen.context
    } catch (error) {
      // Before any ServerHello, so in the clear, as Go does.
      endRaw(this.#raw, plainAlert(internalError))
      const { message } = error as Error
      this.#refused({
        message,
        refusedBy: 'server',
        ...(/does not match/.test(message) ? { reason: 'key-mismatch' as const } : {}),
        alert: alertOf(internalError, 'sent'),
      })
      return
    }
    const socket = new TLSSocket(this.#raw, {
      isServer: true,
      requestCert: options.clientAuth !== 'none',
      // Our verifier takes over, in `secure` below; OpenSSL has no trust anchors and no say.
      rejectUnauthorized: false,
      secureContext: context,
      ALPNProtocols: alpn as string[],
    })
    const keylog = new Keylog(socket)
    this.#deadline.expire = () => {
      const local = joinHostPort(this.#raw.localAddress ?? '', this.#acceptor.port)
      this.#refused({ message: `read tcp ${local}->${this.#address}: i/o timeout`, refusedBy: 'server' })
      destroyBoth(socket, this.#raw)
    }
    const failed = (error?: Error) => {
      if (this.#done) return
      keylog.forget()
      const local = joinHostPort(this.#raw.localAddress ?? options.host, this.#acceptor.port)
      const hello = this.#hello && parseClientHello(this.#hello)
      this.#servername = hello?.servername ?? ''
      const connection = `${local}->${this.#address}`
      this.#refused(handshakeFailure('server', error, { voice: options.voice, connection, hello }))
    }
    socket.on('error', failed)
    socket.on('close', () => failed())
    // Without a tls.Server behind it a socket tells OpenSSL's errors after the handshake only here, and stays open (Node 24.21).
    socket.on('_tlsError', (error: Error) => {
      if (this.#done && !socket.destroyed) socket.destroy(error)
    })
    socket.once('secure', () => {
      if (!this.#done) this.#secured(socket, keylog)
    })
  }

  /** Inside `secure`: what is refused here can still be told before Node sends anything more. */
  #secured(socket: TLSSocket, keylog: Keylog): void {
    const { options } = this.#acceptor
    const tlsVersion = socket.getProtocol() ?? ''
    this.#servername = socket.servername || ''
    const bundle = options.clientCa?.current()
    const judgement: Judgement =
      options.clientAuth === 'none'
        ? { certificates: [] }
        : judgeClient(presentedBy(socket), {
            clientAuth: options.clientAuth,
            bundle,
            voice: options.voice,
            now: options.clock.now(),
            tlsVersion,
          })
    const { certificates, verdict } = judgement
    const cipher = socket.getCipher()
    const seen: Partial<HandshakeRecord> = {
      ...(certificates.length > 0 ? { peer: certificates.map(describeCertificate) } : {}),
      ...(bundle?.file ? { bundle: bundle.file } : {}),
      tls: {
        version: tlsVersion,
        cipher: cipher.standardName ?? cipher.name,
        ...(socket.alpnProtocol ? { alpn: socket.alpnProtocol } : {}),
        resumed: socket.isSessionReused(),
      },
      ...(this.#hello ? {} : { handshake: keylog.clientRandom }),
    }
    const words = judgement.refused || !certificates[0] ? undefined : options.verifyPeer?.(certificates[0])
    // crypto/tls: whatever VerifyPeerCertificate says is a bad_certificate
    const refusal = words
      ? { reason: 'name-mismatch' as const, message: words, alert: badCertificate }
      : judgement.refused
    if (refusal) {
      const { reason, message, alert } = refusal
      const sent = refuse('server', socket, this.#raw, keylog, alert)
      this.#refused({ message, refusedBy: 'server', reason, ...(sent ? { alert: alertOf(alert, 'sent') } : {}) }, seen)
      return
    }
    const overflow = ticketOverflow({
      voice: options.voice,
      certificates,
      verdict: options.clientAuth === 'require' ? verdict : undefined,
      tlsVersion,
      cipher: cipher.standardName ?? cipher.name,
      hello: () => this.#hello && parseClientHello(this.#hello),
    })
    if (overflow) {
      refuse('server', socket, this.#raw, keylog, undefined)
      this.#refused({ message: overflow, refusedBy: 'server' }, seen)
      return
    }
    keylog.forget()
    const list = certificates.length > 0 ? options.crl?.() : undefined
    const revoked = list && revocation(certificates, [list])
    if (revoked?.verdict === 'reject') {
      // etcd looks after the handshake, in its listener, and closes without an alert: the client reads EOF.
      setImmediate(() => socket.destroySoon())
      this.#refused({ message: revoked.message, refusedBy: 'server', reason: 'revoked' }, seen)
      return
    }
    this.#finish()
    const record = this.#record(seen)
    options.records.write(record)
    const peer: Peer = {
      handshake: record.handshake,
      certificates,
      ...(verdict ? { verdict } : {}),
      address: this.#address,
      ...(this.#servername ? { servername: this.#servername } : {}),
      record: update => options.records.write({ ...record, time: options.clock.now().toISOString(), ...update }),
    }
    setPeer(socket, peer)
    // Node's own servers say so in their 'secure' listener; http2 waits for it (Node 22.23, 24.21, 26.10).
    Object.assign(socket, { secureConnecting: false })
    this.#acceptor.accepted(this.#raw, socket, peer)
  }

  #finish(): void {
    this.#done = true
    clearTimeout(this.#deadline.timer)
  }

  #refused(failure: HandshakeFailure, seen: Partial<HandshakeRecord> = {}): void {
    this.#finish()
    if (this.#acceptor.closing) return
    const { message, refusedBy, reason, alert } = failure
    const record = this.#record({
      ...seen,
      outcome: 'refused',
      refusedBy,
      layer: 'tls',
      ...(reason ? { reason } : {}),
      message,
      ...(alert ? { alert } : {}),
    })
    this.#acceptor.options.records.write(record)
    this.#acceptor.refused({ address: this.#address, servername: this.#servername, message, record })
  }

  #record(more: Partial<HandshakeRecord>): HandshakeRecord {
    const { options, port } = this.#acceptor
    return {
      time: options.clock.now().toISOString(),
      handshake: clientRandom(this.#hello),
      observer: options.component,
      end: 'server',
      to: options.component,
      address: this.#address,
      port,
      outcome: 'ok',
      ...(this.#servername ? { name: this.#servername } : {}),
      ...(this.#identity ? { own: describeOwn(this.#identity) } : {}),
      ...more,
    }
  }
}
