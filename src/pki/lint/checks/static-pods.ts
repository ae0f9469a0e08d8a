/** What the command lines of a node's static pods say about trust. */
import { manifestsFolder, staticPodFlags } from '../../static-pods.ts'
import type { Check } from '../inventory.ts'
import type { RuleId } from '../rules.ts'
import type { Finding } from '../types.ts'

interface FlagCheck {
  rule: RuleId
  component: string
  /** What is wrong with these flags, or undefined. */
  isWrong(flags: ReadonlyMap<string, string>): string | undefined
}

const sameFile = (flags: ReadonlyMap<string, string>, a: string, b: string) =>
  flags.get(a) !== undefined && flags.get(a) === flags.get(b) ? `--${a} and --${b} are ${flags.get(a)}` : undefined

const oldTls = (component: string): FlagCheck => ({
  rule: 'old-tls',
  component,
  isWrong: flags => {
    const version = flags.get('tls-min-version') ?? ''
    return /^VersionTLS1[01]$|^TLS1\.[01]$/.test(version) ? `--tls-min-version=${version}` : undefined
  },
})

const table: readonly FlagCheck[] = [
  {
    rule: 'etcd-open',
    component: 'etcd',
    isWrong: flags => {
      const wrong = ['client-cert-auth', 'peer-client-cert-auth'].filter(flag => flags.get(flag) !== 'true')
      return wrong.length > 0 ? `without ${wrong.map(flag => `--${flag}`).join(' and ')}` : undefined
    },
  },
  {
    rule: 'kubelet-unverified',
    component: 'kube-apiserver',
    isWrong: flags => (flags.has('kubelet-certificate-authority') ? undefined : 'no --kubelet-certificate-authority'),
  },
  {
    rule: 'front-proxy-ca-shared',
    component: 'kube-apiserver',
    isWrong: flags => sameFile(flags, 'requestheader-client-ca-file', 'client-ca-file'),
  },
  {
    rule: 'etcd-trusts-cluster-ca',
    component: 'kube-apiserver',
    isWrong: flags => sameFile(flags, 'etcd-cafile', 'client-ca-file'),
  },
  {
    rule: 'audit-off',
    component: 'kube-apiserver',
    isWrong: flags =>
      flags.has('audit-log-path') || flags.has('audit-webhook-config-file') ? undefined : 'no --audit-log-path',
  },
  ...['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler'].map(oldTls),
]

const flagsOf: Check = ({ dir }) => {
  const pods = staticPodFlags(dir)
  return table.flatMap(({ rule, component, isWrong }): Finding[] => {
    const flags = pods.get(component)
    const detail = flags && isWrong(flags)
    return detail ? [{ rule, path: `${manifestsFolder}/${component}.yaml`, detail }] : []
  })
}

export const staticPodChecks: readonly Check[] = [flagsOf]
