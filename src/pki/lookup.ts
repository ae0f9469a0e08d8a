/** Where a plan's things are: paths relative to the state directory. */
import { nearest, TrustplaneError } from '#errors.ts'
import type { TrustSlot } from './trust-slots.ts'
import type { AuthoritySpec, CertificateSpec, KubeconfigSpec, Plan } from './types.ts'

/** @throws TrustplaneError TP_NAME_UNKNOWN */
export const certificateOf = (plan: Plan, name: string): CertificateSpec =>
  find(plan.certificates, name, 'certificate', plan)
export const authorityOf = (plan: Plan, name: string): AuthoritySpec => find(plan.authorities, name, 'authority', plan)
export const kubeconfigOf = (plan: Plan, name: string): KubeconfigSpec =>
  find(plan.kubeconfigs, name, 'kubeconfig', plan)

function find<T extends { name: string }>(rows: readonly T[], name: string, what: string, plan: Plan): T {
  const row = rows.find(candidate => candidate.name === name)
  if (row) return row
  const names = rows.map(candidate => candidate.name)
  const near = nearest(name, names)
  throw new TrustplaneError('TP_NAME_UNKNOWN', `the plan ${plan.name} has no ${what} ${JSON.stringify(name)}`, {
    fix: near ? `did you mean ${JSON.stringify(near)}?` : `it has ${names.join(', ')}`,
  })
}

/** The bundle of a trust slot: a single CA's own file, or `trust/<slot>.crt` (see `Plan.ownTrustFiles`); undefined when the slot is not configured. */
export function trustFile(plan: Plan, slot: TrustSlot): string | undefined {
  const names = plan.trust[slot]
  if (!names || names.length === 0) return undefined
  if (names.length > 1 || plan.ownTrustFiles) return `trust/${slot}.crt`
  const only = [...plan.authorities, ...plan.certificates].find(({ name }) => name === names[0])
  // a .crt that carries a served chain is more than the certificate to trust
  return only!.chain.length > 0 ? `trust/${slot}.crt` : only!.certificateFile
}

/** Certificates with files of their own: those with `sameAs` have another's. */
export const ownCertificates = (plan: Plan): CertificateSpec[] => plan.certificates.filter(row => !row.sameAs)

/** What an etcd member after the first has of its own: as the state directory of its node would be. */
export const etcdMemberFolder = (member: string): string => `etcd/${member}`

/** Every member's bundle of a slot: of what etcd checks with, each has a copy of its own. */
export function trustFiles(plan: Plan, slot: TrustSlot): string[] {
  const file = trustFile(plan, slot)
  if (file === undefined) return []
  return slot.startsWith('etcd.')
    ? [file, ...plan.cluster.etcdMembers.slice(1).map(({ name }) => `${etcdMemberFolder(name)}/${file}`)]
    : [file]
}

/** A node's kubelet: its serving certificate and its kubeconfig. */
export function kubeletOf(plan: Plan, node: string): { serving: CertificateSpec; kubeconfig: KubeconfigSpec } {
  const suffix = node === plan.cluster.nodeName ? '' : `-${node}`
  return {
    serving: certificateOf(plan, `kubelet${suffix}`),
    kubeconfig: kubeconfigOf(plan, `kubelet${suffix}.conf`),
  }
}
