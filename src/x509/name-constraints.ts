/** Name constraints of an issuer against the names below it: Go's isValid (its middle) and checkNameConstraints. */
import type { AlternativeName } from './alternative-names.ts'
import { type Mailbox, parseMailbox, reverseLabels } from './domains.ts'
import { type Failure, failure } from './failure.ts'
import { quote } from './go-format.ts'
import { cidrToString, ipToString, parseIp } from './ip-addresses.ts'
import type { Certificate, Voice } from './types.ts'

/** Go's MaxConstraintComparisions: beyond it, a certificate is only there to cost time. */
const maxComparisons = 250_000

/** A name does not let itself be compared; `message` is Go's. */
class CannotMatch extends Error {}

/**
 * @param below the chain under `issuer`, leaf first. Go 1.24 checks all of it; Go 1.19 the leaf and the issuer itself.
 */
export function checkNameConstraints(
  issuer: Certificate,
  below: readonly Certificate[],
  voice: Voice,
): Failure | undefined {
  if (!issuer.details.nameConstraints) return undefined
  const checked = voice === 'go1.19' ? [below[0]!, issuer] : below
  const budget = { comparisons: 0 }
  for (const certificate of checked) {
    for (const name of certificate.details.alternativeNames) {
      const failed = checkName(issuer, name, budget, voice)
      if (failed) return failed
    }
  }
  return undefined
}

const notAuthorized = (issuer: Certificate, detail: string) =>
  failure(
    'name-constraint',
    `x509: a root or intermediate certificate is not authorized to sign for this name: ${detail}`,
    issuer,
  )

function checkName(
  issuer: Certificate,
  name: AlternativeName,
  budget: { comparisons: number },
  voice: Voice,
): Failure | undefined {
  switch (name.kind) {
    case 'email': {
      const mailbox = parseMailbox(name.value, voice)
      // Go prints the mailbox that it failed to parse, which is empty: {"" ""}
      if (!mailbox) return failure('name-constraint', 'x509: cannot parse rfc822Name {"" ""}', issuer)
      return compare(issuer, 'email', 'email address', name.value, budget, constraint =>
        matchMailbox(mailbox, constraint, voice),
      )
    }
    case 'dns':
      if (!reverseLabels(name.value, voice))
        return failure('name-constraint', `x509: cannot parse dnsName ${quote(name.value)}`, issuer)
      return compare(issuer, 'dns', 'DNS name', name.value, budget, constraint =>
        matchDomain(name.value, constraint, voice),
      )
    case 'uri':
      return compare(issuer, 'uri', 'URI', name.value, budget, constraint => matchUri(name, constraint, voice))
    case 'ip':
      return compare(issuer, 'ip', 'IP address', ipToString(name.value), budget, ({ ip, mask }) => {
        if (ip.length !== name.value.length) return false
        return ip.every((byte, index) => (byte & mask[index]!) === (name.value[index]! & mask[index]!))
      })
  }
}

type Constraint = { dns: string; email: string; uri: string; ip: { ip: Uint8Array; mask: Uint8Array } }

/** Excluded subtrees first; then, if there are permitted ones of this kind, one of them must match. */
function compare<K extends keyof Constraint>(
  issuer: Certificate,
  kind: K,
  kindName: string,
  name: string,
  budget: { comparisons: number },
  matches: (constraint: Constraint[K]) => boolean,
): Failure | undefined {
  const { permitted, excluded } = issuer.details.nameConstraints!
  const [allowed, forbidden] = [permitted[kind] as Constraint[K][], excluded[kind] as Constraint[K][]]
  // Go has no text for TooManyConstraints
  const tooMany = () => failure('name-constraint', 'x509: unknown error', issuer)
  try {
    budget.comparisons += forbidden.length
    if (budget.comparisons > maxComparisons) return tooMany()
    const hit = forbidden.find(matches)
    if (hit !== undefined) {
      const constraint = typeof hit === 'string' ? hit : cidrToString(hit)
      return notAuthorized(issuer, `${kindName} ${quote(name)} is excluded by constraint ${quote(constraint)}`)
    }
    budget.comparisons += allowed.length
    if (budget.comparisons > maxComparisons) return tooMany()
    if (allowed.length === 0 || allowed.some(matches)) return undefined
    return notAuthorized(issuer, `${kindName} ${quote(name)} is not permitted by any constraint`)
  } catch (error) {
    if (error instanceof CannotMatch) return notAuthorized(issuer, error.message)
    throw error
  }
}

/** matchEmailConstraint: an exact mailbox, or a domain. */
function matchMailbox(mailbox: Mailbox, constraint: string, voice: Voice): boolean {
  if (!constraint.includes('@')) return matchDomain(mailbox.domain, constraint, voice)
  const wanted = parseMailbox(constraint, voice)
  if (!wanted) throw new CannotMatch(`x509: internal error: cannot parse constraint ${quote(constraint)}`)
  return mailbox.local === wanted.local && mailbox.domain.toLowerCase() === wanted.domain.toLowerCase()
}

/** matchURIConstraint: RFC 5280 §4.2.1.10 has a URI without a host name, or with an IP, refused. */
function matchUri(uri: { shown: string; host: string }, constraint: string, voice: Voice): boolean {
  const shown = quote(uri.shown)
  let { host } = uri
  if (host === '') throw new CannotMatch(`URI with empty host (${shown}) cannot be matched against constraints`)
  if (host.includes(':') && !host.endsWith(']')) host = withoutPort(host)
  const isZoned = voice !== 'go1.19' && /^[^%]*:[^%]*%.+$/.test(host) && parseIp(host.replace(/%.*$/, ''))
  if ((host.startsWith('[') && host.endsWith(']')) || parseIp(host) || isZoned)
    throw new CannotMatch(`URI with IP (${shown}) cannot be matched against constraints`)
  return matchDomain(host, constraint, voice)
}

/** net.SplitHostPort. */
function withoutPort(hostPort: string): string {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*)):([^:[\]]*)$/.exec(hostPort)
  if (match) return match[1] ?? match[2]!
  const colons = hostPort.split(':').length - 1
  throw new CannotMatch(`address ${hostPort}: ${colons > 1 ? 'too many colons' : 'missing port'} in address`)
}

/** matchDomainConstraint: `example` holds for itself and all below, `.example` only for what is below. */
function matchDomain(domain: string, constraint: string, voice: Voice): boolean {
  if (constraint === '') return true
  const labels = reverseLabels(domain, voice)
  if (!labels) throw new CannotMatch(`x509: internal error: cannot parse domain ${quote(domain)}`)
  const mustBeBelow = constraint.startsWith('.')
  const wanted = reverseLabels(mustBeBelow ? constraint.slice(1) : constraint, voice)
  if (!wanted) throw new CannotMatch(`x509: internal error: cannot parse domain ${quote(constraint)}`)
  if (labels.length < wanted.length || (mustBeBelow && labels.length === wanted.length)) return false
  return wanted.every((label, index) => label.toLowerCase() === labels[index]!.toLowerCase())
}
