/** What can be wrong with a server below its certificate: TLS versions, suites, ALPN, and ends that are none. Always with a good certificate. */
import type { ListenOptions } from '#tls/types.ts'
import type { Reason } from '#x509/reasons.ts'

export interface ProtocolDefect {
  name: string
  /** A sentence without a full stop. */
  description: string
  /** What becomes of a Go client of today (TLS 1.2 and 1.3, its default suites, ALPN h2 and http/1.1). */
  outcome: 'ok' | 'refused' | 'unreachable'
  reason?: Reason
  /** Go's text; `…` stands for addresses. */
  text?: string
  /** TLS with these settings; */
  tls?: Partial<Pick<ListenOptions, 'minVersion' | 'maxVersion' | 'cipherSuites' | 'alpn'>>
  /** or no TLS: what a connection gets. */
  raw?: 'end' | 'reset' | 'silence' | 'http'
}

const version = {
  outcome: 'refused',
  reason: 'protocol-version',
  text: 'remote error: tls: protocol version not supported',
} as const

export const protocolDefects = [
  {
    name: 'tls-1.0',
    description: 'it speaks TLS 1.0 and nothing newer',
    ...version,
    tls: { minVersion: 'TLSv1', maxVersion: 'TLSv1' },
  },
  {
    name: 'tls-1.1',
    description: 'it speaks TLS 1.1 and nothing newer',
    ...version,
    tls: { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' },
  },
  {
    name: 'old-cipher',
    description: 'it has one cipher suite, of TLS 1.2, that Go offers no more (CBC with SHA-256)',
    outcome: 'refused',
    reason: 'cipher-mismatch',
    text: 'remote error: tls: handshake failure',
    tls: { maxVersion: 'TLSv1.2', cipherSuites: ['TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256'] },
  },
  {
    name: 'no-alpn',
    description: 'it knows no ALPN: kubectl does not mind, gRPC clients (etcdctl) of 2024 and later do',
    outcome: 'ok',
    tls: { alpn: [] },
  },
  {
    name: 'wrong-alpn',
    description: 'it insists on an application protocol that nobody speaks',
    outcome: 'refused',
    text: 'remote error: tls: no application protocol',
    tls: { alpn: ['trustplane'] },
  },
  {
    name: 'closes-mid-handshake',
    description: 'it reads the ClientHello and ends the connection: a load balancer without a backend',
    outcome: 'refused',
    text: 'EOF',
    raw: 'end',
  },
  {
    name: 'resets-connection',
    description: 'it reads the ClientHello and resets the connection: a firewall in between',
    outcome: 'refused',
    text: 'read tcp …: read: connection reset by peer',
    raw: 'reset',
  },
  {
    name: 'plain-http',
    description: 'it speaks HTTP without TLS',
    outcome: 'unreachable',
    reason: 'unreachable',
    text: 'tls: first record does not look like a TLS handshake',
    raw: 'http',
  },
  {
    name: 'silent',
    description: 'it accepts the connection and never says a word',
    outcome: 'unreachable',
    reason: 'unreachable',
    text: 'net/http: TLS handshake timeout',
    raw: 'silence',
  },
] as const satisfies readonly ProtocolDefect[]

export type ProtocolDefectName = (typeof protocolDefects)[number]['name']
