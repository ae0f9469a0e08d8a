/** What OpenSSL's handshake errors are in Go's words, and whose refusal they are. */
import { reasonOfAlert, remoteError as remoteWords } from '#x509/alerts.ts'
import type { Reason } from '#x509/reasons.ts'
import type { Voice } from '#x509/types.ts'
import { alertOf, receivedAlert } from './alerts.ts'
import type { ClientHello } from './client-hello.ts'
import type { Alert } from './errors.ts'
import type { End } from './types.ts'

export interface HandshakeFailure {
  message: string
  refusedBy: End
  reason?: Reason
  alert?: Alert
}

const sent = (code: number): Alert => alertOf(code, 'sent')

/** The end of the code that Node makes of OpenSSL's reason: [pattern, alert that OpenSSL sends, reason]. */
const serverErrors: readonly [RegExp, number, Reason][] = [
  [/_(UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW|WRONG_SSL_VERSION)$/, 70, 'protocol-version'],
  [/_NO_SHARED_CIPHER$/, 40, 'cipher-mismatch'],
  [/_(NO_SUITABLE_KEY_SHARE|NO_SUITABLE_GROUPS|NO_SHARED_GROUPS?|WRONG_CURVE)$/, 40, 'cipher-mismatch'],
  [/_NO_SUITABLE_SIGNATURE_ALGORITHM$/, 40, 'cipher-mismatch'],
  [/_NO_APPLICATION_PROTOCOL$/, 120, 'cipher-mismatch'],
  [/_(BAD_SIGNATURE|DIGEST_CHECK_FAILED)$/, 51, 'key-mismatch'],
  [
    /_(ASN1_LIB|CERT_LENGTH_MISMATCH|DECODE_ERROR)$|^ERR_SSL_.*(ASN1|HEADER_TOO_LONG|WRONG_TAG|NESTED)/,
    50,
    'malformed',
  ],
]

/** How a server's side failed before it judged the client. */
export function serverFailure(
  error: Error | undefined,
  hello: ClientHello | undefined,
  voice: Voice,
  peer: string,
): HandshakeFailure {
  if (!error) return { message: 'EOF', refusedBy: 'client' }
  const alert = receivedAlert(error)
  if (alert !== undefined) return remoteError(alert, 'client')
  const code = (error as NodeJS.ErrnoException).code ?? ''
  if (code === 'ECONNRESET' || code === 'EPIPE') {
    return { message: `read tcp ${peer}: read: connection reset by peer`, refusedBy: 'client' }
  }
  const row = serverErrors.find(([pattern]) => pattern.test(code))
  if (!row) return { message: error.message, refusedBy: 'server' }
  return {
    message: serverWords(row[0], hello, voice) ?? error.message,
    refusedBy: 'server',
    reason: row[2],
    alert: sent(row[1]),
  }
}

function serverWords(row: RegExp, hello: ClientHello | undefined, voice: Voice): string | undefined {
  const source = row.source
  if (source.includes('UNSUPPORTED_PROTOCOL') && hello)
    return `tls: client offered only unsupported versions: [${hello.versions.map(v => v.toString(16)).join(' ')}]`
  if (source.includes('NO_SHARED_CIPHER')) return 'tls: no cipher suite supported by both client and server'
  if (source.includes('KEY_SHARE')) {
    return voice === 'go1.19'
      ? 'tls: no ECDHE curve supported by both client and server'
      : 'tls: no key exchanges supported by both client and server'
  }
  if (source.includes('SUITABLE_SIGNATURE'))
    return "tls: peer doesn't support any of the certificate's signature algorithms"
  if (source.includes('APPLICATION_PROTOCOL') && hello)
    return `tls: client requested unsupported application protocols (${JSON.stringify(hello.alpn).replaceAll('"', '').replaceAll(',', ' ')})`
  if (source.includes('BAD_SIGNATURE'))
    return 'tls: invalid signature by the client certificate: crypto/rsa: verification error'
  if (source.includes('ASN1')) return 'tls: failed to parse client certificate: x509: malformed certificate'
  return undefined
}

/** How a client's side failed before the handshake was done. */
export function clientFailure(error: Error | undefined, local: string): HandshakeFailure & { notTls?: boolean } {
  if (!error) return { message: 'EOF', refusedBy: 'server' }
  const alert = receivedAlert(error)
  if (alert !== undefined) return remoteError(alert, 'server')
  const code = (error as NodeJS.ErrnoException).code ?? ''
  if (code === 'ECONNRESET') {
    // Node's own, for a connection that ended in the middle of the handshake; a real reset has a syscall
    return (error as NodeJS.ErrnoException).syscall
      ? { message: `read tcp ${local}: read: connection reset by peer`, refusedBy: 'server' }
      : { message: 'EOF', refusedBy: 'server' }
  }
  if (code === 'EPIPE') return { message: `write tcp ${local}: write: broken pipe`, refusedBy: 'server' }
  if (/_(WRONG_VERSION_NUMBER|HTTP_REQUEST|UNEXPECTED_MESSAGE|PACKET_LENGTH_TOO_LONG|RECORD_LAYER_FAILURE)$/.test(code))
    return { message: 'tls: first record does not look like a TLS handshake', refusedBy: 'client', notTls: true }
  if (/_UNSUPPORTED_PROTOCOL$/.test(code))
    return {
      message: 'tls: server selected unsupported protocol version 301',
      refusedBy: 'client',
      reason: 'protocol-version',
      alert: sent(70),
    }
  if (/_(WRONG_CIPHER_RETURNED|UNKNOWN_CIPHER_RETURNED)$/.test(code))
    return {
      message: 'tls: server chose an unconfigured cipher suite',
      refusedBy: 'client',
      reason: 'cipher-mismatch',
      alert: sent(47),
    }
  if (/_BAD_SIGNATURE$/.test(code))
    return {
      message: 'tls: invalid signature by the server certificate: crypto/rsa: verification error',
      refusedBy: 'client',
      reason: 'key-mismatch',
      alert: sent(51),
    }
  if (/ASN1|CERT_LENGTH_MISMATCH|WRONG_TAG|HEADER_TOO_LONG|NESTED/.test(code))
    return {
      message: 'tls: failed to parse certificate from server: x509: malformed certificate',
      refusedBy: 'client',
      reason: 'malformed',
      alert: sent(50),
    }
  return { message: error.message, refusedBy: 'client' }
}

/** Go's words for an alert that came. */
export function remoteError(code: number, from: End): HandshakeFailure {
  const reason = reasonOfAlert(code)
  return {
    message: remoteWords(code),
    refusedBy: from,
    ...(reason ? { reason } : {}),
    alert: alertOf(code, 'received'),
  }
}
