/**
 * Which certificate a client is served: kube-apiserver's `--tls-sni-cert-key` over crypto/tls.
 * Sources: apiserver's dynamiccertificates (named_certificates.go, tlsconfig.go) and Config.getCertificate of crypto/tls.
 */
import { verifyHostname } from '#x509/hostname.ts'
import { parseIp } from '#x509/ip-addresses.ts'
import type { Certificate, Voice } from '#x509/types.ts'
import type { IdentitySource, NamedIdentity } from './types.ts'

/** apimachinery's IsDNS1123Subdomain. */
const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const subdomain = new RegExp(`^${label}(\\.${label})*$`)
const isSubdomain = (name: string) => name.length <= 253 && subdomain.test(name)

/** What a certificate without names of its own in the flag is served for: its CN, when that could be a name, and its DNS names; never its IPs. */
function ownNames({ subject: { commonName }, subjectAltName }: Certificate): string[] {
  const isName = !parseIp(commonName) && (commonName === '*' || isSubdomain(commonName.replace(/^\*\./, '')))
  return [...(isName ? [commonName] : []), ...(subjectAltName?.dnsNames ?? [])]
}

/** One whose files cannot be used has no names, and is no reason to refuse who asks for another. */
function leafOf(source: IdentitySource): Certificate | undefined {
  try {
    return source.current().chain[0]
  } catch {
    return undefined
  }
}

/**
 * @param localAddress the address that the client dialled: a client without a server name gets the certificate that is named after it
 * @returns which of `named`; undefined: the server's own
 */
type Choice = (servername: string, localAddress: string) => number | undefined

export function certificateChooser(own: IdentitySource, named: readonly NamedIdentity[], voice: Voice): Choice {
  let leaves: (Certificate | undefined)[] = []
  let byName = new Map<string, number>()
  /** Files change: whose names are their own may have others now. */
  const refresh = () => {
    const current = named.map(({ identity }) => leafOf(identity))
    if (current.length === leaves.length && current.every((leaf, i) => leaf === leaves[i])) return
    leaves = current
    byName = namesOf(named, leaves)
  }
  const isValidFor = (leaf: Certificate | undefined, name: string) => leaf && !verifyHostname(leaf, name, voice)
  return (servername, localAddress) => {
    refresh()
    if (servername === '') return byName.get(localAddress)
    const name = servername.toLowerCase()
    const found = byName.get(name) ?? byName.get(name.replace(/^[^.]*/, '*'))
    if (found !== undefined || isValidFor(leafOf(own), servername)) return found
    // SupportsCertificate: a certificate that is good for the name, whatever it is called in the flag
    const valid = leaves.findIndex(leaf => isValidFor(leaf, servername))
    return valid < 0 ? undefined : valid
  }
}

/** BuildNamedCertificates: names from flags before names from certificates, and the first of the same name before the others. */
function namesOf(named: readonly NamedIdentity[], leaves: readonly (Certificate | undefined)[]): Map<string, number> {
  const given = new Map<string, number>()
  const own = new Map<string, number>()
  for (const [index, { names = [] }] of [...named.entries()].reverse()) {
    for (const name of names) given.set(name, index)
    const leaf = leaves[index]
    if (names.length === 0 && leaf) for (const name of ownNames(leaf)) own.set(name, index)
  }
  return new Map([...own, ...given])
}
