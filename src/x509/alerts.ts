/** TLS alerts (RFC 8446 §6) and Go's names for them: which one answers a verdict, and what one that arrives means. */
import type { Reason } from './reasons.ts'
import type { Verdict, Voice } from './types.ts'

interface AlertRow {
  code: number
  /** RFC 8446's name. */
  name: string
  /** crypto/tls's alertText: what follows `remote error: tls: `. */
  goText: string
  /** What it tells of the sender's reason, when it tells anything. */
  reason?: Reason
}

export const alerts = [
  { code: 0, name: 'close_notify', goText: 'close notify' },
  { code: 10, name: 'unexpected_message', goText: 'unexpected message' },
  { code: 20, name: 'bad_record_mac', goText: 'bad record MAC' },
  { code: 21, name: 'decryption_failed', goText: 'decryption failed' },
  { code: 22, name: 'record_overflow', goText: 'record overflow' },
  { code: 30, name: 'decompression_failure', goText: 'decompression failure' },
  // no common suite, group or signature scheme; OpenSSL in TLS 1.2 also for a missing certificate
  { code: 40, name: 'handshake_failure', goText: 'handshake failure', reason: 'cipher-mismatch' },
  // Go's answer to nearly everything, so it tells nothing
  { code: 42, name: 'bad_certificate', goText: 'bad certificate' },
  { code: 43, name: 'unsupported_certificate', goText: 'unsupported certificate' },
  { code: 44, name: 'certificate_revoked', goText: 'revoked certificate', reason: 'revoked' },
  { code: 45, name: 'certificate_expired', goText: 'expired certificate', reason: 'expired' },
  { code: 46, name: 'certificate_unknown', goText: 'unknown certificate' },
  { code: 47, name: 'illegal_parameter', goText: 'illegal parameter' },
  { code: 48, name: 'unknown_ca', goText: 'unknown certificate authority', reason: 'unknown-authority' },
  { code: 49, name: 'access_denied', goText: 'access denied' },
  { code: 50, name: 'decode_error', goText: 'error decoding message' },
  { code: 51, name: 'decrypt_error', goText: 'error decrypting message' },
  { code: 60, name: 'export_restriction', goText: 'export restriction' },
  { code: 70, name: 'protocol_version', goText: 'protocol version not supported', reason: 'protocol-version' },
  { code: 71, name: 'insufficient_security', goText: 'insufficient security level', reason: 'cipher-mismatch' },
  { code: 80, name: 'internal_error', goText: 'internal error' },
  { code: 86, name: 'inappropriate_fallback', goText: 'inappropriate fallback' },
  { code: 90, name: 'user_canceled', goText: 'user canceled' },
  { code: 100, name: 'no_renegotiation', goText: 'no renegotiation' },
  { code: 109, name: 'missing_extension', goText: 'missing extension' },
  { code: 110, name: 'unsupported_extension', goText: 'unsupported extension' },
  { code: 111, name: 'certificate_unobtainable', goText: 'certificate unobtainable' },
  { code: 112, name: 'unrecognized_name', goText: 'unrecognized name' },
  { code: 113, name: 'bad_certificate_status_response', goText: 'bad certificate status response' },
  { code: 114, name: 'bad_certificate_hash_value', goText: 'bad certificate hash value' },
  { code: 115, name: 'unknown_psk_identity', goText: 'unknown PSK identity' },
  { code: 116, name: 'certificate_required', goText: 'certificate required', reason: 'no-certificate' },
  { code: 120, name: 'no_application_protocol', goText: 'no application protocol' },
  { code: 121, name: 'ech_required', goText: 'encrypted client hello required' },
] as const satisfies readonly AlertRow[]

const byCode = new Map<number, AlertRow>(alerts.map(row => [row.code, row]))

/** RFC 8446's name: `bad_certificate`. */
export const alertName = (code: number): string => byCode.get(code)?.name ?? `alert_${code}`

/** What Go says of an alert that arrives: `remote error: tls: bad certificate`. */
export const remoteError = (code: number): string =>
  `remote error: tls: ${byCode.get(code)?.goText ?? `alert(${code})`}`

/** What an alert that arrives tells of the reason; undefined when it may be anything (42). */
export const reasonOfAlert = (code: number): Reason | undefined => byCode.get(code)?.reason

/**
 * The alert that Go sends with a refusal.
 * @param judge the end that refuses: a client always sends bad_certificate, and so does a server of Go 1.19
 */
export function alertFor(
  verdict: Extract<Verdict, { verdict: 'reject' }>,
  judge: { end: 'client' | 'server'; voice: Voice; tlsVersion?: string },
): number {
  if (judge.end === 'client' || judge.voice === 'go1.19') return 42
  // certificate_required came with TLS 1.3 (RFC 8446 §6.2)
  return verdict.reason === 'no-certificate' && judge.tlsVersion === 'TLSv1.2' ? 42 : verdict.alert
}
