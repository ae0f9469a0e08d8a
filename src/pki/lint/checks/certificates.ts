/** One certificate at a time: dates, keys, signatures, names, identities. */
import { opensslView } from '../inspect.ts'
import { type Check, type Entry, finding, isNamed, isSelfSigned, usages } from '../inventory.ts'
import type { Finding } from '../types.ts'

const dayMs = 86_400_000
const soonMs = 28 * dayMs
/** What public CAs may issue at most (CA/Browser Forum, until 2026): long enough for anybody's year. */
const leafDays = 398
/** kubeadm's ten years, and a few days for back-dating and leap days. */
const caDays = 3660

const day = (date: Date) => date.toISOString().slice(0, 10)

const dates: Check = ({ entries, now }) =>
  entries.flatMap(entry => {
    const { notBefore, notAfter } = entry.certificate
    const days = (notAfter.getTime() - notBefore.getTime()) / dayMs
    const found: Finding[] = []
    if (notAfter < now) found.push(finding('expired', entry, `until ${day(notAfter)}`))
    else if (notAfter.getTime() - now.getTime() < soonMs)
      found.push(finding('expires-soon', entry, `until ${day(notAfter)}`))
    if (notBefore > now) found.push(finding('not-yet-valid', entry, `from ${day(notBefore)}`))
    if (!entry.isCa && days > leafDays) found.push(finding('long-lived', entry, `${Math.round(days)} days`))
    if (entry.isCa && days > caDays) found.push(finding('long-lived-ca', entry, `${Math.round(days)} days`))
    const issuer = entry.issuer?.certificate
    if (issuer && notAfter > issuer.notAfter) {
      found.push(
        finding(
          'leaf-outlives-ca',
          entry,
          `until ${day(notAfter)}, its CA ${issuer.subject} until ${day(issuer.notAfter)}`,
        ),
      )
    }
    return found
  })

const strength: Check = ({ entries }) =>
  entries.flatMap(entry => {
    const found: Finding[] = []
    const weak = weakKey(entry)
    if (weak) found.push(finding('weak-key', entry, weak))
    const { signatureAlgorithm } = entry.certificate
    // nobody verifies what a root says of itself
    const isRoot = entry.isCa && isSelfSigned(entry)
    if (!isRoot && /SHA1|MD[25]/i.test(signatureAlgorithm))
      found.push(finding('weak-signature', entry, signatureAlgorithm))
    return found
  })

function weakKey({ certificate }: Entry): string | undefined {
  try {
    const { asymmetricKeyDetails = {} } = opensslView(certificate).publicKey
    const { modulusLength, namedCurve } = asymmetricKeyDetails
    if (modulusLength !== undefined && modulusLength < 2048) return `RSA-${modulusLength}`
    const bits = Number(/\d{3}/.exec(namedCurve ?? '')?.[0] ?? 256)
    return bits < 256 ? namedCurve : undefined
  } catch {
    return undefined
  }
}

const names: Check = ({ entries }) =>
  entries
    .filter(entry => !entry.isCa && usages(entry).includes('serverAuth'))
    .flatMap(entry => {
      const { dnsNames = [], ipAddresses = [] } = entry.certificate.subjectAltName ?? {}
      return [
        ...(dnsNames.length + ipAddresses.length === 0 ? [finding('cn-only', entry)] : []),
        ...(isSelfSigned(entry) ? [finding('self-signed-serving', entry)] : []),
      ]
    })

const sharedKeys: Check = ({ entries }) => {
  const groups = Map.groupBy(
    entries.filter(({ isCa }) => !isCa),
    ({ publicKey }) => publicKey,
  )
  return [...groups.values()]
    .filter(group => group.length > 1)
    .map(group =>
      finding(
        'key-shared',
        group[0]!,
        `and ${group
          .slice(1)
          .map(({ paths }) => paths[0])
          .join(', ')}`,
      ),
    )
}

const administrators = ['system:masters', 'kubeadm:cluster-admins']
const own = ['admin.conf', 'super-admin.conf']

const identities: Check = ({ entries }) =>
  entries.flatMap(entry => {
    const { organizations } = entry.certificate.subject
    if (entry.isCa || !organizations.some(name => administrators.includes(name))) return []
    const elsewhere = entry.paths.filter(path => !own.some(name => isNamed(path, name)))
    return [
      ...(organizations.includes('system:masters') && elsewhere.length > 0
        ? [{ ...finding('masters', entry), path: elsewhere[0]! }]
        : []),
      ...(entry.paths.length > 1 ? [finding('admin-shared', entry, `in ${entry.paths.join(', ')}`)] : []),
    ]
  })

export const certificateChecks: readonly Check[] = [dates, strength, names, sharedKeys, identities]
