/** The search for a chain: Go's isValid and buildChains. RFC 5280 §6 with Go's liberties. */
import type { CertificatePool } from './certificate-pool.ts'
import { equalBytes } from './der.ts'
import { type Failure, failure } from './failure.ts'
import { quote, rfc3339 } from './go-format.ts'
import { checkNameConstraints } from './name-constraints.ts'
import { equalNames } from './names.ts'
import { equalKeys } from './public-keys.ts'
import type { Reason } from './reasons.ts'
import { checkSignatureFrom } from './signature.ts'
import type { Certificate, Voice } from './types.ts'

/** Go's maxChainSignatureChecks: more are an attack. */
const maxSignatureChecks = 100

export interface Search {
  roots: CertificatePool
  intermediates: CertificatePool
  now: Date
  voice: Voice
  signatureChecks: number
}

type Kind = 'leaf' | 'intermediate' | 'root'

/** isValid: what can be said of a certificate from itself and the chain below it. */
export function checkCertificate(
  certificate: Certificate,
  kind: Kind,
  below: readonly Certificate[],
  { now, voice }: Pick<Search, 'now' | 'voice'>,
): Failure | undefined {
  if (certificate.unhandledCriticalExtensions.length > 0)
    return failure('unhandled-extension', 'x509: unhandled critical extension', certificate)
  const expired = checkValidity(certificate, now)
  if (expired) return expired
  const { basicConstraints } = certificate
  if (kind !== 'leaf') {
    const constrained = checkNameConstraints(certificate, below, voice)
    if (constrained) return constrained
  }
  if (kind === 'intermediate' && !basicConstraints?.isCa)
    return failure('not-a-ca', 'x509: certificate is not authorized to sign other certificates', certificate)
  // self-issued intermediates count too, unlike RFC 5280 §6.1.4 (l)
  const pathLength = basicConstraints?.pathLength
  if (pathLength !== undefined && below.length - 1 > pathLength)
    return failure('path-length', 'x509: too many intermediates for path length constraint', certificate)
  return undefined
}

/** Both ends inclusive, to the fraction of a second; no skew is allowed for. */
function checkValidity(certificate: Certificate, now: Date): Failure | undefined {
  const { notBefore, notAfter } = certificate.details
  const message = (detail: string) =>
    `x509: certificate has expired or is not yet valid: current time ${rfc3339(now)} is ${detail}`
  const written = ({ time, offsetMinutes }: { time: Date; offsetMinutes: number }) => rfc3339(time, offsetMinutes)
  if (now < notBefore.time)
    return { ...failure('not-yet-valid', message(`before ${written(notBefore)}`), certificate), alert: 45 }
  if (now > notAfter.time)
    return { ...failure('expired', message(`after ${written(notAfter)}`), certificate), alert: 45 }
  return undefined
}

/** Go's verifier panics, which ends the handshake and often the program. */
class VerifierPanic extends Error {}

/** alreadyInChain: the same subject, key and SAN, which keeps cross-signatures from going round. */
function isInChain(candidate: Certificate, chain: readonly Certificate[]): boolean {
  const san = candidate.details.rawSubjectAltName
  for (const certificate of chain) {
    if (!equalNames(candidate.subject, certificate.subject)) continue
    // CVE-2024-24783 (Go 1.22.1 skips such candidates) and CVE-2025-58188 (until Go 1.24.8)
    if (candidate.publicKeyAlgorithm === 'unknown')
      throw new VerifierPanic('interface conversion: interface is nil, not x509.pubKeyEqual')
    if (candidate.publicKeyAlgorithm === 'DSA')
      throw new VerifierPanic('interface conversion: *dsa.PublicKey is not x509.pubKeyEqual: missing method Equal')
    if (!equalKeys(candidate.details.publicKey, certificate.details.publicKey)) continue
    const other = certificate.details.rawSubjectAltName
    // Go gives up at the first one of which only one has a SAN
    if (!san || !other) return san === other
    if (equalBytes(san, other)) return true
  }
  return false
}

/** Every chain from the leaf to the bundle, or why there is none. A panic of Go's is no chain either, and its text the reason. */
export function findChains(leaf: Certificate, search: Search): Certificate[][] | Failure {
  try {
    return buildChains([leaf], search)
  } catch (error) {
    if (error instanceof VerifierPanic) return failure('unknown-authority', error.message, leaf)
    throw error
  }
}

/** buildChains: every candidate is tried, bundle first, and every chain is kept. A failure when there is none. */
function buildChains(chain: readonly Certificate[], search: Search): Certificate[][] | Failure {
  const child = chain.at(-1)!
  const chains: Certificate[][] = []
  let hint: { failure: Failure; candidate: Certificate } | undefined
  // as in Go, the last error of a candidate whose signature held is the one that is told
  let last: Failure | undefined

  const consider = (kind: 'root' | 'intermediate', candidate: Certificate): void => {
    const isUsable = candidate.publicKeyAlgorithm !== 'unknown' || search.voice === 'go1.19'
    if (!isUsable || isInChain(candidate, chain)) return
    search.signatureChecks++
    if (search.signatureChecks > maxSignatureChecks) {
      const message = 'x509: signature check attempts limit reached while verifying certificate chain'
      last = failure('unknown-authority', message, child)
      return
    }
    const unsigned = checkSignatureFrom(child, candidate, search.voice)
    if (unsigned) {
      hint ??= { failure: unsigned, candidate }
      return
    }
    last = checkCertificate(candidate, kind, chain, search)
    if (last) {
      if (search.voice !== 'go1.19') hint ??= { failure: last, candidate }
      return
    }
    if (kind === 'root') {
      chains.push([...chain, candidate])
      return
    }
    const longer = buildChains([...chain, candidate], search)
    if (Array.isArray(longer)) chains.push(...longer)
    else last = longer
  }

  for (const root of search.roots.potentialParents(child)) consider('root', root)
  for (const intermediate of search.intermediates.potentialParents(child)) consider('intermediate', intermediate)
  if (chains.length > 0) return chains
  return last ?? unknownAuthority(child, hint)
}

/** What a hint says of the reason; others leave it at unknown-authority. */
const telling: readonly Reason[] = ['not-a-ca', 'weak-signature', 'weak-key']

/** UnknownAuthorityError, with the first candidate that failed as a hint. */
function unknownAuthority(child: Certificate, hint: { failure: Failure; candidate: Certificate } | undefined): Failure {
  let message = 'x509: certificate signed by unknown authority'
  if (!hint) return { ...failure('unknown-authority', message, child), alert: 48 }
  const { commonName, organizations } = hint.candidate.subject
  const name = commonName || organizations[0] || `serial:${hint.candidate.serialNumber}`
  message += ` (possibly because of ${quote(hint.failure.message)} while trying to verify candidate authority certificate ${quote(name)})`
  const reason = telling.includes(hint.failure.reason) ? hint.failure.reason : 'unknown-authority'
  return { ...failure(reason, message, child), alert: 48 }
}
