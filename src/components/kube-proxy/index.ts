/** kube-proxy's stand-in: watches services and endpoint slices with its kubeconfig, and keeps the rules that the original would program. */
import { createClient } from '#kubernetes/from-kubeconfig.ts'
import { createInformer } from '#kubernetes/informer.ts'
import { loadKubeconfig } from '#kubernetes/kubeconfig.ts'
import { resources } from '#kubernetes/resources.ts'
import { kubernetesVersion } from '#kubernetes/version.ts'
import type { Component } from '../component.ts'
import { newMetrics } from '../component-metrics.ts'
import { parseFlags } from '../flags.ts'
import { createPlainServer } from '../plain-server.ts'
import { configure } from './configuration.ts'
import { flags, type Values } from './flags.ts'
import { proxyMetrics } from './metrics.ts'
import { type Rule, rulesOf } from './rules.ts'

export const component: Component = {
  name: 'kube-proxy',
  summary: 'The Kubernetes network proxy: watches services and their endpoints, and keeps the rules that lead to them.',
  flags,
  logFormat: 'kubernetes',
  async start(argv, context) {
    const values = configure(parseFlags('kube-proxy', flags, argv).values as unknown as Values)
    const { clock, log } = context
    const metrics = newMetrics().define(proxyMetrics)
    const kubeconfig = loadKubeconfig(values.kubeconfig ?? '')
    if (values.master) kubeconfig.server = values.master
    const client = createClient({
      ...context,
      kubeconfig,
      component: 'kube-proxy',
      from: 'kube-proxy',
      to: 'kube-apiserver',
      metrics,
    })
    const services = createInformer({ client, resource: resources.services, log })
    const slices = createInformer({ client, resource: resources.endpointslices, log })

    let rules: Rule[] = []
    let lastUpdated: Date | undefined
    let pending: NodeJS.Immediate | undefined
    let isSynced = false
    const sync = () => {
      pending = undefined
      const began = performance.now()
      rules = rulesOf(services.list(), slices.list())
      lastUpdated = clock.now()
      metrics.observe('kubeproxy_sync_proxy_rules_duration_seconds', (performance.now() - began) / 1000, {
        ip_family: 'IPv4',
      })
      metrics.set('kubeproxy_sync_proxy_rules_last_timestamp_seconds', lastUpdated.getTime() / 1000, {
        ip_family: 'IPv4',
      })
    }
    // changes of one turn are one sync, as the original's bounded-frequency runner
    const changed = (metric: string) => () => {
      metrics.inc(metric)
      if (isSynced) pending ??= setImmediate(sync)
    }
    for (const event of ['add', 'update', 'delete'] as const) {
      services.on(event, changed('kubeproxy_sync_proxy_rules_service_changes_total'))
      slices.on(event, changed('kubeproxy_sync_proxy_rules_endpoint_changes_total'))
    }

    const health = createPlainServer('kube-proxy', 'healthz-bind-address', values['healthz-bind-address'])
    // pkg/proxy/healthcheck/proxy_health.go: 503 until the first sync
    health.app.get('/healthz', (_request, reply) => {
      const now = clock.now().toISOString()
      const body = { lastUpdated: (lastUpdated ?? new Date(0)).toISOString(), currentTime: now, nodeEligible: true }
      return reply
        .code(lastUpdated ? 200 : 503)
        .header('X-Content-Type-Options', 'nosniff')
        .send(body)
    })
    const monitoring = createPlainServer('kube-proxy', 'metrics-bind-address', values['metrics-bind-address'])
    monitoring.app.get('/healthz', (_request, reply) => reply.type('text/plain; charset=utf-8').send('ok'))
    monitoring.app.get('/proxyMode', (_request, reply) =>
      reply.type('text/plain; charset=utf-8').send(values['proxy-mode']),
    )
    monitoring.app.get('/metrics', async (_request, reply) => {
      const { body, contentType } = await metrics.text()
      return reply.header('content-type', contentType).send(body)
    })
    // ours: the original has them in the kernel (`iptables-save`)
    monitoring.app.get('/rules', (_request, reply) => reply.send(rules))

    const healthAddress = await health.listen()
    const metricsAddress = await monitoring.listen()
    log.info('Version info', { version: kubernetesVersion.gitVersion })
    log.info('Starting service config controller')
    services.start()
    log.info('Starting endpoint slice config controller')
    slices.start()
    let isStopped = false
    void Promise.all([services.synced, slices.synced]).then(
      () => {
        if (isStopped) return
        isSynced = true
        log.info('Caches are synced')
        sync()
      },
      () => {},
    )
    return {
      addresses: { healthz: healthAddress, metrics: metricsAddress },
      failed: new Promise<Error>(() => {}),
      async stop() {
        isStopped = true
        if (pending) clearImmediate(pending)
        await Promise.all([services.stop(), slices.stop()])
        await Promise.all([health.close(), monitoring.close(), client.close()])
      },
    }
  },
}
