/** An aggregated API server and an admission webhook on one port: the two places where kube-apiserver is the client of somebody else's server. */
import type { Component } from '../component.ts'
import { newMetrics } from '../component-metrics.ts'
import { createDelegatedServer } from '../delegated-serving.ts'
import { parseFlags } from '../flags.ts'
import { flags, type Values } from './flags.ts'
import { frontProxyTrust } from './front-proxy.ts'
import { metricsApi } from './metrics-api.ts'
import { webhook, webhookPath } from './webhook.ts'

export const component: Component = {
  name: 'extension-apiserver',
  summary: 'An aggregated API server (metrics.k8s.io) behind the front proxy, and a validating admission webhook.',
  flags,
  logFormat: 'kubernetes',
  async start(argv, context) {
    const values = parseFlags('extension-apiserver', flags, argv).values as unknown as Values
    const frontProxy = frontProxyTrust()
    const delegated = await createDelegatedServer({
      component: 'extension-apiserver',
      values,
      context,
      metrics: newMetrics(),
      pairName: 'apiserver',
      authenticator: frontProxy.authenticator,
      authorizers: values['authorization-kubeconfig'] ? [] : [frontProxy.authorizer],
      alwaysAllowPaths: [webhookPath],
    })
    const { app } = delegated.server
    metricsApi(app)
    webhook(app)
    await delegated.server.listen()
    return {
      addresses: { secure: delegated.server.address },
      failed: new Promise<Error>(() => {}),
      stop: () => delegated.close(),
    }
  },
}
