/**
 * When each component reads its certificate files again: a row a flag, as the original does it (the `source` says where it was read).
 * `trustplane status --drift`, `pki renew` and docs/rereading.md are made of it; test/mesh/drift.test.ts holds the stand-ins to it.
 */
import type { ComponentName } from '#components/component.ts'
import type { End, LoadedFile, Reload } from '#tls/types.ts'

/** `use`: whenever it is needed (a token is signed, a CSR comes). */
type Policy = Reload | 'connection'

interface PolicyWords {
  when: string
  /** Of a file that is newer on disk. */
  outlook: 'by itself' | 'restart'
  /** What becomes of a new file that is no good. */
  bad: string
}

export const policies: Readonly<Record<Policy, PolicyWords>> = {
  start: {
    when: 'at start only',
    outlook: 'restart',
    bad: 'not noticed; the next start fails',
  },
  watch: {
    when: 'when it changes (fsnotify), and every minute',
    outlook: 'by itself',
    bad: 'the old one is kept, and the log says `key failed with : …`',
  },
  handshake: {
    when: 'for every handshake',
    outlook: 'by itself',
    bad: 'handshakes fail until it is mended; connections that are open go on',
  },
  'client-go': {
    when: 'for every handshake, and every 5 minutes, when open connections are ended',
    outlook: 'by itself',
    bad: 'new connections fail until it is mended; connections that are open go on',
  },
  connection: {
    when: 'for every connection',
    outlook: 'by itself',
    bad: 'nobody is let in until it is mended',
  },
}

export interface ReloadRow {
  component: ComponentName
  /** As on the command line; of the kubelet, the field of its `--config` file. */
  flag: string
  holds: string
  policy: Policy
  /** How the component tells that it loaded the file; left out: it does not tell, and the file's time is compared with the process's. */
  told?: { end: End; to: string; use: LoadedFile['use'] }
  /** What the original logs when it took a new file, when it says anything. */
  log?: string
  source: string
}

const server = (to: string, use: LoadedFile['use']) => ({ end: 'server', to, use }) as const
const client = (to: string, use: LoadedFile['use']) => ({ end: 'client', to, use }) as const

const pairLoaded = 'Loaded a new cert/key pair'
const bundleLoaded = 'Loaded a new CA Bundle and Verifier'
const rotated = 'Certificate rotation detected, shutting down client connections to start using new credentials'

const dynamicServing = 'k8s.io/apiserver/pkg/server/dynamiccertificates/dynamic_serving_content.go'
const dynamicCa = 'k8s.io/apiserver/pkg/server/dynamiccertificates/dynamic_cafile_content.go'
const etcdTls = 'etcd client/pkg/transport/listener.go'
const certRotation = 'k8s.io/client-go/transport/cert_rotation.go'
const embedded = 'k8s.io/client-go/tools/clientcmd: *-data is read with the kubeconfig'

/** A kubeconfig with embedded certificates, as kubeadm writes them: certificate and CA. */
const kubeconfig = (component: ComponentName, flag: string, to = 'kube-apiserver'): readonly ReloadRow[] => [
  {
    component,
    flag,
    holds: 'embedded client certificate',
    policy: 'start',
    told: client(to, 'certificate'),
    source: embedded,
  },
  { component, flag, holds: 'embedded CA', policy: 'start', told: client(to, 'trust'), source: embedded },
]

/** What the scheduler, the controller-manager and aggregated servers serve with. */
const serving = (component: ComponentName, flag: string): readonly ReloadRow[] => [
  {
    component,
    flag,
    holds: 'serving certificate and key',
    policy: 'watch',
    told: server(component, 'certificate'),
    log: pairLoaded,
    source: dynamicServing,
  },
  {
    component,
    flag: '--client-ca-file',
    holds: 'CA of client certificates',
    policy: 'watch',
    told: server(component, 'trust'),
    log: bundleLoaded,
    source: dynamicCa,
  },
  {
    component,
    flag: '--requestheader-client-ca-file',
    holds: 'CA of the front proxy',
    policy: 'watch',
    told: server(component, 'trust'),
    log: bundleLoaded,
    source: dynamicCa,
  },
]

export const reloadTable: readonly ReloadRow[] = [
  {
    component: 'etcd',
    flag: '--cert-file',
    holds: 'serving certificate and key',
    policy: 'handshake',
    told: server('etcd', 'certificate'),
    source: `${etcdTls}: GetCertificate`,
  },
  {
    component: 'etcd',
    flag: '--trusted-ca-file',
    holds: 'CA of clients',
    policy: 'start',
    told: server('etcd', 'trust'),
    source: `${etcdTls}: ServerConfig (etcd-io/etcd#11555)`,
  },
  {
    component: 'etcd',
    flag: '--peer-cert-file',
    holds: 'certificate and key between members, at both ends',
    policy: 'handshake',
    told: server('etcd-peer', 'certificate'),
    source: `${etcdTls}: GetCertificate, GetClientCertificate`,
  },
  {
    component: 'etcd',
    flag: '--peer-trusted-ca-file',
    holds: 'CA of members, at both ends',
    policy: 'start',
    told: server('etcd-peer', 'trust'),
    source: `${etcdTls}: ServerConfig, ClientConfig`,
  },
  ...['--client-crl-file', '--peer-crl-file'].map(
    (flag): ReloadRow => ({
      component: 'etcd',
      flag,
      holds: 'revoked certificates',
      policy: 'connection',
      source: 'etcd client/pkg/transport/listener_tls.go: checkCRL',
    }),
  ),
  ...serving('kube-apiserver', '--tls-cert-file'),
  {
    component: 'kube-apiserver',
    flag: '--etcd-certfile',
    holds: 'client certificate and key for etcd',
    policy: 'handshake',
    told: client('etcd', 'certificate'),
    source: `${etcdTls}: GetClientCertificate`,
  },
  {
    component: 'kube-apiserver',
    flag: '--etcd-cafile',
    holds: 'CA of etcd',
    policy: 'start',
    told: client('etcd', 'trust'),
    source: `${etcdTls}: ClientConfig`,
  },
  {
    component: 'kube-apiserver',
    flag: '--kubelet-client-certificate',
    holds: 'client certificate and key for kubelets',
    policy: 'client-go',
    told: client('kubelet', 'certificate'),
    log: rotated,
    source: `pkg/kubelet/client/kubelet_client.go: ReloadTLSFiles; ${certRotation}`,
  },
  {
    component: 'kube-apiserver',
    flag: '--kubelet-certificate-authority',
    holds: 'CA of kubelets',
    policy: 'start',
    told: client('kubelet', 'trust'),
    source: 'k8s.io/client-go/transport/transport.go (a newer client-go has ca_rotation.go)',
  },
  {
    component: 'kube-apiserver',
    flag: '--proxy-client-cert-file',
    holds: 'the front proxy’s certificate and key',
    policy: 'watch',
    told: client('extension-apiserver', 'certificate'),
    log: pairLoaded,
    source: dynamicServing,
  },
  ...['--service-account-key-file', '--service-account-signing-key-file'].map(
    (flag): ReloadRow => ({
      component: 'kube-apiserver',
      flag,
      holds: flag.includes('signing') ? 'key that signs tokens' : 'keys that tokens are checked with',
      policy: 'start',
      source: 'pkg/kubeapiserver/options/authentication.go, pkg/controlplane/apiserver/options',
    }),
  ),
  ...kubeconfig('kube-controller-manager', '--kubeconfig'),
  ...serving('kube-controller-manager', '--tls-cert-file'),
  {
    component: 'kube-controller-manager',
    flag: '--cluster-signing-cert-file',
    holds: 'CA certificate and key that sign CSRs',
    policy: 'watch',
    source: 'pkg/controller/certificates/signer/signer.go: NewDynamicServingContentFromFiles',
  },
  {
    component: 'kube-controller-manager',
    flag: '--root-ca-file',
    holds: 'what pods get as ca.crt',
    policy: 'start',
    source: 'cmd/kube-controller-manager/app/core.go: startRootCACertificatePublisherController',
  },
  {
    component: 'kube-controller-manager',
    flag: '--service-account-private-key-file',
    holds: 'key that signs tokens',
    policy: 'start',
    source: 'cmd/kube-controller-manager/app/controllermanager.go',
  },
  ...kubeconfig('kube-scheduler', '--kubeconfig'),
  ...serving('kube-scheduler', '--tls-cert-file'),
  ...kubeconfig('kubelet', '--kubeconfig'),
  {
    component: 'kubelet',
    flag: '--config (tlsCertFile)',
    holds: 'serving certificate and key',
    policy: 'watch',
    told: server('kubelet', 'certificate'),
    log: pairLoaded,
    source: 'pkg/kubelet/kubelet.go: ReloadKubeletServerCertificateFile (1.31; before: at start only)',
  },
  {
    component: 'kubelet',
    flag: '--config (authentication.x509.clientCAFile)',
    holds: 'CA of client certificates',
    policy: 'watch',
    told: server('kubelet', 'trust'),
    log: bundleLoaded,
    source: `cmd/kubelet/app/auth.go; ${dynamicCa}`,
  },
  ...kubeconfig('kube-proxy', '--kubeconfig'),
  ...serving('extension-apiserver', '--tls-cert-file'),
  {
    component: 'extension-apiserver',
    flag: '--kubeconfig',
    holds: 'client certificate in a file',
    policy: 'client-go',
    told: client('kube-apiserver', 'certificate'),
    log: rotated,
    source: certRotation,
  },
  {
    component: 'extension-apiserver',
    flag: '--kubeconfig',
    holds: 'CA in a file',
    policy: 'start',
    told: client('kube-apiserver', 'trust'),
    source: 'k8s.io/client-go/transport/transport.go',
  },
  {
    component: 'extension-apiserver',
    flag: '--kubelet-client-certificate',
    holds: 'client certificate and key for kubelets',
    policy: 'client-go',
    told: client('kubelet', 'certificate'),
    log: rotated,
    source: certRotation,
  },
  {
    component: 'extension-apiserver',
    flag: '--kubelet-certificate-authority',
    holds: 'CA of kubelets',
    policy: 'start',
    told: client('kubelet', 'trust'),
    source: 'k8s.io/client-go/transport/transport.go',
  },
]

/** etcd's gateway dials its own server; its peers dial each other: with the files of the listener. */
const sameAs: Readonly<Record<string, End>> = { 'etcd client etcd': 'server', 'etcd-peer client etcd-peer': 'server' }

/**
 * The row of what a component told. Two bundles of one server are told apart by its command line.
 * @param argv of the component, when it is known
 */
export function reloadRowOf(
  { component, end, to, use, file }: Pick<LoadedFile, 'component' | 'end' | 'to' | 'use' | 'file'>,
  argv: readonly string[] = [],
): ReloadRow | undefined {
  const name = component === 'etcd-peer' ? 'etcd' : component
  const asIf = sameAs[`${component} ${end} ${to}`] ?? end
  // whichever aggregated API or webhook it is for
  const rows = reloadTable.filter(
    row => row.component === name && row.told?.end === asIf && row.told.to === to && row.told.use === use,
  )
  return rows.find(({ flag }) => argv.includes(`${flag}=${file}`)) ?? rows[0]
}
