/** Alerts that come in, out of the errors that Node makes of them. What they mean and which ones go out: `#x509/alerts.ts`. */
import { alertName, alerts } from '#x509/alerts.ts'
import type { Alert } from './errors.ts'

/**
 * OpenSSL's names stand at the end of Node's codes, and differ by its version before that: `ERR_SSL_TLSV1_ALERT_UNKNOWN_CA`,
 * `ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE` (3.5) and `ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE` (3.0), `ERR_SSL_TLSV1_UNRECOGNIZED_NAME`.
 */
const pattern = /^ERR_SSL_(?:TLSV1|TLSV13|SSLV3|SSL\/TLS)_(?:ALERT_)?([A-Z_]+)$/
const byName = new Map<string, number>(alerts.map(row => [row.name.toUpperCase(), row.code]))
// OpenSSL's spellings
byName.set('USER_CANCELLED', 90)

/** The alert that the other end sent, when this is how an error came about. */
export function receivedAlert(error: unknown): number | undefined {
  const code = (error as NodeJS.ErrnoException | undefined)?.code
  if (typeof code !== 'string') return undefined
  // SSL_AD_REASON_OFFSET: alerts that OpenSSL has no name for
  const number = /^ERR_SSL_(?:TLSV1_ALERT_|REASON\()?(?:NUMBER_)?(\d+)\)?$/.exec(code)?.[1]
  if (number) return Number(number) >= 1000 ? Number(number) - 1000 : Number(number)
  const name = pattern.exec(code)?.[1]
  return name === undefined ? undefined : byName.get(name)
}

export const alertOf = (code: number, direction: Alert['direction']): Alert => ({
  code,
  name: alertName(code),
  direction,
})
