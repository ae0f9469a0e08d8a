/** kube-scheduler's flags. */
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

const own = [
  { name: 'secure-port', kind: 'int', description: 'the port to serve HTTPS on; 0: any free one', default: '10259' },
  {
    name: 'config',
    kind: 'string',
    description: 'a KubeSchedulerConfiguration; its clientConnection.kubeconfig and leaderElection are read',
  },
  {
    name: 'leader-elect-resource-name',
    kind: 'string',
    description: 'the name of the lease',
    default: 'kube-scheduler',
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
  ...accepted('string', 'write-config-to'),
  ...accepted('duration', 'pod-max-in-unschedulable-pods-duration'),
]
