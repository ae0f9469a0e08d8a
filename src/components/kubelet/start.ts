/** Starts a kubelet of settings that are read already: one of its own, or one of many in a hollow-node. */

import type { Metrics } from '#kubernetes/metrics.ts'
import type { Log } from '#log.ts'
import { fileBundle } from '#tls/bundle.ts'
import type { BundleSource } from '#tls/types.ts'
import type { ComponentContext, RunningComponent } from '../component.ts'
import { createEventRecorder } from '../event-recorder.ts'
import { kubeletClient } from './certificates/client.ts'
import { CertificateManager } from './certificates/manager.ts'
import { servingIdentityOf } from './certificates/serving.ts'
import type { Settings } from './configuration.ts'
import { createNodeReporter } from './node.ts'
import { createPods } from './pods.ts'
import { createKubeletServer, startHealthz } from './server.ts'

export interface RunningKubelet extends RunningComponent {
  /** Resolves when its Node is there. */
  registered: Promise<void>
  /** A certificate is being asked for, of either kind. */
  readonly isRenewing: boolean
}

export async function startKubelet(options: {
  settings: Settings
  context: ComponentContext
  metrics: Metrics
  requireClientCertificate: boolean
  /** False: it has no server, and nobody can look at its pods. */
  serve?: boolean
  /** Instead of one of its own: many kubelets in one process share it. */
  clientCa?: BundleSource
}): Promise<RunningKubelet> {
  const { settings, context, metrics, requireClientCertificate, serve = true } = options
  const { log, clock } = context
  const closers: (() => Promise<void> | void)[] = []
  const clientCa = options.clientCa ?? clientCaOf(settings, log)
  if (clientCa && !options.clientCa) closers.unshift(() => clientCa.close())
  const { client, certificates, failed, close } = await kubeletClient(settings, context, metrics)
  closers.unshift(close)
  const identity = serve ? await servingIdentityOf(settings, { context, metrics, client }) : undefined
  closers.unshift(() => identity?.close())
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
  const server =
    identity &&
    (await createKubeletServer({
      settings,
      context,
      identity,
      clientCa,
      client,
      pods,
      metrics,
      requireClientCertificate,
    }))
  await server?.listen()
  closers.unshift(() => server?.close())
  const port = () => server?.address.port ?? settings.port
  const healthz = settings.healthz && (await startHealthz(settings.healthz))
  if (healthz) closers.unshift(() => healthz.close())
  const node = createNodeReporter({ client, clock, log, settings, events, port })
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
    addresses: {
      ...(server ? { secure: server.address } : {}),
      ...(healthz ? { healthz: healthz.address } : {}),
    },
    failed,
    registered: node.registered,
    get isRenewing() {
      return Boolean(certificates?.isAsking || (identity instanceof CertificateManager && identity.isAsking))
    },
    async stop() {
      for (const close of closers) await close()
    },
  }
}

const clientCaOf = ({ clientCaFile: file }: Settings, log: Log): BundleSource | undefined =>
  file === undefined
    ? undefined
    : fileBundle({ file, reader: 'kube-apiserver', reload: 'watch', log, name: 'client-ca-bundle' })
