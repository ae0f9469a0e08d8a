/** One accepted connection: from raw bytes to a judged TLS socket, or to a refusal that both ends know of. */
import type { Socket } from 'node:net'
import { type SecureContext, TLSSocket } from 'node:tls'
import { plainAlert } from './alert-record.ts'
import { alertOf } from './alerts.ts'
import { type ClientHello, readFirstRecord } from './client-hello.ts'
import { joinHostPort } from './errors.ts'
import { serverFailure } from './handshake-errors.ts'
import { judgeClient } from './judge.ts'
import { watchKeylog } from './keylog.ts'
import { setPeer } from './peer.ts'
import { describeCertificate, describeOwn, presentedBy } from './presented.ts'
import { destroyBoth, refuse } from './refuse.ts'
import type { HandshakeRecord, Identity, ListenOptions, Peer, Refusal } from './types.ts'

export interface Acceptor {
  options: ListenOptions
  port(): number
  /** The identity and context for a server name. @throws Error when its files cannot be used (etcd reads them for every handshake) */
  contextFor(servername: string): { identity: Identity; context: SecureContext }
  accepted(raw: Socket, socket: TLSSocket, peer: Peer): void
  refused(refusal: Refusal): void
}

/** net/http server.go, for a RecordHeaderError that looks like HTTP. */
const httpAnswer = 'HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n'

/** The first bytes say whether it is TLS, and who for. They are put back for OpenSSL. */
export function acceptConnection(raw: Socket, acceptor: Acceptor): void {
  const address = joinHostPort(raw.remoteAddress ?? '', raw.remotePort ?? 0)
  const refuseEarly = (message: string) => {
    finish()
    acceptor.refused({ address, servername: '', message })
  }
  const onTimeout = () => {
    refuseEarly('tls: handshake timeout')
    raw.destroy()
  }
  const timer = setTimeout(onTimeout, acceptor.options.handshakeTimeoutMs ?? 10_000)
  const onEnd = () => refuseEarly('EOF')
  const onError = (error: Error) =>
    refuseEarly(serverFailure(error, undefined, acceptor.options.voice, address).message)
  let bytes: Buffer = Buffer.alloc(0)
  const onReadable = () => {
    const chunk: Buffer | null = raw.read()
    if (!chunk) return
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk])
    const first = readFirstRecord(bytes)
    if (first.kind === 'more') return
    if (first.kind === 'not-tls') {
      const answers = first.http && acceptor.options.plainHttp === 'answer'
      refuseEarly(
        answers
          ? 'client sent an HTTP request to an HTTPS server'
          : 'tls: first record does not look like a TLS handshake',
      )
      raw.on('error', () => {})
      raw.end(answers ? httpAnswer : '')
      raw.resume()
      setTimeout(() => raw.destroy(), 200).unref()
      return
    }
    finish()
    raw.unshift(bytes)
    startTls(raw, address, first.hello, acceptor)
  }
  const finish = () => {
    clearTimeout(timer)
    raw.off('readable', onReadable).off('end', onEnd).off('error', onError)
  }
  raw.on('readable', onReadable).on('end', onEnd).on('error', onError)
}

function startTls(raw: Socket, address: string, hello: ClientHello | undefined, acceptor: Acceptor): void {
  const { options } = acceptor
  const { voice, clock } = options
  const servername = hello?.servername ?? ''
  let chosen: ReturnType<Acceptor['contextFor']>
  const base = (): HandshakeRecord => ({
    time: clock.now().toISOString(),
    handshake: hello?.random ?? '',
    observer: options.component,
    end: 'server',
    to: options.component,
    address,
    port: acceptor.port(),
    outcome: 'ok',
    ...(servername ? { name: servername } : {}),
    ...(chosen ? { own: describeOwn(chosen.identity) } : {}),
  })
  const tell = (record: HandshakeRecord) => {
    options.records.write(record)
    acceptor.refused({ address, servername, message: record.message ?? '', record })
  }
  try {
    chosen = acceptor.contextFor(servername)
  } catch (error) {
    // Go's GetCertificate failed: internal_error, before any ServerHello
    const code = 80
    raw.on('error', () => {})
    raw.end(plainAlert(code))
    setTimeout(() => raw.destroy(), 200).unref()
    tell({
      ...base(),
      outcome: 'refused',
      refusedBy: 'server',
      layer: 'tls',
      message: (error as Error).message,
      alert: alertOf(code, 'sent'),
    })
    return
  }
  const socket = new TLSSocket(raw, {
    isServer: true,
    requestCert: options.clientAuth !== 'none',
    // Our verifier takes over, in `secure` below; OpenSSL has no trust anchors and no say.
    rejectUnauthorized: false,
    secureContext: chosen.context,
    ALPNProtocols: [...(options.alpn ?? ['h2', 'http/1.1'])],
  })
  const keylog = watchKeylog(socket)
  let done = false
  const fail = (error: Error | undefined) => {
    if (done) return
    done = true
    clearTimeout(timer)
    keylog.forget()
    const { refusedBy, message, reason, alert } = serverFailure(
      error,
      hello,
      voice,
      `${joinHostPort(raw.localAddress ?? options.host, acceptor.port())}->${address}`,
    )
    tell({
      ...base(),
      outcome: 'refused',
      refusedBy,
      layer: 'tls',
      ...(reason ? { reason } : {}),
      message,
      ...(alert ? { alert } : {}),
    })
  }
  const timer = setTimeout(() => {
    fail(new Error('tls: handshake timeout'))
    destroyBoth(socket, raw)
  }, options.handshakeTimeoutMs ?? 10_000)

  socket.on('error', fail)
  // Node 24.21: a socket without a server behind it tells errors after the handshake only here, and stays open.
  socket.on('_tlsError', (error: Error) => {
    if (done && !socket.destroyed) socket.destroy(error)
  })
  socket.on('close', () => fail(undefined))
  socket.once('secure', () => {
    if (done) return
    done = true
    clearTimeout(timer)
    const tlsVersion = socket.getProtocol() ?? ''
    const judgement =
      options.clientAuth === 'none'
        ? { certificates: [] }
        : judgeClient(presentedBy(socket), {
            clientAuth: options.clientAuth,
            bundle: options.clientCa?.current(),
            voice,
            now: clock.now(),
            tlsVersion,
          })
    const bundle = options.clientCa?.current().file
    const record: HandshakeRecord = {
      ...base(),
      ...(judgement.certificates.length > 0 ? { peer: judgement.certificates.map(describeCertificate) } : {}),
      ...(bundle ? { bundle } : {}),
      tls: {
        version: tlsVersion,
        cipher: socket.getCipher().standardName ?? socket.getCipher().name,
        ...(socket.alpnProtocol ? { alpn: socket.alpnProtocol } : {}),
        resumed: socket.isSessionReused(),
      },
    }
    if (record.handshake === '') record.handshake = keylog.clientRandom()
    if (judgement.refused) {
      const { reason, message, alert } = judgement.refused
      const sent = refuse('server', socket, raw, keylog, alert)
      tell({
        ...record,
        outcome: 'refused',
        refusedBy: 'server',
        layer: 'tls',
        reason,
        message,
        ...(sent ? { alert: alertOf(alert, 'sent') } : {}),
      })
      return
    }
    keylog.forget()
    const revoked = options.crl?.()
    const revokedOne = revoked && judgement.certificates.find(c => revoked.has(c.serialNumber))
    if (revokedOne) {
      // etcd looks after the handshake, in its listener, and closes without an alert: the client reads EOF.
      const serial = revokedOne.serialNumber.toString(16)
      setImmediate(() => socket.destroySoon())
      tell({
        ...record,
        outcome: 'refused',
        refusedBy: 'server',
        layer: 'tls',
        reason: 'revoked',
        message: `transport: certificate serial ${serial.length % 2 ? '0' : ''}${serial} revoked`,
      })
      return
    }
    options.records.write(record)
    const peer: Peer = {
      handshake: record.handshake,
      certificates: judgement.certificates,
      ...('verdict' in judgement && judgement.verdict ? { verdict: judgement.verdict } : {}),
      address,
      ...(servername ? { servername } : {}),
      record: update => options.records.write({ ...record, time: clock.now().toISOString(), ...update }),
    }
    setPeer(socket, peer)
    // Node's own servers say so in their 'secure' listener; http2 waits for it (Node 22.23, 24.21, 26.10).
    Object.assign(socket, { secureConnecting: false })
    acceptor.accepted(raw, socket, peer)
  })
}
