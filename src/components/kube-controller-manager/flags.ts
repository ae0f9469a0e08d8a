/** kube-controller-manager's flags. */
import { commonFlags, type FlagSpec, type FlagValues } from '../flags.ts'
import {
  accepted,
  acceptedClientFlags,
  acceptedDelegationFlags,
  acceptedLeaderElectionFlags,
  acceptedLogFlags,
  acceptedServingFlags,
  clientFlags,
  delegationFlags,
  leaderElectionFlags,
  logFlags,
  servingFlags,
} from '../kubernetes-flags.ts'

/** A CA for one signer only. */
const signerFile = <const S extends string, const F extends 'cert' | 'key'>(signer: S, file: F) =>
  ({
    name: `cluster-signing-${signer}-${file}-file`,
    kind: 'string',
    description: `the ${file === 'cert' ? 'CA' : "CA's key"} for this signer, instead of --cluster-signing-${file}-file`,
  }) as const

const signerFlags = [
  signerFile('kubelet-serving', 'cert'),
  signerFile('kubelet-serving', 'key'),
  signerFile('kubelet-client', 'cert'),
  signerFile('kubelet-client', 'key'),
  signerFile('kube-apiserver-client', 'cert'),
  signerFile('kube-apiserver-client', 'key'),
  signerFile('legacy-unknown', 'cert'),
  signerFile('legacy-unknown', 'key'),
] as const

const own = [
  { name: 'secure-port', kind: 'int', description: 'the port to serve HTTPS on; 0: any free one', default: '10257' },
  {
    name: 'controllers',
    kind: 'list',
    description: "which controllers run: '*' all that are on by default, 'foo' that one, '-foo' not that one",
    default: '*',
  },
  { name: 'cluster-signing-cert-file', kind: 'string', description: 'the CA that signs CSRs: exactly one certificate' },
  { name: 'cluster-signing-key-file', kind: 'string', description: "the signing CA's key" },
  {
    name: 'cluster-signing-duration',
    kind: 'duration',
    description: 'the longest life of a certificate that is signed; a CSR may ask for a shorter one',
    default: '8760h',
  },
  {
    name: 'cluster-signing-backdate',
    kind: 'duration',
    description: 'how long ago signed certificates begin; five minutes are most of a life that is short',
    default: '5m',
    ours: true,
  },
  {
    name: 'approve-kubelet-serving',
    kind: 'bool',
    description: "approve kubelets' requests for serving certificates that name nothing but their own node",
    default: 'false',
    ours: true,
  },
  ...signerFlags,
  { name: 'root-ca-file', kind: 'string', description: 'what pods are given as ca.crt (kube-root-ca.crt)' },
  {
    name: 'service-account-private-key-file',
    kind: 'string',
    description: 'the key for tokens kept in secrets; kube-apiserver signs the others',
  },
  {
    name: 'use-service-account-credentials',
    kind: 'bool',
    description: 'each controller speaks as its own service account',
    default: 'false',
  },
  {
    name: 'node-monitor-period',
    kind: 'duration',
    description: "how often nodes' heartbeats are looked at",
    default: '5s',
  },
  {
    name: 'node-monitor-grace-period',
    kind: 'duration',
    description: 'a node that is silent for this long is not ready',
    default: '50s',
  },
  {
    name: 'leader-elect-resource-name',
    kind: 'string',
    description: 'the name of the lease',
    default: 'kube-controller-manager',
  },
  ...clientFlags,
  ...servingFlags,
  ...delegationFlags,
  ...leaderElectionFlags,
  ...logFlags,
  ...commonFlags,
] as const satisfies readonly FlagSpec[]

export type Values = FlagValues<typeof own>

export const flags: readonly FlagSpec[] = [
  ...own,
  ...acceptedClientFlags,
  ...acceptedServingFlags,
  ...acceptedDelegationFlags,
  ...acceptedLeaderElectionFlags,
  ...acceptedLogFlags,
  ...accepted(
    'string',
    'cluster-name cluster-cidr service-cluster-ip-range cloud-provider cloud-config external-cloud-volume-plugin flex-volume-plugin-dir cidr-allocator-type node-eviction-rate secondary-node-eviction-rate unhealthy-zone-threshold',
  ),
  ...accepted(
    'int',
    'node-cidr-mask-size node-cidr-mask-size-ipv4 node-cidr-mask-size-ipv6 large-cluster-size-threshold terminated-pod-gc-threshold concurrent-deployment-syncs concurrent-replicaset-syncs concurrent-endpoint-syncs concurrent-gc-syncs concurrent-namespace-syncs concurrent-rc-syncs concurrent-resource-quota-syncs concurrent-service-syncs concurrent-serviceaccount-token-syncs concurrent-statefulset-syncs concurrent-daemonset-syncs concurrent-job-syncs concurrent-cron-job-syncs concurrent-service-endpoint-syncs concurrent-horizontal-pod-autoscaler-syncs max-endpoints-per-slice mirroring-concurrent-service-endpoint-syncs mirroring-max-endpoints-per-subset',
  ),
  ...accepted(
    'duration',
    'min-resync-period node-startup-grace-period pvclaimbinder-sync-period resource-quota-sync-period namespace-sync-period route-reconciliation-period attach-detach-reconcile-sync-period controller-start-interval horizontal-pod-autoscaler-sync-period horizontal-pod-autoscaler-downscale-stabilization endpoint-updates-batch-period endpointslice-updates-batch-period',
  ),
  ...accepted(
    'bool',
    'allocate-node-cidrs configure-cloud-routes enable-garbage-collector enable-dynamic-provisioning enable-hostpath-provisioner disable-attach-detach-reconcile-sync legacy-service-account-token-clean-up-period',
  ),
]
