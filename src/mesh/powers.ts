/**
 * Who can do what with the certificates and keys of a PKI, beyond what each is meant for: the table behind "who can now impersonate
 * whom". Judged by the verifier, from certificates alone.
 */
import type { Certificate } from '#x509/types.ts'
import { verify } from '#x509/verify.ts'
import { connections } from './connections.ts'
import type { Holder, PkiView } from './pki-view.ts'

type PowerKind =
  /** The end takes this certificate, which is another's, for a client's. */
  | 'accepts-client'
  /** With the authority's key anybody can make a client certificate that the end takes. */
  | 'signs-clients'
  /** With the authority's key anybody can be the server to this client. */
  | 'signs-servers'
  /** The client does not check who the server is. */
  | 'unchecked-server'
  /** The certificate may say for whom it speaks: it is whoever it says. */
  | 'front-proxy'
  /** With the authority's key anybody can make such a certificate. */
  | 'signs-front-proxies'
  /** RBAC cannot restrict it. */
  | 'system-masters'

export interface Power {
  kind: PowerKind
  /** Where: the end that believes. */
  at: string
  /** Of whom it believes it: a certificate, an authority, or nobody in particular. */
  who: string
  /** `signs-servers`: as which server. */
  as?: string
}

/** What being let in comes to. etcd and its peers have no authorization: the certificate is everything. */
const admission: Record<string, string> = {
  etcd: 'etcd asks for nothing else: whoever it lets in reads and writes every object',
  'etcd-peer': 'it may join as a member, and gets all data',
}

export function powersOf(view: PkiView, now: Date): Power[] {
  const authenticates = (chain: readonly Certificate[], roots: readonly Certificate[]) =>
    verify({ chain, roots, usage: 'clientAuth', now }).verdict === 'accept'
  const sharesKey = (a: Certificate, b: Certificate) =>
    Buffer.compare(a.subjectPublicKeyInfo, b.subjectPublicKeyInfo) === 0
  const authorities = [...view.authorities]
  /** Which authorities lead to this bundle: those in it, and those below one of them. A cross-signed one is its key's first name. */
  const authoritiesUnder = (roots: readonly Certificate[]): string[] => {
    const leading = authorities.filter(([, certificate]) => {
      const chain = [certificate, ...view.authorities.values()]
      return verify({ chain, roots, usage: 'any', now }).verdict === 'accept'
    })
    return [...new Set(leading.map(([, one]) => authorities.find(([, other]) => sharesKey(one, other))![0]))]
  }
  const holders = [...view.holders.values()]
  const powers: Power[] = []

  const ends = new Map(
    connections.flatMap(row => (row.serverTrust && !row.frontProxy ? [[row.to, row.serverTrust] as const] : [])),
  )
  for (const [at, trust] of ends) {
    const roots = view.bundleOf(trust)
    if (!roots) continue
    const meant = new Set(connections.flatMap(row => (row.to === at ? [row.clientCertificate?.name] : [])))
    for (const { name, chain } of holders) {
      if (!meant.has(name) && authenticates(chain, roots)) powers.push({ kind: 'accepts-client', at, who: name })
    }
    for (const who of authoritiesUnder(roots)) powers.push({ kind: 'signs-clients', at, who })
  }

  for (const { from, to, clientTrust } of connections) {
    if (!clientTrust) continue
    const roots = view.bundleOf(clientTrust)
    if (!roots) powers.push({ kind: 'unchecked-server', at: from, who: 'anybody', as: to })
    else for (const who of authoritiesUnder(roots)) powers.push({ kind: 'signs-servers', at: from, who, as: to })
  }

  const allowed = view.plan.cluster.requestheaderAllowedNames
  const proxies = (at: string) => view.bundleOf({ name: `${at}.requestheader-client-ca`, flag: '' })
  for (const at of ['kube-apiserver', 'extension-apiserver']) {
    const roots = proxies(at)
    if (!roots) continue
    for (const { name, chain } of holders) {
      const { commonName } = chain[0]!.subject
      // with an empty list everybody whom the front-proxy CA signed is one
      const named = allowed.length === 0 || allowed.includes(commonName)
      if (name !== 'front-proxy-client' && named && authenticates(chain, roots)) {
        powers.push({ kind: 'front-proxy', at, who: name })
      }
    }
    for (const who of authoritiesUnder(roots)) powers.push({ kind: 'signs-front-proxies', at, who })
  }

  const clientCa = view.bundleOf({ name: 'kube-apiserver.client-ca', flag: '' }) ?? []
  for (const { name, chain } of holders.filter(isMaster)) {
    if (authenticates(chain, clientCa)) powers.push({ kind: 'system-masters', at: 'kube-apiserver', who: name })
  }
  return powers
}

const isMaster = ({ chain }: Holder) => chain[0]!.subject.organizations.includes('system:masters')

/** One sentence for powers of one kind at one place. */
export function describePowers(powers: readonly Power[]): string {
  const { kind, at, as } = powers[0]!
  const who = powers.map(power => power.who)
  const several = who.length > 1
  switch (kind) {
    case 'accepts-client':
      return `${at} takes ${several ? `${who.length} client certificates that are` : 'a client certificate that is'} meant for others: ${who.join(', ')}; ${admission[at] ?? 'each is the user and groups that it names'}`
    case 'signs-clients':
      return `any client certificate of ${who.join(', ')} is accepted by ${at}; ${admission[at] ?? 'whoever has the key can be any user there'}`
    case 'signs-servers':
      return `whoever has the key of ${who.join(', ')} can be ${as} to ${at}`
    case 'unchecked-server':
      return `anybody can be ${as} to ${at}, which does not check`
    case 'front-proxy':
      return `${at} believes ${who.join(', ')} about who is asking (X-Remote-User): each can be anybody, also system:masters`
    case 'signs-front-proxies':
      return `whoever gets a client certificate of ${who.join(', ')} with a front proxy’s name can be anybody to ${at}`
    case 'system-masters':
      return `${who.join(', ')} ${several ? 'are' : 'is'} in system:masters: RBAC cannot restrict ${several ? 'them' : 'it'}, and it cannot be taken back before it expires`
  }
}
