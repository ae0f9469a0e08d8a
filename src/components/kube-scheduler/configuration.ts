/** `--config`: a KubeSchedulerConfiguration. What it says stands before the flags that it has fields for, as in the original. */
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { parseDuration } from '#clock.ts'
import { messageOf, TrustplaneError } from '#errors.ts'
import type { Values } from './flags.ts'

interface Configuration {
  kind?: string
  clientConnection?: { kubeconfig?: string }
  leaderElection?: {
    leaderElect?: boolean
    leaseDuration?: string
    renewDeadline?: string
    retryPeriod?: string
    resourceName?: string
    resourceNamespace?: string
  }
}

/** @throws TrustplaneError for a file that cannot be read or is something else */
export function configure(values: Values, given: ReadonlySet<string>): Values {
  const file = values.config
  if (file === undefined) return values
  let configuration: Configuration
  try {
    configuration = (parse(readFileSync(file, 'utf8')) ?? {}) as Configuration
  } catch (cause) {
    throw new TrustplaneError('TP_FILE_UNREADABLE', `${file}: ${messageOf(cause)}`, {
      fix: '--config names a KubeSchedulerConfiguration in YAML',
      cause,
    })
  }
  if (configuration.kind !== 'KubeSchedulerConfiguration') {
    throw new TrustplaneError(
      'TP_INPUT_INVALID',
      `couldn't decode as KubeSchedulerConfiguration, got ${configuration.kind ?? 'nothing'}: `,
      {
        fix: 'it starts with `apiVersion: kubescheduler.config.k8s.io/v1` and `kind: KubeSchedulerConfiguration`',
        at: { file },
      },
    )
  }
  const { clientConnection = {}, leaderElection: election = {} } = configuration
  const ms = (text: string | undefined) => (text === undefined ? undefined : parseDuration(text))
  const fields = {
    kubeconfig: clientConnection.kubeconfig,
    'leader-elect': election.leaderElect,
    'leader-elect-lease-duration': ms(election.leaseDuration),
    'leader-elect-renew-deadline': ms(election.renewDeadline),
    'leader-elect-retry-period': ms(election.retryPeriod),
    'leader-elect-resource-name': election.resourceName,
    'leader-elect-resource-namespace': election.resourceNamespace,
  }
  // Leader election flags that were given win over the file (kube-scheduler's ApplyLeaderElectionTo).
  const said = Object.entries(fields).filter(
    ([name, value]) => value !== undefined && !(name.startsWith('leader') && given.has(name)),
  )
  return { ...values, ...Object.fromEntries(said) }
}
