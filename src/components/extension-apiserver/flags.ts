/** extension-apiserver's flags: those that every aggregated API server built on k8s.io/apiserver has (metrics-server, sample-apiserver). */
import { commonFlags, type FlagSpec, type FlagValues } from '../flags.ts'
import {
  acceptedDelegationFlags,
  acceptedLogFlags,
  acceptedServingFlags,
  delegationFlags,
  logFlags,
  servingFlags,
} from '../kubernetes-flags.ts'

const own = [
  { name: 'secure-port', kind: 'int', description: 'the port to serve HTTPS on; 0: any free one', default: '10260' },
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
]
