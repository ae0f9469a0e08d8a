/** As whom a request or a command of a scenario is made: files of the mesh, by the name of who holds them. */
import { readFileSync } from 'node:fs'
import { connections, type Decided } from '#mesh/connections.ts'
import { identityOf, rootsOf } from '#mesh/credentials.ts'
import { fileOf, inDir, isKubeconfig, type Layout, shownPair } from '#mesh/layout.ts'
import { memoryBundle } from '#tls/bundle.ts'
import type { BundleSource, IdentitySource } from '#tls/types.ts'

export interface Asker {
  /** Undefined: nobody, who shows nothing. */
  certificate: Decided | undefined
  /** What the server is checked with; undefined: nothing. */
  trust: Decided | undefined
}

const named = (name: string): Decided => ({ name, flag: '' })

/** `admin` has the rights that `kubeadm` itself has. */
export function askerOf({ plan }: Layout, as: string, to: string): Asker {
  const exact = connections.find(row => row.from === as && row.to === to)
  if (exact) return { certificate: exact.clientCertificate, trust: exact.clientTrust }
  const others = connections.filter(row => row.to === to && row.clientTrust)
  const trust = (others.find(row => !isKubeconfig(row.clientTrust!)) ?? others[0])?.clientTrust
  if (as === 'anonymous') return { certificate: undefined, trust }
  const admin = plan.kubeconfigs.some(({ name }) => name === 'super-admin.conf') ? 'super-admin.conf' : 'admin.conf'
  const rows = connections.filter(row => row.from === as && row.clientCertificate)
  const certificate = as === 'admin' ? named(admin) : (rows[0]?.clientCertificate ?? named(as))
  return { certificate, trust: to === 'kube-apiserver' && isKubeconfig(certificate) ? certificate : trust }
}

/** @throws Error in the original's words, for files that it would not start with */
export function sourcesOf(
  layout: Layout,
  { certificate, trust }: Asker,
  to: string,
): { identity: IdentitySource | undefined; roots: BundleSource | undefined } {
  return {
    identity: certificate && identityOf(layout, certificate),
    roots: trust && rootsOf(layout, trust, { etcd: to.startsWith('etcd') }),
  }
}

/** Authorities, or certificates to pin, by name. */
export function bundleOf(layout: Layout, names: readonly string[]): BundleSource {
  const rows = [...layout.plan.authorities, ...layout.plan.certificates].filter(({ name }) => names.includes(name))
  return memoryBundle(
    rows.map(({ certificateFile }) => readFileSync(inDir(layout, certificateFile), 'utf8')).join('\n'),
  )
}

/** For programs: kubectl's, etcdctl's and curl's settings. */
export function filesOf(layout: Layout, { certificate, trust }: Asker): Record<string, string> {
  const ca = trust && !isKubeconfig(trust) ? fileOf(layout, trust, 'trust') : undefined
  const pair = certificate && !isKubeconfig(certificate) ? shownPair(layout, certificate) : undefined
  return {
    ...(certificate && isKubeconfig(certificate) ? { KUBECONFIG: fileOf(layout, certificate, 'certificate')! } : {}),
    ...(ca ? { CACERT: ca, ETCDCTL_CACERT: ca } : {}),
    ...(pair ? { CERT: pair.certificate, KEY: pair.key, ETCDCTL_CERT: pair.certificate, ETCDCTL_KEY: pair.key } : {}),
  }
}
