/**
 * Each component's command line, as kubeadm writes it into the static pods' manifests (cmd/kubeadm/app/phases/controlplane/manifests.go,
 * phases/etcd/local.go) and as the real binary accepts it.
 */
import { dirname } from 'node:path'
import type { ComponentName } from '#components/component.ts'
import { authorityOf, kubeconfigOf } from '#pki/lookup.ts'
import type { TrustSlot } from '#pki/trust-slots.ts'
import type { PlanNode } from '#pki/types.ts'
import { bootstrapFile } from './join.ts'
import {
  bundleFile,
  dataDirOf,
  etcdMembersOf,
  inDir,
  kubeconfigFile,
  type Layout,
  type Member,
  pairOf,
} from './layout.ts'
import { addedFlags } from './settings.ts'

type Flags = Record<string, string | number | boolean | undefined>

const requestHeaderFlags = ({ plan }: Layout): Flags => ({
  'requestheader-allowed-names': plan.cluster.requestheaderAllowedNames.join(),
  'requestheader-username-headers': 'X-Remote-User',
  'requestheader-group-headers': 'X-Remote-Group',
  'requestheader-extra-headers-prefix': 'X-Remote-Extra-',
})

const table: Record<ComponentName, (layout: Layout, member: Member) => Flags> = {
  etcd(layout, { node: { name } }) {
    const { ports } = layout
    const server = pairOf(layout, 'etcd-server', name)
    const peer = pairOf(layout, 'etcd-peer', name)
    const urlOf = (member: PlanNode, port: number) => `https://${member.address}:${port}`
    const members = etcdMembersOf(layout)
    const self = members.find(member => member.name === name)!
    const clientUrl = urlOf(self, ports.etcd)
    const peerUrl = urlOf(self, ports['etcd-peer'])
    return {
      name,
      'data-dir': dataDirOf(layout, name),
      'listen-client-urls': clientUrl,
      'advertise-client-urls': clientUrl,
      'listen-peer-urls': peerUrl,
      'initial-advertise-peer-urls': peerUrl,
      'initial-cluster': members.map(member => `${member.name}=${urlOf(member, ports['etcd-peer'])}`).join(),
      'listen-metrics-urls': `http://${self.address}:${ports['etcd-metrics']}`,
      'cert-file': server.certificate,
      'key-file': server.key,
      'client-cert-auth': true,
      'trusted-ca-file': bundleFile(layout, 'etcd.trusted-ca', name),
      'peer-cert-file': peer.certificate,
      'peer-key-file': peer.key,
      'peer-client-cert-auth': true,
      'peer-trusted-ca-file': bundleFile(layout, 'etcd.peer-trusted-ca', name),
    }
  },
  'kube-apiserver'(layout) {
    const { host, ports } = layout
    const serving = pairOf(layout, 'apiserver')
    const etcd = pairOf(layout, 'apiserver-etcd-client')
    const kubelet = pairOf(layout, 'apiserver-kubelet-client')
    const proxy = pairOf(layout, 'front-proxy-client')
    return {
      'advertise-address': host,
      'bind-address': host,
      'secure-port': ports['kube-apiserver'],
      'allow-privileged': true,
      'authorization-mode': 'Node,RBAC',
      'client-ca-file': bundleFile(layout, 'kube-apiserver.client-ca'),
      'enable-admission-plugins': 'NodeRestriction',
      'enable-bootstrap-token-auth': true,
      'etcd-servers': etcdMembersOf(layout)
        .map(({ address }) => `https://${address}:${ports.etcd}`)
        .join(),
      'etcd-cafile': bundleFile(layout, 'kube-apiserver.etcd-cafile'),
      'etcd-certfile': etcd.certificate,
      'etcd-keyfile': etcd.key,
      'kubelet-certificate-authority': bundleFile(layout, 'kube-apiserver.kubelet-certificate-authority'),
      'kubelet-client-certificate': kubelet.certificate,
      'kubelet-client-key': kubelet.key,
      'kubelet-preferred-address-types': 'InternalIP,ExternalIP,Hostname',
      'proxy-client-cert-file': proxy.certificate,
      'proxy-client-key-file': proxy.key,
      ...requestHeader(layout, 'kube-apiserver.requestheader-client-ca'),
      'service-account-issuer': `https://kubernetes.default.svc.${layout.plan.cluster.dnsDomain}`,
      'service-account-key-file': inDir(layout, 'pki/sa.pub'),
      'service-account-signing-key-file': inDir(layout, 'pki/sa.key'),
      'service-cluster-ip-range': '10.96.0.0/12',
      'tls-cert-file': serving.certificate,
      'tls-private-key-file': serving.key,
    }
  },
  'kube-controller-manager'(layout) {
    const signer = authorityOf(layout.plan, kubeconfigOf(layout.plan, 'kubelet.conf').issuer)
    return {
      ...delegating(layout, 'kube-controller-manager', 'controller-manager.conf'),
      'cluster-name': layout.plan.cluster.clusterName,
      'cluster-signing-cert-file': inDir(layout, signer.certificateFile),
      'cluster-signing-key-file': inDir(layout, signer.keyFile),
      controllers: '*,bootstrapsigner,tokencleaner',
      'approve-kubelet-serving': layout.bootstrap?.approveServing || undefined,
      'root-ca-file': bundleFile(layout, 'kube-controller-manager.root-ca'),
      'service-account-private-key-file': inDir(layout, 'pki/sa.key'),
      'use-service-account-credentials': true,
    }
  },
  'kube-scheduler': layout => delegating(layout, 'kube-scheduler', 'scheduler.conf'),
  kubelet(layout, { node }) {
    return {
      config: inDir(layout, `kubelet/${node.name}/config.yaml`),
      kubeconfig: kubeconfigFile(layout, 'kubelet.conf', node.name),
      'bootstrap-kubeconfig': layout.bootstrap && inDir(layout, bootstrapFile),
      'hostname-override': node.name,
      'node-ip': node.address,
      'cert-dir': inDir(layout, `kubelet/${node.name}/pki`),
      'root-dir': inDir(layout, `kubelet/${node.name}`),
    }
  },
  'kube-proxy'(layout, { node }) {
    return {
      kubeconfig: kubeconfigFile(layout, 'kube-proxy.conf'),
      'hostname-override': node.name,
      'healthz-bind-address': `${node.address}:${layout.ports['kube-proxy-healthz']}`,
      'metrics-bind-address': `${node.address}:${layout.ports['kube-proxy-metrics']}`,
    }
  },
  'extension-apiserver'(layout) {
    const serving = pairOf(layout, 'extension-apiserver')
    return {
      'bind-address': layout.host,
      'secure-port': layout.ports['extension-apiserver'],
      'tls-cert-file': serving.certificate,
      'tls-private-key-file': serving.key,
      kubeconfig: inDir(layout, measuringKubeconfig),
      'kubelet-certificate-authority': bundleFile(layout, 'monitoring.kubelet'),
      'kubelet-client-certificate': pairOf(layout, 'monitoring').certificate,
      'kubelet-client-key': pairOf(layout, 'monitoring').key,
      'kubelet-preferred-address-types': 'InternalIP',
      'kubelet-use-node-status-port': true,
      'metric-resolution': '15s',
      'client-ca-file': bundleFile(layout, 'extension-apiserver.client-ca'),
      ...requestHeader(layout, 'extension-apiserver.requestheader-client-ca'),
    }
  },
}

/** What the controller-manager and the scheduler have in common. */
function delegating(
  layout: Layout,
  component: 'kube-controller-manager' | 'kube-scheduler',
  kubeconfig: string,
): Flags {
  const file = kubeconfigFile(layout, kubeconfig)
  return {
    'authentication-kubeconfig': file,
    'authorization-kubeconfig': file,
    kubeconfig: file,
    'bind-address': layout.host,
    'secure-port': layout.ports[component],
    'cert-dir': dirname(pairOf(layout, component).certificate),
    'client-ca-file': bundleFile(layout, `${component}.client-ca`),
    'leader-elect': true,
    ...requestHeader(layout, `${component}.requestheader-client-ca`),
  }
}

/** Without a front-proxy CA the header flags mean nothing. */
function requestHeader(layout: Layout, slot: TrustSlot): Flags {
  const file = bundleFile(layout, slot)
  return file ? { 'requestheader-client-ca-file': file, ...requestHeaderFlags(layout) } : {}
}

/** With what was added to it at the end, where the last flag of a name counts. */
export function argvOf(layout: Layout, member: Member): string[] {
  return Object.entries(table[member.component](layout, member))
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `--${name}=${value}`)
    .concat(addedFlags(layout, member.component))
    .concat(member.id === member.component ? [] : addedFlags(layout, member.id))
}

/** Below the state directory: what the extension-apiserver finds nodes and pods with, so that `kubectl top` has figures. */
export const measuringKubeconfig = 'extension-apiserver/measuring.conf'

/** As whom the extension-apiserver measures: with monitoring's certificate, by its files. */
export function measuringConfiguration(layout: Layout): object {
  const { certificate, key } = pairOf(layout, 'monitoring')
  const cluster = {
    server: `https://${layout.host}:${layout.ports['kube-apiserver']}`,
    'certificate-authority': bundleFile(layout, 'kube-controller-manager.root-ca'),
  }
  return {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'kubernetes', cluster }],
    users: [{ name: 'monitoring', user: { 'client-certificate': certificate, 'client-key': key } }],
    contexts: [{ name: 'monitoring@kubernetes', context: { cluster: 'kubernetes', user: 'monitoring' } }],
    'current-context': 'monitoring@kubernetes',
  }
}

/** The KubeletConfiguration that the kubelet's `--config` names: kubeadm's, with what differs on a machine that is many nodes. */
export function kubeletConfiguration(layout: Layout, member: Member): object {
  const serving = pairOf(layout, 'kubelet', member.node.name)
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: member.node.address,
    port: layout.ports.kubelet,
    healthzBindAddress: member.node.address,
    healthzPort: layout.ports['kubelet-healthz'],
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true, cacheTTL: '0s' },
      x509: { clientCAFile: bundleFile(layout, 'kubelet.client-ca') },
    },
    authorization: { mode: 'Webhook' },
    clusterDomain: layout.plan.cluster.dnsDomain,
    rotateCertificates: true,
    ...(layout.bootstrap
      ? { serverTLSBootstrap: true }
      : { tlsCertFile: serving.certificate, tlsPrivateKeyFile: serving.key }),
  }
}
