/** kube-scheduler's stand-in: binds pods to nodes while it holds the lease; serves health and metrics on :10259. */
import { createClient } from '#kubernetes/from-kubeconfig.ts'
import { loadKubeconfig } from '#kubernetes/kubeconfig.ts'
import { kubernetesVersion } from '#kubernetes/version.ts'
import type { Component } from '../component.ts'
import { newMetrics } from '../component-metrics.ts'
import { createDelegatedServer } from '../delegated-serving.ts'
import { parseFlags } from '../flags.ts'
import { createLeadership } from '../leader.ts'
import { configure } from './configuration.ts'
import { flags, type Values } from './flags.ts'
import { schedulerMetrics } from './metrics.ts'
import { createScheduler } from './scheduler.ts'

export const component: Component = {
  name: 'kube-scheduler',
  summary:
    'The Kubernetes scheduler assigns pods to nodes: watches what has none, binds it to the least loaded node that it fits.',
  flags,
  logFormat: 'kubernetes',
  async start(argv, context) {
    const parsed = parseFlags('kube-scheduler', flags, argv)
    const values = configure(parsed.values as unknown as Values, parsed.given)
    const { clock, log } = context
    const metrics = newMetrics().define(schedulerMetrics)
    const kubeconfig = loadKubeconfig(values.kubeconfig ?? '')
    if (values.master) kubeconfig.server = values.master
    const client = createClient({
      ...context,
      kubeconfig,
      component: 'kube-scheduler',
      from: 'kube-scheduler',
      to: 'kube-apiserver',
      metrics,
    })
    const leadership = createLeadership({ client, context, metrics, values })
    const scheduler = createScheduler({ client, clock, log, metrics })
    const delegated = await createDelegatedServer({
      component: 'kube-scheduler',
      values,
      context,
      metrics,
      checks: [
        leadership.check,
        {
          name: 'sched-handler-sync',
          in: ['readyz'],
          check() {
            if (!scheduler.hasSynced) throw new Error('handlers are not fully synchronized')
          },
        },
      ],
    })
    await delegated.server.listen()
    log.info('Starting Kubernetes Scheduler', { version: kubernetesVersion.gitVersion })
    scheduler.start()
    leadership.start(() => scheduler.lead())
    return {
      addresses: { secure: delegated.server.address },
      failed: leadership.lost,
      async stop() {
        await scheduler.stop()
        await leadership.stop()
        await delegated.close()
        await client.close()
      },
    }
  },
}
