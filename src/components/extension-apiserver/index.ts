/** An aggregated API server and an admission webhook on one port: the two places where kube-apiserver is the client of somebody else's server. */
import { createClient } from '#kubernetes/from-kubeconfig.ts'
import { userAgent } from '#kubernetes/version.ts'
import type { Component } from '../component.ts'
import { newMetrics } from '../component-metrics.ts'
import { createDelegatedServer } from '../delegated-serving.ts'
import { parseFlags } from '../flags.ts'
import { flags, type Values } from './flags.ts'
import { frontProxyTrust } from './front-proxy.ts'
import { metricsApi } from './metrics-api.ts'
import { createScraper } from './scraper.ts'
import { webhook, webhookPath } from './webhook.ts'

export const component: Component = {
  name: 'extension-apiserver',
  summary: 'An aggregated API server (metrics.k8s.io) behind the front proxy, and a validating admission webhook.',
  flags,
  logFormat: 'kubernetes',
  async start(argv, context) {
    const values = parseFlags('extension-apiserver', flags, argv).values as unknown as Values
    const metrics = newMetrics()
    const frontProxy = frontProxyTrust()
    const delegated = await createDelegatedServer({
      component: 'extension-apiserver',
      values,
      context,
      metrics,
      pairName: 'apiserver',
      authenticator: frontProxy.authenticator,
      authorizers: values['authorization-kubeconfig'] ? [] : [frontProxy.authorizer],
      alwaysAllowPaths: [webhookPath],
    })
    const { app } = delegated.server
    const shared = { ...context, component: 'extension-apiserver', from: 'extension-apiserver', to: 'kube-apiserver' }
    const client = values.kubeconfig
      ? createClient({ ...shared, kubeconfig: values.kubeconfig, metrics, userAgent: userAgent('metrics-server') })
      : undefined
    const scraper = client && createScraper(client, values, context)
    metricsApi(app, scraper)
    webhook(app)
    await delegated.server.listen()
    scraper?.start()
    return {
      addresses: { secure: delegated.server.address },
      failed: new Promise<Error>(() => {}),
      async stop() {
        await scraper?.stop()
        await delegated.close()
        await client?.close()
      },
    }
  },
}
