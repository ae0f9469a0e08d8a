/** The first bytes of an accepted connection: they say whether it is TLS, and who it is for. Then they are put back for OpenSSL. */
import type { Socket } from 'node:net'
import type { SecureContext, TLSSocket } from 'node:tls'
import { readFirstRecord } from './client-hello.ts'
import { joinHostPort } from './errors.ts'
import { handshakeFailure, remoteError } from './handshake-errors.ts'
import { ServerHandshake } from './server-handshake.ts'
import type { Identity, ListenOptions, Peer, Refusal } from './types.ts'

/** What a listener is to one of its connections. */
export interface Acceptor {
  options: ListenOptions
  alpn: readonly string[]
  port: number
  /** Whether there is more than one identity to choose from. */
  hasSni: boolean
  /** True while the listener is being closed: what ends now was ended by us. */
  closing: boolean
  /** The identity and context for a server name, or for the address that was dialled without one. @throws Error when its files cannot be used (etcd reads them for every handshake) */
  contextFor(servername: string, localAddress: string): { identity: Identity; context: SecureContext }
  accepted(raw: Socket, socket: TLSSocket, peer: Peer): void
  refused(refusal: Refusal): void
}

/** One timer for the whole of a handshake; who is at it says what its end means. */
export interface Deadline {
  timer: NodeJS.Timeout
  expire: () => void
}

/** net/http server.go, for a RecordHeaderError that looks like HTTP. */
const httpAnswer = 'HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n'

export function acceptConnection(raw: Socket, acceptor: Acceptor): void {
  const { options } = acceptor
  const address = joinHostPort(raw.remoteAddress ?? '', raw.remotePort ?? 0)
  let bytes: Buffer = Buffer.alloc(0)
  const deadline: Deadline = {
    timer: setTimeout(() => deadline.expire(), options.handshakeTimeoutMs ?? 10_000),
    expire() {
      giveUp(`read tcp ${connection()}: i/o timeout`)
      raw.destroy()
    },
  }
  const giveUp = (message: string) => {
    clearTimeout(deadline.timer)
    stopReading()
    if (!acceptor.closing) acceptor.refused({ address, servername: '', message })
  }
  const onEnd = () => giveUp(bytes.length === 0 ? 'EOF' : 'unexpected EOF')
  const connection = () => `${joinHostPort(raw.localAddress ?? '', acceptor.port)}->${address}`
  const onError = (error: Error) =>
    giveUp(handshakeFailure('server', error, { voice: options.voice, connection: connection() }).message)
  const onReadable = () => {
    const chunk: Buffer | null = raw.read()
    if (!chunk) return
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk])
    const first = readFirstRecord(bytes)
    if (first.kind === 'more') return
    if (first.kind === 'not-tls') {
      const answers = first.http && options.plainHttp === 'answer'
      giveUp(
        answers
          ? 'client sent an HTTP request to an HTTPS server'
          : 'tls: first record does not look like a TLS handshake',
      )
      endRaw(raw, answers ? httpAnswer : '')
      return
    }
    if (first.kind === 'alert') {
      giveUp(remoteError(first.code, 'client').message)
      endRaw(raw, '')
      return
    }
    stopReading()
    raw.unshift(bytes)
    new ServerHandshake(raw, address, first.message, acceptor, deadline).start()
  }
  const stopReading = () => void raw.off('readable', onReadable).off('end', onEnd).off('error', onError)
  raw.on('readable', onReadable).on('end', onEnd).on('error', onError)
}

/** Says a last word to an end that may not be listening, and lets go. */
export function endRaw(raw: Socket, data: string | Uint8Array): void {
  raw.on('error', () => {})
  raw.end(data)
  raw.resume()
  const timer = setTimeout(() => raw.destroy(), 200)
  raw.once('close', () => clearTimeout(timer))
}
