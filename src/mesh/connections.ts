/**
 * The connection table: a row for each way one component dials another. Prediction, probes, status, explanations, scenarios and
 * the documents are read from it. `from` and `to` are the names in every handshake record.
 */

/** What a row's end shows or checks with, and the flag that decides it. */
export interface Decided {
  /** In the PKI plan: a certificate, a kubeconfig, or a trust slot. */
  name: string
  /** `kube-apiserver --client-ca-file`; in a failure it is printed with its file: `decided by kube-apiserver --client-ca-file=pki/ca.crt`. */
  flag: string
}

/** Where the original of the server listens: a key of `ports.ts`. */
export type PortName =
  | 'etcd'
  | 'etcd-peer'
  | 'kube-apiserver'
  | 'kubelet'
  | 'kube-controller-manager'
  | 'kube-scheduler'
  | 'extension-apiserver'

interface ProbeRequest {
  method: 'GET' | 'POST'
  /** `{node}` is the first node's name. */
  path: string
  headers?: Record<string, string>
  body?: string
}

export interface Connection {
  from: string
  to: string
  port: PortName
  /** Of several members of etcd: who dials, and who is dialled (`member-rows.ts`). */
  clientMember?: string
  serverMember?: string
  /** Left out: the client has none to present. */
  clientCertificate?: Decided
  /** What the server checks the client with; left out: it asks for no certificate. */
  serverTrust?: Decided
  serverCertificate: Decided
  /** What the client checks the server with; left out: it does not check (etcd's gateway, which dials itself). */
  clientTrust?: Decided
  /** The name that the client looks for in the server's certificate: the host that it dials, or this. */
  serverName?: string
  /** How a bad client certificate is refused; left out: none is asked for. */
  refusal?: 'tls' | '401'
  /** The server believes X-Remote-* headers from these clients only: `--requestheader-allowed-names`. */
  frontProxy?: boolean
  /** Who may make the probe's request, after the bootstrap policy; left out: nothing but authentication stands in the way. */
  allowed?: { users?: readonly string[]; groups?: readonly string[]; userPrefix?: string }
  /** What people notice when this connection is refused. */
  notice: string
  /** Harmless, and it needs what the component itself needs. */
  request: ProbeRequest
}

const toApiserver = {
  to: 'kube-apiserver',
  port: 'kube-apiserver',
  serverTrust: { name: 'kube-apiserver.client-ca', flag: 'kube-apiserver --client-ca-file' },
  serverCertificate: { name: 'apiserver', flag: 'kube-apiserver --tls-cert-file' },
  refusal: '401',
} as const

const toEtcd = {
  to: 'etcd',
  port: 'etcd',
  serverTrust: { name: 'etcd.trusted-ca', flag: 'etcd --trusted-ca-file' },
  serverCertificate: { name: 'etcd-server', flag: 'etcd --cert-file' },
  refusal: 'tls',
} as const

const toKubelet = {
  to: 'kubelet',
  port: 'kubelet',
  serverTrust: { name: 'kubelet.client-ca', flag: 'kubelet --config (authentication.x509.clientCAFile)' },
  serverCertificate: { name: 'kubelet', flag: 'kubelet --config (tlsCertFile)' },
  refusal: '401',
} as const

const byKubeconfig = (component: string, kubeconfig: string) => ({
  clientCertificate: { name: kubeconfig, flag: `${component} --kubeconfig` },
  clientTrust: { name: kubeconfig, flag: `${component} --kubeconfig` },
})

const monitoring = { name: 'monitoring', flag: 'monitoring --cert' }

const table = [
  {
    from: 'kubectl',
    ...toApiserver,
    ...byKubeconfig('kubectl', 'admin.conf'),
    allowed: { groups: ['system:masters', 'kubeadm:cluster-admins'] },
    notice: 'kubectl answers nothing: nobody can look or change anything',
    request: { method: 'GET', path: '/api/v1/nodes?limit=1' },
  },
  {
    from: 'kube-scheduler',
    ...toApiserver,
    ...byKubeconfig('kube-scheduler', 'scheduler.conf'),
    // every component may read nodes: by its own role, or as the Node authorizer sees it
    allowed: {
      users: ['system:kube-scheduler', 'system:kube-controller-manager', 'system:kube-proxy'],
      userPrefix: 'system:node:',
      groups: ['system:node-proxier', 'system:masters', 'kubeadm:cluster-admins'],
    },
    notice: 'new pods stay Pending: nobody gives them a node',
    request: { method: 'GET', path: '/api/v1/nodes?limit=1' },
  },
  {
    from: 'kube-controller-manager',
    ...toApiserver,
    ...byKubeconfig('kube-controller-manager', 'controller-manager.conf'),
    allowed: { users: ['system:kube-controller-manager'], groups: ['system:masters', 'kubeadm:cluster-admins'] },
    notice: 'Deployments make no pods, CSRs are not signed, dead nodes stay Ready',
    request: { method: 'GET', path: '/api/v1/serviceaccounts?limit=1' },
  },
  {
    from: 'kubelet',
    ...toApiserver,
    ...byKubeconfig('kubelet', 'kubelet.conf'),
    allowed: { userPrefix: 'system:node:', groups: ['system:masters', 'kubeadm:cluster-admins'] },
    notice: 'the node turns NotReady, and its pods are not started, stopped or reported any more',
    request: { method: 'GET', path: '/api/v1/nodes/{node}' },
  },
  {
    from: 'kube-proxy',
    ...toApiserver,
    ...byKubeconfig('kube-proxy', 'kube-proxy.conf'),
    allowed: {
      users: ['system:kube-proxy', 'system:kube-controller-manager'],
      groups: ['system:node-proxier', 'system:masters', 'kubeadm:cluster-admins'],
    },
    notice: 'Services keep sending traffic to pods that are gone',
    request: { method: 'GET', path: '/apis/discovery.k8s.io/v1/endpointslices?limit=1' },
  },
  {
    from: 'kube-apiserver',
    ...toEtcd,
    clientCertificate: { name: 'apiserver-etcd-client', flag: 'kube-apiserver --etcd-certfile' },
    clientTrust: { name: 'kube-apiserver.etcd-cafile', flag: 'kube-apiserver --etcd-cafile' },
    notice: 'the apiserver has no storage: it does not become ready, and every request for an object fails',
    // what the original's own health check reads
    request: { method: 'POST', path: '/v3/kv/range', body: JSON.stringify({ key: base64('/registry/health') }) },
  },
  {
    from: 'etcd-healthcheck',
    ...toEtcd,
    clientCertificate: { name: 'etcd-healthcheck-client', flag: 'etcdctl --cert' },
    clientTrust: { name: 'etcd-healthcheck.cacert', flag: 'etcdctl --cacert' },
    notice: "etcd's liveness probe fails: the kubelet restarts etcd again and again",
    request: { method: 'GET', path: '/health' },
  },
  {
    from: 'etcd-gateway',
    ...toEtcd,
    clientCertificate: { name: 'etcd-server', flag: 'etcd --cert-file' },
    // etcd's embed/serve.go: `trust local server`, InsecureSkipVerify
    notice: "etcd's JSON gateway answers 503, and its log fills with `rejected connection` from 127.0.0.1",
    request: { method: 'GET', path: '/health' },
  },
  {
    from: 'etcd-peer',
    to: 'etcd-peer',
    port: 'etcd-peer',
    clientCertificate: { name: 'etcd-peer', flag: 'etcd --peer-cert-file' },
    serverTrust: { name: 'etcd.peer-trusted-ca', flag: 'etcd --peer-trusted-ca-file' },
    serverCertificate: { name: 'etcd-peer', flag: 'etcd --peer-cert-file' },
    clientTrust: { name: 'etcd.peer-trusted-ca', flag: 'etcd --peer-trusted-ca-file' },
    refusal: 'tls',
    notice: 'members do not find each other: no quorum, no writes',
    request: { method: 'GET', path: '/version' },
  },
  {
    from: 'kube-apiserver',
    ...toKubelet,
    clientCertificate: { name: 'apiserver-kubelet-client', flag: 'kube-apiserver --kubelet-client-certificate' },
    clientTrust: {
      name: 'kube-apiserver.kubelet-certificate-authority',
      flag: 'kube-apiserver --kubelet-certificate-authority',
    },
    allowed: {
      users: ['kube-apiserver-kubelet-client'],
      groups: ['system:masters', 'kubeadm:cluster-admins'],
    },
    notice: '`kubectl logs`, `exec` and `port-forward` fail, while `kubectl get` works',
    request: { method: 'GET', path: '/pods' },
  },
  {
    from: 'kube-apiserver',
    to: 'extension-apiserver',
    port: 'extension-apiserver',
    clientCertificate: { name: 'front-proxy-client', flag: 'kube-apiserver --proxy-client-cert-file' },
    serverTrust: {
      name: 'extension-apiserver.requestheader-client-ca',
      flag: 'extension-apiserver --requestheader-client-ca-file',
    },
    serverCertificate: { name: 'extension-apiserver', flag: 'extension-apiserver --tls-cert-file' },
    clientTrust: { name: 'kube-apiserver.extension-ca-bundle', flag: 'APIService spec.caBundle' },
    serverName: 'extension-apiserver.kube-system.svc',
    refusal: '401',
    frontProxy: true,
    notice: 'the APIService is unavailable: `kubectl top` and every `kubectl api-resources` complain',
    // as kube-apiserver's availability controller asks
    request: {
      method: 'GET',
      path: '/apis/metrics.k8s.io/v1beta1',
      headers: { 'X-Remote-User': 'system:kube-aggregator', 'X-Remote-Group': 'system:masters' },
    },
  },
  {
    from: 'kube-apiserver',
    to: 'webhook',
    port: 'extension-apiserver',
    serverCertificate: { name: 'extension-apiserver', flag: 'extension-apiserver --tls-cert-file' },
    clientTrust: {
      name: 'kube-apiserver.extension-ca-bundle',
      flag: 'ValidatingWebhookConfiguration clientConfig.caBundle',
    },
    serverName: 'extension-apiserver.kube-system.svc',
    notice: 'creating what the webhook looks at fails with `failed calling webhook` (500)',
    request: {
      method: 'POST',
      path: '/validate',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        apiVersion: 'admission.k8s.io/v1',
        kind: 'AdmissionReview',
        request: { uid: 'probe', object: {} },
      }),
    },
  },
  {
    from: 'monitoring',
    to: 'kube-controller-manager',
    port: 'kube-controller-manager',
    clientCertificate: monitoring,
    serverTrust: { name: 'kube-controller-manager.client-ca', flag: 'kube-controller-manager --client-ca-file' },
    serverCertificate: { name: 'kube-controller-manager', flag: 'kube-controller-manager --cert-dir' },
    clientTrust: { name: 'monitoring.kube-controller-manager', flag: 'monitoring --cacert' },
    refusal: '401',
    notice: 'no metrics of the controller-manager: dashboards stay empty',
    request: { method: 'GET', path: '/healthz' },
  },
  {
    from: 'monitoring',
    to: 'kube-scheduler',
    port: 'kube-scheduler',
    clientCertificate: monitoring,
    serverTrust: { name: 'kube-scheduler.client-ca', flag: 'kube-scheduler --client-ca-file' },
    serverCertificate: { name: 'kube-scheduler', flag: 'kube-scheduler --cert-dir' },
    clientTrust: { name: 'monitoring.kube-scheduler', flag: 'monitoring --cacert' },
    refusal: '401',
    notice: 'no metrics of the scheduler: dashboards stay empty',
    request: { method: 'GET', path: '/healthz' },
  },
  {
    from: 'monitoring',
    ...toKubelet,
    clientCertificate: monitoring,
    clientTrust: { name: 'monitoring.kubelet', flag: 'monitoring --cacert' },
    allowed: {
      users: ['kube-apiserver-kubelet-client'],
      groups: ['system:monitoring', 'system:masters', 'kubeadm:cluster-admins'],
    },
    notice: '`kubectl top` and dashboards show nothing for the node',
    request: { method: 'GET', path: '/metrics' },
  },
] as const satisfies readonly Connection[]

export const connections: readonly Connection[] = table

type Row = (typeof table)[number]
/** Who dials. */
export type Dialling = Row['from']
/** Whom it dials. */
export type DialledBy<From extends Dialling> = Extract<Row, { from: From }>['to']

/** `kube-apiserver -> etcd`: how scenarios, commands and errors name a row. */
export const connectionName = (connection: { from: string; to: string }): string =>
  `${connection.from} -> ${connection.to}`

export const connectionNames: readonly string[] = connections.map(connectionName)

export const findConnection = (from: string, to: string): Connection | undefined =>
  connections.find(connection => connection.from === from && connection.to === to)

/** Names in the table that are part of another component. */
const partOf: Readonly<Record<string, string>> = {
  'etcd-gateway': 'etcd',
  'etcd-peer': 'etcd',
  webhook: 'extension-apiserver',
}

/** The component of the mesh behind an end of a row; a program's own name. */
export function componentOf(end: string): string {
  const [name = '', at] = end.split('@')
  return [partOf[name] ?? name, ...(at ? [at] : [])].join('@')
}

/** Who shows this certificate or kubeconfig, at either end. */
export function usersOf(certificate: string): string[] {
  const users = connections.flatMap(row => [
    ...(row.clientCertificate?.name === certificate ? [row.from] : []),
    ...(row.serverCertificate.name === certificate ? [row.to] : []),
  ])
  return [...new Set(users)]
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}
