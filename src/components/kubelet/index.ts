/** kubelet's stand-in: registers a node, "runs" its pods, serves logs and exec; certificates as the original handles them. */
import { fileBundle } from '#tls/bundle.ts'
import type { Component, RunningComponent } from '../component.ts'
import { newMetrics } from '../component-metrics.ts'
import { createEventRecorder } from '../event-recorder.ts'
import { parseFlags } from '../flags.ts'
import { kubeletClient } from './certificates/client.ts'
import { CertificateManager } from './certificates/manager.ts'
import { servingIdentityOf } from './certificates/serving.ts'
import { configure } from './configuration.ts'
import { deprecated, flags, type Values } from './flags.ts'
import { createNodeReporter } from './node.ts'
import { createPods } from './pods.ts'
import { createKubeletServer, startHealthz } from './server.ts'

export const component: Component = {
  name: 'kubelet',
  summary:
    'The kubelet is the primary "node agent": registers its node, keeps its lease, runs the pods bound to it (simulated).',
  flags,
  logFormat: 'kubernetes',
  async start(argv, context): Promise<RunningComponent> {
    const parsed = parseFlags('kubelet', flags, argv)
    const values = parsed.values as unknown as Values
    const { log, clock } = context
    for (const { name } of deprecated) {
      if (parsed.given.has(name))
        log.info(
          `Flag --${name} has been deprecated, This parameter should be set via the config file specified by the Kubelet's --config flag.`,
          {},
          1,
        )
    }
    const settings = configure(values)
    const metrics = newMetrics()
    const closers: (() => Promise<void> | void)[] = []
    const clientCa = settings.clientCaFile
      ? fileBundle({
          file: settings.clientCaFile,
          reader: 'kube-apiserver',
          reload: 'watch',
          log,
          name: 'client-ca-bundle',
        })
      : undefined
    if (clientCa) closers.unshift(() => clientCa.close())
    const { client, certificates, failed, close } = await kubeletClient(settings, context, metrics)
    closers.unshift(close)
    const identity = await servingIdentityOf(settings, { context, metrics, client })
    closers.unshift(() => identity.close())
    metrics.collect(() => {
      metrics.set(
        'kubelet_certificate_manager_client_ttl_seconds',
        certificates?.ttlSeconds() ?? Number.POSITIVE_INFINITY,
      )
      const serving = identity instanceof CertificateManager ? identity.ttlSeconds() : Number.POSITIVE_INFINITY
      metrics.set('kubelet_certificate_manager_server_ttl_seconds', serving)
    })
    const events = createEventRecorder({ client, clock, log, component: 'kubelet', host: settings.nodeName })
    closers.unshift(() => events.close())
    const pods = createPods({
      client,
      clock,
      log,
      events,
      hostIp: settings.nodeIp,
      nodeName: settings.nodeName,
      podCidr: settings.podCidr,
    })
    const server = await createKubeletServer({
      settings,
      context,
      identity,
      clientCa,
      client,
      pods,
      metrics,
      requireClientCertificate: values['require-client-certificate'],
    })
    await server.listen()
    closers.unshift(() => server.close())
    const healthz = settings.healthz && (await startHealthz(settings.healthz))
    if (healthz) closers.unshift(() => healthz.close())
    const node = createNodeReporter({ client, clock, log, settings, events, port: () => server.address.port })
    events.event(
      { kind: 'Node', name: settings.nodeName, uid: settings.nodeName },
      'Normal',
      'Starting',
      'Starting kubelet.',
    )
    node.start()
    pods.start()
    closers.unshift(
      () => pods.stop(),
      () => node.stop(),
    )
    return {
      addresses: { secure: server.address, ...(healthz ? { healthz: healthz.address } : {}) },
      failed,
      async stop() {
        for (const close of closers) await close()
      },
    }
  },
}
