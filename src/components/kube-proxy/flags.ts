/** kube-proxy's flags. */
import { commonFlags, type FlagSpec, type FlagValues } from '../flags.ts'
import { accepted, acceptedClientFlags, acceptedLogFlags, clientFlags, logFlags } from '../kubernetes-flags.ts'

const own = [
  {
    name: 'config',
    kind: 'string',
    description: 'a KubeProxyConfiguration; what it says stands before the flags, as in the original',
  },
  { name: 'hostname-override', kind: 'string', description: "the node's name, instead of the machine's" },
  // The original's default is 0.0.0.0:10256.
  { name: 'healthz-bind-address', kind: 'string', description: 'plain HTTP /healthz', default: '127.0.0.1:10256' },
  { name: 'metrics-bind-address', kind: 'string', description: 'plain HTTP /metrics', default: '127.0.0.1:10249' },
  {
    name: 'proxy-mode',
    kind: 'string',
    description: 'what /proxyMode says: iptables, nftables, ipvs',
    default: 'iptables',
  },
  ...clientFlags,
  ...logFlags,
  ...commonFlags,
] as const satisfies readonly FlagSpec[]

export type Values = FlagValues<typeof own>

export const flags: readonly FlagSpec[] = [
  ...own,
  ...acceptedClientFlags,
  ...acceptedLogFlags,
  ...accepted(
    'string',
    'bind-address cluster-cidr detect-local-mode ipvs-scheduler pod-bridge-interface pod-interface-name-prefix proxy-port-range write-config-to show-hidden-metrics-for-version',
  ),
  ...accepted(
    'duration',
    'config-sync-period conntrack-tcp-timeout-close-wait conntrack-tcp-timeout-established iptables-min-sync-period iptables-sync-period ipvs-min-sync-period ipvs-sync-period ipvs-tcp-timeout ipvs-tcpfin-timeout ipvs-udp-timeout',
  ),
  ...accepted('int', 'conntrack-max-per-core conntrack-min iptables-masquerade-bit oom-score-adj'),
  ...accepted(
    'bool',
    'cleanup init-only masquerade-all profiling bind-address-hard-fail ipvs-strict-arp iptables-localhost-nodeports',
  ),
  ...accepted('list', 'feature-gates nodeport-addresses ipvs-exclude-cidrs'),
]
