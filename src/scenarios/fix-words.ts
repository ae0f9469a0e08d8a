/** A step as it is done on a real cluster: commands, and where there is none a sentence that begins with `#`. */
import { stringify } from 'yaml'
import { connections } from '#mesh/connections.ts'
import type { Step } from './types.ts'

/** Those that `kubeadm certs renew` knows. */
const renewedByKubeadm =
  /^(admin|super-admin|controller-manager|scheduler)\.conf$|^(apiserver|apiserver-etcd-client|apiserver-kubelet-client|front-proxy-client)$/
const etcdNames: Readonly<Record<string, string>> = {
  'etcd-server': 'etcd-server',
  'etcd-peer': 'etcd-peer',
  'etcd-healthcheck-client': 'etcd-healthcheck-client',
}

const staticPods: readonly string[] = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler']

type Words = (step: Step) => string[]

const each =
  (words: (target: string) => string): Words =>
  ({ targets }) =>
    targets.map(words)

const table: Readonly<Record<string, Words>> = {
  renew: each(name => {
    if (etcdNames[name]) return `kubeadm certs renew ${etcdNames[name]}`
    if (renewedByKubeadm.test(name)) return `kubeadm certs renew ${name}`
    // kubeadm's page on kubelets whose rotation failed; where ca.key is
    if (name === 'kubelet.conf')
      return 'kubeadm kubeconfig user --org system:nodes --client-name system:node:$NODE > kubelet.conf   # to /etc/kubernetes/kubelet.conf of the node'
    return `# issue ${name} anew, as it should be`
  }),
  restart: each(restart),
  stop: each(name => `# stop ${name}`),
  'restore-trust': each(slot => {
    const row = connections.find(({ clientTrust, serverTrust }) =>
      [clientTrust?.name, serverTrust?.name].includes(slot),
    )
    const flag = row && (row.clientTrust?.name === slot ? row.clientTrust : row.serverTrust)?.flag
    return `# put the right bundle where ${flag ?? slot} points, and restart ${slot.split('.')[0]}`
  }),
  'restore-flags': each(name => `# put the command line of ${name} right: ${manifestOf(name)}`),
  'restore-clock': each(name => `${name === 'all' ? '' : `# on the machine of ${name}: `}timedatectl set-ntp true`),
  'restore-files': each(file => `# put ${file} back as it was`),
  'start-over': () => ['kubeadm reset', 'kubeadm init'],
  replace: ({ value }) =>
    Object.entries((value ?? {}) as Record<string, object>).map(
      ([name, fields]) => `# issue ${name} anew with ${flow(fields)}`,
    ),
  'replace-trust': ({ value }) =>
    Object.entries((value ?? {}) as Record<string, string[]>).map(
      ([slot, names]) => `# let the bundle of ${slot} hold ${names.join(' and ')}`,
    ),
  copy: ({ value }) =>
    Object.entries((value ?? {}) as Record<string, string>).map(([to, from]) => `cp ${onNode(from)} ${onNode(to)}`),
  write: ({ value }) => Object.keys((value ?? {}) as object).map(file => `# write ${onNode(file)}`),
  remove: each(file => `rm ${onNode(file)}`),
  chmod: ({ value }) =>
    Object.entries((value ?? {}) as Record<string, string>).map(([file, mode]) => `chmod ${mode} ${onNode(file)}`),
  approve: each(name => `kubectl certificate approve ${name === 'all' ? '$(kubectl get csr -o name)' : name}`),
  deny: each(name => `kubectl certificate deny ${name}`),
  apply: ({ value }) => [`kubectl apply -f - <<EOF\n${objects(value)}EOF`],
  delete: ({ value }) =>
    [value as { kind: string; metadata: { name: string; namespace?: string } }]
      .flat()
      .map(
        ({ kind, metadata: { name, namespace } }) =>
          `kubectl delete ${kind.toLowerCase()} ${name}${namespace ? ` -n ${namespace}` : ''}`,
      ),
  'advance-clock': ({ value }) => [`# wait ${(value as { by: string }).by}`],
  'wait-until': ({ value }) => [`# wait until ${flow(value as object)}`],
  run: ({ value }) => [(value as { run: string }).run],
}

export const wordsOfStep = (step: Step): string[] => table[step.name]?.(step) ?? []

const onNode = (file: string) => `/etc/kubernetes/${file}`
const flow = (value: object) =>
  JSON.stringify(value)
    .replaceAll(/"([\w.-]+)":/g, '$1: ')
    .replaceAll(',', ', ')
const objects = (value: unknown) =>
  [value]
    .flat()
    .map(one => stringify(one))
    .join('---\n')

function restart(name: string): string {
  if (staticPods.includes(name)) {
    return `mv /etc/kubernetes/manifests/${name}.yaml /tmp/ && sleep 20 && mv /tmp/${name}.yaml /etc/kubernetes/manifests/`
  }
  if (name === 'kubelet') return 'systemctl restart kubelet'
  if (name === 'kube-proxy') return 'kubectl -n kube-system rollout restart daemonset/kube-proxy'
  return `# restart ${name}`
}

const manifestOf = (name: string) =>
  staticPods.includes(name)
    ? `/etc/kubernetes/manifests/${name}.yaml`
    : name === 'kubelet'
      ? '/var/lib/kubelet/config.yaml'
      : 'where it is started'
