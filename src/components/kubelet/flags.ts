/** kubelet's flags. Most are deprecated there in favour of the file that --config names, and still work. */
import { commonFlags, type FlagSpec, type FlagValues } from '../flags.ts'
import { accepted, acceptedLogFlags, logFlags } from '../kubernetes-flags.ts'

const kept = [
  { name: 'config', kind: 'string', description: 'a KubeletConfiguration; flags win over it' },
  {
    name: 'kubeconfig',
    kind: 'string',
    description: 'how to reach and log in to kube-apiserver; written by the TLS bootstrap',
  },
  {
    name: 'bootstrap-kubeconfig',
    kind: 'string',
    description: 'used to ask for a client certificate when --kubeconfig has none that is good',
  },
  { name: 'cert-dir', kind: 'string', description: 'where certificates are kept', default: '/var/lib/kubelet/pki' },
  { name: 'root-dir', kind: 'string', description: "kubelet's own files", default: '/var/lib/kubelet' },
  { name: 'hostname-override', kind: 'string', description: "the node's name, instead of the host's" },
  { name: 'node-ip', kind: 'string', description: "the node's address" },
  { name: 'node-labels', kind: 'list', description: 'labels for a node that registers: key=value,…' },
  ...logFlags,
  ...commonFlags,
] as const satisfies readonly FlagSpec[]

/** Each has a field in the configuration file. */
export const deprecated = [
  {
    name: 'address',
    kind: 'string',
    description: 'the address to listen on; 127.0.0.1 when left out (0.0.0.0 in the original)',
  },
  { name: 'port', kind: 'int', description: 'the port to serve HTTPS on (10250); 0: any free one' },
  { name: 'healthz-bind-address', kind: 'string', description: 'the address of the plain health server (127.0.0.1)' },
  { name: 'healthz-port', kind: 'int', description: 'its port (10248); 0: none, unless --healthz-any-port' },
  { name: 'client-ca-file', kind: 'string', description: 'who may sign client certificates' },
  { name: 'tls-cert-file', kind: 'string', description: 'serving certificate; left out: made, and kept in --cert-dir' },
  { name: 'tls-private-key-file', kind: 'string', description: "the serving certificate's key" },
  { name: 'tls-min-version', kind: 'string', description: 'VersionTLS10 to VersionTLS13' },
  { name: 'tls-cipher-suites', kind: 'list', description: 'cipher suites for TLS 1.2, in Go’s names' },
  { name: 'anonymous-auth', kind: 'bool', description: 'whether nobody is system:anonymous, or 401' },
  { name: 'authentication-token-webhook', kind: 'bool', description: 'ask kube-apiserver about bearer tokens' },
  { name: 'authentication-token-webhook-cache-ttl', kind: 'duration', description: 'how long an answer is kept (2m)' },
  { name: 'authorization-mode', kind: 'string', description: 'AlwaysAllow, or Webhook: ask kube-apiserver' },
  { name: 'authorization-webhook-cache-authorized-ttl', kind: 'duration', description: 'how long a yes is kept (5m)' },
  {
    name: 'authorization-webhook-cache-unauthorized-ttl',
    kind: 'duration',
    description: 'how long a no is kept (30s)',
  },
  {
    name: 'rotate-certificates',
    kind: 'bool',
    description: 'ask for a new client certificate when the old one nears its end',
  },
  {
    name: 'rotate-server-certificates',
    kind: 'bool',
    description: 'ask for a serving certificate, too (serverTLSBootstrap)',
  },
  { name: 'register-node', kind: 'bool', description: 'register with kube-apiserver (true)' },
  { name: 'register-schedulable', kind: 'bool', description: 'register the node as schedulable (true)' },
  { name: 'max-pods', kind: 'int', description: 'how many pods the node takes (110)' },
  { name: 'pod-cidr', kind: 'string', description: "where pods' addresses come from" },
  { name: 'node-status-update-frequency', kind: 'duration', description: 'how often the node looks at itself (10s)' },
] as const satisfies readonly FlagSpec[]

const own = [...kept, ...deprecated] as const

export type Values = FlagValues<typeof own>

export const flags: readonly FlagSpec[] = [
  ...own,
  ...acceptedLogFlags,
  ...accepted(
    'string',
    `
    runtime-request-timeout image-credential-provider-bin-dir image-credential-provider-config cgroup-driver cgroup-root
    cluster-domain container-runtime container-runtime-endpoint containerd containerd-namespace cpu-manager-policy
    image-service-endpoint kube-api-qps kube-api-content-type kubelet-cgroups lock-file memory-manager-policy pod-infra-container-image
    pod-manifest-path provider-id resolv-conf runtime-cgroups seccomp-default system-cgroups topology-manager-policy
    topology-manager-scope volume-plugin-dir cloud-provider cloud-config config-dir eviction-hard eviction-soft`,
  ),
  ...accepted(
    'int',
    `
    event-burst event-qps image-gc-high-threshold image-gc-low-threshold kube-api-burst max-open-files oom-score-adj pods-per-core
    read-only-port registry-burst registry-qps container-log-max-files maximum-dead-containers node-status-max-images`,
  ),
  ...accepted(
    'bool',
    `
    cgroups-per-qos contention-profiling enable-controller-attach-detach enable-debugging-handlers enable-server exit-on-lock-contention
    fail-swap-on local-storage-capacity-isolation make-iptables-util-chains protect-kernel-defaults runonce serialize-image-pulls
    kernel-memcg-notification`,
  ),
  ...accepted(
    'duration',
    `
    file-check-frequency http-check-frequency minimum-image-ttl-duration sync-frequency streaming-connection-idle-timeout
    volume-stats-agg-period eviction-pressure-transition-period housekeeping-interval`,
  ),
  ...accepted(
    'list',
    'cluster-dns enforce-node-allocatable feature-gates kube-reserved system-reserved register-with-taints allowed-unsafe-sysctls',
  ),
]
