/** How dialing ends when it does not end well. Both are results to be shown, not bugs; `message` is Go's. */
import type { Reason } from '#x509/reasons.ts'
import type { End, HandshakeRecord, Layer } from './types.ts'

export interface Alert {
  code: number
  /** RFC 8446's: `bad_certificate`. */
  name: string
  direction: 'sent' | 'received'
}

/** One of the two ends said no. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError'
  readonly refusedBy: End
  readonly layer: Layer
  /** Left out when the other end closed without saying why. */
  readonly reason: Reason | undefined
  readonly alert: Alert | undefined
  readonly record: HandshakeRecord

  constructor(record: HandshakeRecord, cause?: unknown) {
    super(record.message ?? 'EOF', cause === undefined ? undefined : { cause })
    this.refusedBy = record.refusedBy ?? 'server'
    this.layer = record.layer ?? 'tls'
    this.reason = record.reason
    this.alert = record.alert
    this.record = record
  }
}

/** No TLS handshake took place: nobody there, no such host, not TLS, or no answer in time. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError'
  readonly record: HandshakeRecord

  constructor(record: HandshakeRecord, cause?: unknown) {
    super(record.message ?? 'unreachable', cause === undefined ? undefined : { cause })
    this.record = record
  }
}

/** The refusal inside an error: itself, or one of its causes (undici and fetch wrap). */
export function refusalOf(error: unknown): RefusedError | undefined {
  for (let e = error, depth = 0; e instanceof Error && depth < 8; e = e.cause, depth++) {
    if (e instanceof RefusedError) return e
  }
  return undefined
}

const connectWords: Record<string, string> = {
  ECONNREFUSED: 'connect: connection refused',
  ECONNRESET: 'connect: connection reset by peer',
  EHOSTUNREACH: 'connect: no route to host',
  ENETUNREACH: 'connect: network is unreachable',
  ETIMEDOUT: 'connect: connection timed out',
  EADDRNOTAVAIL: 'connect: cannot assign requested address',
  EACCES: 'connect: permission denied',
}

/** Go's words for a TCP connection that did not come about: `dial tcp 127.0.0.1:2379: connect: connection refused`. */
export function dialWords(error: NodeJS.ErrnoException, host: string, address: string): string {
  if (error.code === 'ENOTFOUND') return `dial tcp: lookup ${host}: no such host`
  if (error.code === 'EAI_AGAIN') return `dial tcp: lookup ${host}: Temporary failure in name resolution`
  return `dial tcp ${address}: ${connectWords[error.code ?? ''] ?? error.message}`
}

/** `host:port`, with brackets around IPv6, as Go's net.JoinHostPort. */
export const joinHostPort = (host: string, port: number | string): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
