/** Flags that the Kubernetes binaries share (k8s.io/apiserver/pkg/server/options, component-base), by their sections. */
import type { FlagKind, FlagSpec } from './flags.ts'

/** Flags that the original has and that change nothing here. */
export const accepted = (kind: FlagKind, names: string): FlagSpec[] =>
  names
    .trim()
    .split(/\s+/)
    .map(name => ({ name, kind, description: "see the original's --help", acted: false }))

export const logFlags = [{ name: 'v', kind: 'int', description: 'log verbosity', default: '0' }] as const

export const acceptedLogFlags: readonly FlagSpec[] = [
  ...accepted(
    'string',
    'logging-format vmodule log-dir log-file log-backtrace-at stderrthreshold log-json-info-buffer-size log-text-info-buffer-size',
  ),
  ...accepted(
    'bool',
    'log-json-split-stream log-text-split-stream logtostderr alsologtostderr add-dir-header skip-headers one-output',
  ),
  ...accepted('duration', 'log-flush-frequency'),
]

/** SecureServingOptions, without the port, whose default differs. */
export const servingFlags = [
  {
    name: 'bind-address',
    kind: 'string',
    description: 'the address to listen on (0.0.0.0 in the original)',
    default: '127.0.0.1',
  },
  {
    name: 'cert-dir',
    kind: 'string',
    description: 'where the serving pair is when --tls-cert-file is not given; one that is missing is made',
  },
  { name: 'tls-cert-file', kind: 'string', description: 'serving certificate, with intermediates after it' },
  { name: 'tls-private-key-file', kind: 'string', description: "the serving certificate's key" },
  {
    name: 'tls-sni-cert-key',
    kind: 'repeated',
    description: 'a certificate and key, for the names in it or for these: cert,key[:name,…]',
  },
  { name: 'tls-cipher-suites', kind: 'list', description: 'cipher suites for TLS 1.2, in Go’s names' },
  { name: 'tls-min-version', kind: 'string', description: 'VersionTLS10 to VersionTLS13', default: 'VersionTLS12' },
] as const satisfies readonly FlagSpec[]

export const acceptedServingFlags: readonly FlagSpec[] = [
  ...accepted('list', 'tls-curve-preferences'),
  ...accepted(
    'bool',
    'permit-address-sharing permit-port-sharing profiling contention-profiling disable-http2-serving',
  ),
  ...accepted('int', 'http2-max-streams-per-connection'),
  ...accepted('list', 'feature-gates disabled-metrics allow-metric-labels emulated-version'),
  ...accepted('string', 'show-hidden-metrics-for-version allow-metric-labels-manifest'),
]

/** DelegatingAuthenticationOptions and DelegatingAuthorizationOptions. */
export const delegationFlags = [
  {
    name: 'authentication-kubeconfig',
    kind: 'string',
    description: 'who may create tokenreviews; left out: tokens are not looked at',
  },
  {
    name: 'authentication-skip-lookup',
    kind: 'bool',
    description: 'do not look up what is missing here in kube-system/extension-apiserver-authentication',
    default: 'false',
  },
  {
    name: 'authentication-token-webhook-cache-ttl',
    kind: 'duration',
    description: 'how long an answer about a token is kept',
    default: '10s',
  },
  { name: 'client-ca-file', kind: 'string', description: 'who may sign client certificates' },
  { name: 'requestheader-client-ca-file', kind: 'string', description: 'who may sign the front proxy’s certificate' },
  { name: 'requestheader-allowed-names', kind: 'list', description: 'CNs of the front proxy; empty: any', default: '' },
  {
    name: 'requestheader-username-headers',
    kind: 'list',
    description: 'headers with the user’s name',
    default: 'x-remote-user',
  },
  { name: 'requestheader-uid-headers', kind: 'list', description: 'headers with the user’s uid', default: '' },
  {
    name: 'requestheader-group-headers',
    kind: 'list',
    description: 'headers with the user’s groups',
    default: 'x-remote-group',
  },
  {
    name: 'requestheader-extra-headers-prefix',
    kind: 'list',
    description: 'prefixes of headers with more about the user',
    default: 'x-remote-extra-',
  },
  { name: 'authorization-kubeconfig', kind: 'string', description: 'who may create subjectaccessreviews' },
  {
    name: 'authorization-always-allow-paths',
    kind: 'list',
    description: 'paths that need no authorization',
    default: '/healthz,/readyz,/livez',
  },
  {
    name: 'authorization-webhook-cache-authorized-ttl',
    kind: 'duration',
    description: 'how long a yes is kept',
    default: '10s',
  },
  {
    name: 'authorization-webhook-cache-unauthorized-ttl',
    kind: 'duration',
    description: 'how long a no is kept',
    default: '10s',
  },
] as const satisfies readonly FlagSpec[]

export const acceptedDelegationFlags: readonly FlagSpec[] = accepted('bool', 'authentication-tolerate-lookup-failure')

/** componentbaseconfig LeaderElectionConfiguration; the lock's name has a default of its own in each. */
export const leaderElectionFlags = [
  { name: 'leader-elect', kind: 'bool', description: 'work only while holding the lease', default: 'true' },
  {
    name: 'leader-elect-lease-duration',
    kind: 'duration',
    description: 'after this long without a renewal somebody else may take it',
    default: '15s',
  },
  {
    name: 'leader-elect-renew-deadline',
    kind: 'duration',
    description: 'a leader that cannot renew for this long gives up',
    default: '10s',
  },
  { name: 'leader-elect-retry-period', kind: 'duration', description: 'between two tries', default: '2s' },
  {
    name: 'leader-elect-resource-namespace',
    kind: 'string',
    description: 'where the lease is',
    default: 'kube-system',
  },
] as const satisfies readonly FlagSpec[]

export const acceptedLeaderElectionFlags: readonly FlagSpec[] = accepted('string', 'leader-elect-resource-lock')

/** ClientConnectionConfiguration. */
export const clientFlags = [
  { name: 'kubeconfig', kind: 'string', description: 'how to reach and log in to kube-apiserver' },
  { name: 'master', kind: 'string', description: 'the address of kube-apiserver, instead of the kubeconfig’s' },
] as const satisfies readonly FlagSpec[]

export const acceptedClientFlags: readonly FlagSpec[] = [
  ...accepted('int', 'kube-api-burst'),
  ...accepted('string', 'kube-api-qps kube-api-content-type'),
]
