/** What this room throws: only when it is asked to parse one thing and that thing is broken. Verdicts are never thrown. */
import type { Reason } from './reasons.ts'

/** A certificate that Go cannot parse; `message` is Go's. */
export class CertificateParseError extends Error {
  override readonly name = 'CertificateParseError'
  readonly reason: Reason = 'malformed'
}
