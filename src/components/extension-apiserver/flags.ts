/** extension-apiserver's flags: those that every aggregated API server built on k8s.io/apiserver has (metrics-server, sample-apiserver). */
import { commonFlags, type FlagSpec, type FlagValues } from '../flags.ts'
import {
  accepted,
  acceptedDelegationFlags,
  acceptedLogFlags,
  acceptedServingFlags,
  delegationFlags,
  logFlags,
  servingFlags,
} from '../kubernetes-flags.ts'

const own = [
  { name: 'secure-port', kind: 'int', description: 'the port to serve HTTPS on; 0: any free one', default: '10260' },
  {
    name: 'kubeconfig',
    kind: 'string',
    description: 'how to reach kube-apiserver; left out: no nodes and pods are known, and nothing is measured',
  },
  { name: 'kubelet-certificate-authority', kind: 'string', description: 'who kubelets must be certified by' },
  { name: 'kubelet-client-certificate', kind: 'string', description: 'shown to kubelets' },
  { name: 'kubelet-client-key', kind: 'string', description: 'its key' },
  {
    name: 'kubelet-insecure-tls',
    kind: 'bool',
    description: 'do not verify kubelets: for the scenario about it',
    default: 'false',
  },
  { name: 'kubelet-port', kind: 'int', description: 'where kubelets serve', default: '10250' },
  {
    name: 'kubelet-use-node-status-port',
    kind: 'bool',
    description: 'take the port from the node’s status',
    default: 'false',
  },
  {
    name: 'kubelet-preferred-address-types',
    kind: 'list',
    description: 'which of a node’s addresses to dial',
    default: 'Hostname,InternalDNS,InternalIP,ExternalDNS,ExternalIP',
  },
  { name: 'metric-resolution', kind: 'duration', description: 'how often kubelets are asked', default: '60s' },
  ...servingFlags,
  ...delegationFlags,
  ...logFlags,
  ...commonFlags,
] as const satisfies readonly FlagSpec[]

export type Values = FlagValues<typeof own>

export const flags: readonly FlagSpec[] = [
  ...own,
  ...acceptedServingFlags,
  ...acceptedDelegationFlags,
  ...acceptedLogFlags,
  ...accepted('duration', 'kubelet-request-timeout'),
  ...accepted('string', 'node-selector'),
  ...accepted('bool', 'deprecated-kubelet-completely-insecure version'),
]
