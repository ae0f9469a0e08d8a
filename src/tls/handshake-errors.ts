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

interface Context {
  voice: Voice
  /** `127.0.0.1:2379->127.0.0.1:50000`: this end first. */
  connection: string
  /** A server's: what was offered. */
  hello?: ClientHello | undefined
}

interface Row {
  end: End
  /** Node's code without `ERR_SSL_` (the same on Node 22.23, 24.21 and 26.10). */
  code: RegExp
  /** Sent by OpenSSL with it; Go's too, but for certificates that OpenSSL cannot parse (Go: bad_certificate). */
  alert: number
  reason: Reason
  words(context: Context): string
}

const certificateOf = (end: End) => (end === 'server' ? 'client' : 'server')

const rows: readonly Row[] = [
  {
    end: 'server',
    code: /^(UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW)$/,
    alert: 70,
    reason: 'protocol-version',
    words: ({ hello }) => `tls: client offered only unsupported versions: ${goHexes(hello?.versions ?? [])}`,
  },
  {
    end: 'client',
    code: /^(UNSUPPORTED_PROTOCOL|WRONG_SSL_VERSION)$/,
    alert: 70,
    reason: 'protocol-version',
    words: () => 'tls: server selected an unsupported protocol version',
  },
  {
    end: 'server',
    code: /^NO_SHARED_CIPHER$/,
    alert: 40,
    reason: 'cipher-mismatch',
    words: () => 'tls: no cipher suite supported by both client and server',
  },
  {
    end: 'server',
    code: /^NO_SUITABLE_(KEY_SHARE|GROUPS)$/,
    alert: 40,
    reason: 'cipher-mismatch',
    words: ({ voice }) =>
      voice === 'go1.19'
        ? 'tls: no ECDHE curve supported by both client and server'
        : 'tls: no key exchanges supported by both client and server',
  },
  {
    end: 'server',
    code: /^NO_SUITABLE_SIGNATURE_ALGORITHM$/,
    alert: 40,
    reason: 'cipher-mismatch',
    words: () => "tls: peer doesn't support any of the certificate's signature algorithms",
  },
  {
    end: 'server',
    code: /^NO_APPLICATION_PROTOCOL$/,
    alert: 120,
    reason: 'cipher-mismatch',
    words: ({ hello }) =>
      `tls: client requested unsupported application protocols ([${(hello?.alpn ?? []).join(' ')}])`,
  },
  {
    end: 'client',
    code: /^(WRONG_CIPHER_RETURNED|UNKNOWN_CIPHER_RETURNED)$/,
    alert: 47,
    reason: 'cipher-mismatch',
    words: () => 'tls: server chose an unconfigured cipher suite',
  },
]

/** What breaks a record has no reason of the table. Go's `local error`. */
const brokenRecords: readonly [RegExp, number, string][] = [
  [
    /^(DECRYPTION_FAILED_OR_BAD_RECORD_MAC|BAD_RECORD_MAC|DIGEST_CHECK_FAILED)$/,
    20,
    'local error: tls: bad record MAC',
  ],
  [/(LENGTH_TOO_LONG|EXCESSIVE_MESSAGE_SIZE)$/, 22, 'tls: oversized record received'],
  [/^UNEXPECTED_(MESSAGE|RECORD)$/, 10, 'local error: tls: unexpected message'],
]

const unparsed = (end: End) =>
  end === 'server' ? 'tls: failed to parse client certificate' : 'tls: failed to parse certificate from server'

/** Rows that the two ends have in common, but for whose certificate it is. */
const certificateRows = [
  {
    code: /^(BAD_SIGNATURE|PROVIDER_SIGNATURE_FAILURE)$/,
    alert: 51,
    reason: 'key-mismatch',
    words: (end: End) => `tls: invalid signature by the ${certificateOf(end)} certificate`,
  },
  {
    // the serial number is the only INTEGER that OpenSSL looks at while it reads a certificate, but for the version
    code: /^ILLEGAL_PADDING$/,
    alert: 50,
    reason: 'malformed',
    words: (end: End) => `${unparsed(end)}: x509: malformed serial number`,
  },
  {
    code: /^UTCTIME_IS_TOO_SHORT$/,
    alert: 50,
    reason: 'malformed',
    words: (end: End) => `${unparsed(end)}: utctime is too short (OpenSSL; Go reads it)`,
  },
  {
    // what is wrong with it OpenSSL does not say in Go's terms
    code: /ASN1|CERT_LENGTH_MISMATCH|WRONG_TAG|^TOO_LONG|HEADER_TOO_LONG|NESTED|DECODE_ERROR|NOT_PRIMITIVE|BIT_STRING|INVALID_CERTIFICATE/,
    alert: 50,
    reason: 'malformed',
    words: (end: End) => `${unparsed(end)}: x509: malformed certificate`,
  },
] as const

/** How this end's side of a handshake failed before it judged the other. No error: the other end closed. */
export function handshakeFailure(end: End, error: Error | undefined, context: Context): HandshakeFailure {
  const other = certificateOf(end)
  if (!error) return { message: 'EOF', refusedBy: other }
  const alert = receivedAlert(error)
  if (alert !== undefined) return remoteError(alert, other)
  const { code = '', syscall } = error as NodeJS.ErrnoException
  // without a system call it is Node's own, for a connection that ended in the middle of the handshake
  if (code === 'ECONNRESET' && !syscall) return { message: 'EOF', refusedBy: other }
  if (code === 'ECONNRESET')
    return { message: `read tcp ${context.connection}: read: connection reset by peer`, refusedBy: other }
  if (code === 'EPIPE') return { message: `write tcp ${context.connection}: write: broken pipe`, refusedBy: other }
  const name = code.replace(/^ERR_(SSL|OSSL)_/, '')
  const row = rows.find(candidate => candidate.end === end && candidate.code.test(name))
  if (row) return { message: row.words(context), refusedBy: end, reason: row.reason, alert: alertOf(row.alert, 'sent') }
  const common = certificateRows.find(candidate => candidate.code.test(name))
  if (common) {
    return { message: common.words(end), refusedBy: end, reason: common.reason, alert: alertOf(common.alert, 'sent') }
  }
  const broken = brokenRecords.find(([pattern]) => pattern.test(name))
  if (broken) return { message: broken[2], refusedBy: end, alert: alertOf(broken[1], 'sent') }
  const { reason } = error as { reason?: string }
  return { message: reason ? `tls: ${reason}` : error.message, refusedBy: end }
}

/** What came in answer to a ClientHello was not TLS at all. */
export const isNotTls = (error: Error | undefined): boolean =>
  /^ERR_SSL_(WRONG_VERSION_NUMBER|HTTP_REQUEST|PACKET_LENGTH_TOO_LONG|RECORD_LAYER_FAILURE)$/.test(
    (error as NodeJS.ErrnoException | undefined)?.code ?? '',
  )

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

/** fmt's `%x` of a []uint16: `[302 301]`. */
const goHexes = (numbers: readonly number[]) => `[${numbers.map(number => number.toString(16)).join(' ')}]`
