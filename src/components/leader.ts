/** Leader election as kube-scheduler and kube-controller-manager do it: the flags, the health check, the metric, and the end when the lease is lost. */
import type { Client } from '#kubernetes/client.ts'
import type { HealthCheck } from '#kubernetes/health.ts'
import { createLeaderElection } from '#kubernetes/leader-election.ts'
import type { Metrics } from '#kubernetes/metrics.ts'
import type { ComponentContext } from './component.ts'
import type { FlagValues } from './flags.ts'
import type { leaderElectionFlags } from './kubernetes-flags.ts'

type Values = FlagValues<typeof leaderElectionFlags> & { 'leader-elect-resource-name': string }

export interface Leadership {
  check: HealthCheck
  /** `lead` is called once, when the lease is ours; at once with `--leader-elect=false`. */
  start(lead: () => void): void
  /** Resolves when the lease was lost. */
  lost: Promise<Error>
  /** Gives the lease up. */
  stop(): Promise<void>
}

export function createLeadership(options: {
  client: Client
  context: ComponentContext
  metrics: Metrics
  values: Values
}): Leadership {
  const { client, context, metrics, values } = options
  const name = values['leader-elect-resource-name']
  const { promise: lost, resolve } = Promise.withResolvers<Error>()
  if (!values['leader-elect']) {
    return { check: { name: 'leaderElection', check() {} }, start: lead => lead(), lost, stop: async () => {} }
  }
  const election = createLeaderElection({
    client,
    clock: context.clock,
    log: context.log,
    lock: { namespace: values['leader-elect-resource-namespace'], name },
    leaseDurationMs: values['leader-elect-lease-duration'],
    renewDeadlineMs: values['leader-elect-renew-deadline'],
    retryPeriodMs: values['leader-elect-retry-period'],
  })
  let stopping = false
  let isLost = false
  metrics.set('leader_election_master_status', 0, { name })
  election.on('stopped', () => {
    metrics.set('leader_election_master_status', 0, { name })
    if (stopping) return
    isLost = true
    context.log.error('leaderelection lost')
    resolve(new Error('leaderelection lost'))
  })
  return {
    check: {
      name: 'leaderElection',
      check() {
        if (isLost) throw new Error(`failed election to renew leadership on lease ${name}`)
      },
    },
    start(lead) {
      election.on('started', () => {
        metrics.set('leader_election_master_status', 1, { name })
        lead()
      })
      election.start()
    },
    lost,
    async stop() {
      stopping = true
      await election.stop()
    },
  }
}
