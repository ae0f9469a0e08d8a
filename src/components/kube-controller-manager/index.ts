/** kube-controller-manager's stand-in: controllers that run while it holds the lease; serves health and metrics on :10257. */
import { messageOf } from '#errors.ts'
import { createClient } from '#kubernetes/from-kubeconfig.ts'
import { loadKubeconfig } from '#kubernetes/kubeconfig.ts'
import { kubernetesVersion } from '#kubernetes/version.ts'
import type { Component } from '../component.ts'
import { newMetrics } from '../component-metrics.ts'
import { createDelegatedServer } from '../delegated-serving.ts'
import { parseFlags } from '../flags.ts'
import { createLeadership } from '../leader.ts'
import { createControllerClients } from './controller-clients.ts'
import { createControllerSet } from './controller-set.ts'
import { flags, type Values } from './flags.ts'
import { createInformers } from './informers.ts'

export const component: Component = {
  name: 'kube-controller-manager',
  summary:
    'The Kubernetes controllers: Deployments become pods, silent nodes become NotReady, approved CSRs are signed, namespaces are emptied.',
  flags,
  logFormat: 'kubernetes',
  async start(argv, context) {
    const values = parseFlags('kube-controller-manager', flags, argv).values as unknown as Values
    const { log } = context
    const metrics = newMetrics()
    const kubeconfig = loadKubeconfig(values.kubeconfig ?? '')
    if (values.master) kubeconfig.server = values.master
    const shared = {
      ...context,
      component: 'kube-controller-manager',
      from: 'kube-controller-manager',
      to: 'kube-apiserver',
      metrics,
    }
    const client = createClient({ ...shared, kubeconfig })
    const informers = createInformers(client, log)
    const clients = createControllerClients({
      client,
      kubeconfig,
      context,
      useServiceAccounts: values['use-service-account-credentials'],
    })
    const set = createControllerSet({ context, values, informers, clients })
    const leadership = createLeadership({ client, context, metrics, values })
    const delegated = await createDelegatedServer({
      component: 'kube-controller-manager',
      values,
      context,
      metrics,
      checks: [leadership.check],
    })
    await delegated.server.listen()
    log.info('Starting', { version: kubernetesVersion.gitVersion })
    for (const informer of Object.values(informers)) informer.start()
    leadership.start(() => {
      set.start().catch(error => log.error('error starting controllers', messageOf(error)))
    })
    return {
      addresses: { secure: delegated.server.address },
      failed: Promise.race([leadership.lost, set.failed]),
      async stop() {
        await set.stop()
        await Promise.all(Object.values(informers).map(informer => informer.stop()))
        await leadership.stop()
        await delegated.close()
        await clients.close()
        await client.close()
      },
    }
  },
}
