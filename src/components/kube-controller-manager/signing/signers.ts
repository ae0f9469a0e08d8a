/** The four kubernetes.io signers: whose requests they sign (pkg/controller/certificates/signer/signer.go, pkg/apis/certificates/helpers.go). Pure. */
import type { CertificateSigningRequest } from '#kubernetes/types.ts'
import type { Request } from './request.ts'

type Csr = CertificateSigningRequest
/** Undefined: it may be signed; else the original's words for why not. */
type Rule = (request: Request, csr: Csr) => string | undefined

/** One rule after the other; the first that objects speaks. */
const all =
  (...rules: Rule[]): Rule =>
  (request, csr) => {
    for (const rule of rules) {
      const objection = rule(request, csr)
      if (objection) return objection
    }
    return undefined
  }

const organization: Rule = ({ subject }) =>
  subject.organizations.length === 1 && subject.organizations[0] === 'system:nodes'
    ? undefined
    : 'subject organization is not system:nodes'
const commonName: Rule = ({ subject }) =>
  subject.commonName.startsWith('system:node:') ? undefined : 'subject common name does not begin with system:node:'
const none =
  (kind: 'dnsNames' | 'ipAddresses' | 'emailAddresses' | 'uris', word: string): Rule =>
  request =>
    request[kind].length > 0 ? `${word} subjectAltNames are not allowed` : undefined
const dnsOrIp: Rule = ({ dnsNames, ipAddresses }) =>
  dnsNames.length + ipAddresses.length > 0 ? undefined : 'DNS or IP subjectAltName is required'

/** Exactly one of these sets, in any order. */
const usagesAre =
  (...sets: string[][]): Rule =>
  (_request, { spec }) => {
    const asked = new Set(spec.usages)
    const fits = sets.some(set => set.length === asked.size && set.every(usage => asked.has(usage)))
    return fits ? undefined : `usages did not match [${sets.at(-1)!.toSorted().join(' ')}]`
  }

const clientUsages: Rule = (_request, { spec }) => {
  const usages = spec.usages ?? []
  // what may not be there is said before what is missing
  const odd = usages.find(usage => !['client auth', 'digital signature', 'key encipherment'].includes(usage))
  if (odd !== undefined) return `invalid usage for client certificate: ${odd}`
  return usages.includes('client auth') ? undefined : 'missing required usage for client certificate: client auth'
}

const nodeClientUsages = usagesAre(
  ['digital signature', 'client auth'],
  ['digital signature', 'key encipherment', 'client auth'],
)
const servingUsages = usagesAre(
  ['digital signature', 'server auth'],
  ['digital signature', 'key encipherment', 'server auth'],
)

export const signers: Record<string, Rule> = {
  'kubernetes.io/kube-apiserver-client': clientUsages,
  'kubernetes.io/kube-apiserver-client-kubelet': all(
    organization,
    none('dnsNames', 'DNS'),
    none('emailAddresses', 'Email'),
    none('ipAddresses', 'IP'),
    none('uris', 'URI'),
    commonName,
    nodeClientUsages,
  ),
  'kubernetes.io/kubelet-serving': all(
    organization,
    dnsOrIp,
    none('emailAddresses', 'Email'),
    none('uris', 'URI'),
    // the other way round than for client certificates, as it stands there
    servingUsages,
    commonName,
  ),
  'kubernetes.io/legacy-unknown': () => undefined,
}

/** Would the signer for kubelets' client certificates sign it? (IsKubeletClientCSR) */
export const isKubeletClientRequest = (request: Request, csr: Csr) =>
  signers['kubernetes.io/kube-apiserver-client-kubelet']!(request, csr) === undefined
