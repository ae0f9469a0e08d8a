/** TLS alerts: their numbers, Go's names, and which one Go sends for a verdict. */
import type { Reason } from '#x509/reasons.ts'
import type { Voice } from '#x509/types.ts'

/** RFC 8446 §6; names as crypto/tls alertText. */
const names: Record<number, string> = {
  0: 'close notify',
  10: 'unexpected message',
  20: 'bad record MAC',
  21: 'decryption failed',
  22: 'record overflow',
  30: 'decompression failure',
  40: 'handshake failure',
  42: 'bad certificate',
  43: 'unsupported certificate',
  44: 'revoked certificate',
  45: 'expired certificate',
  46: 'unknown certificate',
  47: 'illegal parameter',
  48: 'unknown certificate authority',
  49: 'access denied',
  50: 'error decoding message',
  51: 'error decrypting message',
  60: 'export restriction',
  70: 'protocol version not supported',
  71: 'insufficient security level',
  80: 'internal error',
  86: 'inappropriate fallback',
  90: 'user canceled',
  100: 'no renegotiation',
  109: 'missing extension',
  110: 'unsupported extension',
  111: 'certificate unobtainable',
  112: 'unrecognized name',
  113: 'bad certificate status response',
  114: 'bad certificate hash value',
  115: 'unknown PSK identity',
  116: 'certificate required',
  120: 'no application protocol',
}

export const alertName = (code: number): string => names[code] ?? `alert(${code})`

export const alerts = {
  handshakeFailure: 40,
  badCertificate: 42,
  certificateExpired: 45,
  unknownCa: 48,
  decodeError: 50,
  decryptError: 51,
  internalError: 80,
  certificateRequired: 116,
} as const

/** Go tells its errors apart by type (x509.UnknownAuthorityError, CertificateInvalidError{Expired}); each type has one beginning of its text. */
export function alertForVerdict(message: string, voice: Voice): number {
  // Go 1.19 sends bad_certificate for all of them; 1.20 began to tell them apart.
  if (voice === 'go1.19') return alerts.badCertificate
  if (message.startsWith('x509: certificate signed by unknown authority')) return alerts.unknownCa
  if (message.startsWith('x509: certificate has expired or is not yet valid')) return alerts.certificateExpired
  return alerts.badCertificate
}

/** What the other end's alert says about why; those that only say "bad" say nothing. */
const reasons: Record<number, Reason> = {
  40: 'cipher-mismatch',
  44: 'revoked',
  45: 'expired',
  48: 'unknown-authority',
  70: 'protocol-version',
  116: 'no-certificate',
}

export const reasonOfAlert = (code: number): Reason | undefined => reasons[code]

/** OpenSSL's names, as they stand at the end of node's error codes (`ERR_SSL_TLSV1_ALERT_UNKNOWN_CA`, `ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE`). */
const suffixes: Record<string, number> = {
  CLOSE_NOTIFY: 0,
  UNEXPECTED_MESSAGE: 10,
  BAD_RECORD_MAC: 20,
  DECRYPTION_FAILED: 21,
  RECORD_OVERFLOW: 22,
  DECOMPRESSION_FAILURE: 30,
  HANDSHAKE_FAILURE: 40,
  BAD_CERTIFICATE: 42,
  UNSUPPORTED_CERTIFICATE: 43,
  CERTIFICATE_REVOKED: 44,
  CERTIFICATE_EXPIRED: 45,
  CERTIFICATE_UNKNOWN: 46,
  ILLEGAL_PARAMETER: 47,
  UNKNOWN_CA: 48,
  ACCESS_DENIED: 49,
  DECODE_ERROR: 50,
  DECRYPT_ERROR: 51,
  EXPORT_RESTRICTION: 60,
  PROTOCOL_VERSION: 70,
  INSUFFICIENT_SECURITY: 71,
  INTERNAL_ERROR: 80,
  INAPPROPRIATE_FALLBACK: 86,
  USER_CANCELLED: 90,
  NO_RENEGOTIATION: 100,
  MISSING_EXTENSION: 109,
  UNSUPPORTED_EXTENSION: 110,
  CERTIFICATE_UNOBTAINABLE: 111,
  UNRECOGNIZED_NAME: 112,
  BAD_CERTIFICATE_STATUS_RESPONSE: 113,
  BAD_CERTIFICATE_HASH_VALUE: 114,
  UNKNOWN_PSK_IDENTITY: 115,
  CERTIFICATE_REQUIRED: 116,
  NO_APPLICATION_PROTOCOL: 120,
}

/** The alert that the other end sent, when this is how an error came about. */
export function receivedAlert(error: unknown): number | undefined {
  const code = (error as NodeJS.ErrnoException | undefined)?.code
  const match = typeof code === 'string' ? /^ERR_SSL_.*ALERT_(.*)$/.exec(code) : null
  // SSL3_AD_REASON_OFFSET: OpenSSL knows some alerts only by number
  const number = match && /^(?:NUMBER_)?(\d+)$/.exec(match[1]!)
  return number ? Number(number[1]) : match ? suffixes[match[1]!.replace(/^REASON_/, '')] : undefined
}
