/** Name constraints of an issuer against the names below it: Go's isValid (its middle) and checkNameConstraints. */
import type { AlternativeName } from './alternative-names.ts'
import { parseMailbox, reverseLabels } from './domains.ts'
import { type Failure, failure } from './failure.ts'
import { quote } from './go-format.ts'
import { cidrToString, ipToString, parseIp } from './ip-addresses.ts'
import type { DomainConstraint, Subtrees } from './name-constraints-extension.ts'
import type { Certificate, Voice } from './types.ts'

/** Go's MaxConstraintComparisions: beyond it, a certificate is only there to cost time. */
const maxComparisons = 250_000

interface Check {
  issuer: Certificate
  comparisons: number
  voice: Voice
}

/**
 * @param below the chain under `issuer`, leaf first. Go 1.24 checks all of it; Go 1.19 the leaf and the issuer itself.
 */
export function checkNameConstraints(
  issuer: Certificate,
  below: readonly Certificate[],
  voice: Voice,
): Failure | undefined {
  if (!issuer.details.nameConstraints) return undefined
  const check: Check = { issuer, comparisons: 0, voice }
  for (const certificate of voice === 'go1.19' ? [below[0]!, issuer] : below) {
    for (const name of certificate.details.alternativeNames) {
      const failed = checkName(check, name)
      if (failed) return failed
    }
  }
  return undefined
}

function checkName(check: Check, name: AlternativeName): Failure | undefined {
  switch (name.kind) {
    case 'email': {
      const mailbox = parseMailbox(name.value, check.voice)
      // Go prints the mailbox that it failed to parse, which is empty
      if (!mailbox) return failure('name-constraint', 'x509: cannot parse rfc822Name {"" ""}', check.issuer)
      const domain = mailbox.domain.toLowerCase()
      const labels = reverseLabels(domain, check.voice) ?? []
      return compare(check, 'email', 'email address', name.value, constraint =>
        'labels' in constraint
          ? isWithin(labels, constraint)
          : mailbox.local === constraint.mailbox.local && domain === constraint.mailbox.domain.toLowerCase(),
      )
    }
    case 'dns': {
      const labels = reverseLabels(name.value.toLowerCase(), check.voice)
      if (!labels) return failure('name-constraint', `x509: cannot parse dnsName ${quote(name.value)}`, check.issuer)
      return compare(check, 'dns', 'DNS name', name.value, constraint => isWithin(labels, constraint))
    }
    case 'uri': {
      const host = hostOf(name, check.voice)
      return compare(check, 'uri', 'URI', name.value, constraint => isHostWithin(host, constraint, check.voice))
    }
    case 'ip': {
      const address = name.value
      return compare(check, 'ip', 'IP address', ipToString(address), ({ ip, mask }) => {
        if (ip.length !== address.length) return false
        return ip.every((byte, index) => (byte & mask[index]!) === (address[index]! & mask[index]!))
      })
    }
  }
}

/** A name does not let itself be compared; `message` is Go's. */
class CannotMatch extends Error {}

/** Excluded subtrees first; then, if there are permitted ones of this kind, one of them must match. */
function compare<K extends keyof Subtrees>(
  check: Check,
  kind: K,
  kindName: string,
  name: string,
  matches: (constraint: Subtrees[K][number]) => boolean,
): Failure | undefined {
  const { permitted, excluded } = check.issuer.details.nameConstraints!
  const [allowed, forbidden] = [permitted[kind], excluded[kind]] as [Subtrees[K][number][], Subtrees[K][number][]]
  const notAuthorized = (detail: string) => {
    const message = `x509: a root or intermediate certificate is not authorized to sign for this name: ${detail}`
    return failure('name-constraint', message, check.issuer)
  }
  // Go has no text for TooManyConstraints
  const tooMany = () => failure('name-constraint', 'x509: unknown error', check.issuer)
  try {
    check.comparisons += forbidden.length
    if (check.comparisons > maxComparisons) return tooMany()
    const hit = forbidden.find(matches)
    if (hit) {
      const constraint = 'text' in hit ? hit.text : cidrToString(hit)
      return notAuthorized(`${kindName} ${quote(name)} is excluded by constraint ${quote(constraint)}`)
    }
    check.comparisons += allowed.length
    if (check.comparisons > maxComparisons) return tooMany()
    if (allowed.length === 0 || allowed.some(matches)) return undefined
    return notAuthorized(`${kindName} ${quote(name)} is not permitted by any constraint`)
  } catch (error) {
    if (error instanceof CannotMatch) return notAuthorized(error.message)
    throw error
  }
}

/** matchDomainConstraint: `example` holds for itself and all below, `.example` only for what is below. Labels are lower case. */
function isWithin(labels: readonly string[], { labels: wanted, mustBeBelow }: DomainConstraint): boolean {
  if (labels.length < wanted.length || (mustBeBelow && labels.length === wanted.length)) return false
  for (let i = 0; i < wanted.length; i++) if (wanted[i] !== labels[i]) return false
  return true
}

/** The host of a URI without its port, or why it cannot be compared: RFC 5280 §4.2.1.10 has one without a name, or with an IP, refused. */
function hostOf({ host, shown }: Extract<AlternativeName, { kind: 'uri' }>, voice: Voice): string | CannotMatch {
  if (host === '') return new CannotMatch(`URI with empty host (${quote(shown)}) cannot be matched against constraints`)
  const name = host.includes(':') && !host.endsWith(']') ? withoutPort(host) : host
  if (name instanceof CannotMatch) return name
  const isZoned = voice !== 'go1.19' && /^[^%]*:[^%]*%.+$/.test(name) && parseIp(name.replace(/%.*$/, ''))
  const isIp = (name.startsWith('[') && name.endsWith(']')) || parseIp(name, voice) || isZoned
  return isIp ? new CannotMatch(`URI with IP (${quote(shown)}) cannot be matched against constraints`) : name
}

/** matchURIConstraint. The host is complained of only when there is a constraint to compare it with. */
function isHostWithin(host: string | CannotMatch, constraint: DomainConstraint, voice: Voice): boolean {
  if (host instanceof CannotMatch) throw host
  if (constraint.text === '') return true
  const labels = reverseLabels(host.toLowerCase(), voice)
  if (!labels) throw new CannotMatch(`x509: internal error: cannot parse domain ${quote(host)}`)
  return isWithin(labels, constraint)
}

/** net.SplitHostPort. */
function withoutPort(hostPort: string): string | CannotMatch {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*)):([^:[\]]*)$/.exec(hostPort)
  if (match) return match[1] ?? match[2]!
  const colons = hostPort.split(':').length - 1
  return new CannotMatch(`address ${hostPort}: ${colons > 1 ? 'too many colons' : 'missing port'} in address`)
}
