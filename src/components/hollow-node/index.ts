/** hollow-node: kubemark's, but many nodes in one process; each has its own key, certificates, connections and heartbeats. */
import { join } from 'node:path'
import { messageOf, TrustplaneError } from '#errors.ts'
import { nodeName } from '#log.ts'
import { fileBundle } from '#tls/bundle.ts'
import type { Component } from '../component.ts'
import { newMetrics } from '../component-metrics.ts'
import { parseFlags } from '../flags.ts'
import { configure, type Settings } from '../kubelet/configuration.ts'
import { type Values as KubeletValues, flags as kubeletFlags } from '../kubelet/flags.ts'
import { type RunningKubelet, startKubelet } from '../kubelet/start.ts'
import { flags, type Values } from './flags.ts'

export const component: Component = {
  name: 'hollow-node',
  summary:
    'Many kubelets in one process, as kubemark has them: each joins, heartbeats and renews its certificates by itself.',
  flags,
  logFormat: 'kubernetes',
  async start(argv, context) {
    const values = parseFlags('hollow-node', flags, argv).values as unknown as Values
    const { log, signal: unwanted } = context
    const all = settingsOf(values)
    const metrics = newMetrics()
    const clientCa = values['client-ca-file']
      ? fileBundle({
          file: values['client-ca-file'],
          reader: 'kube-apiserver',
          reload: 'watch',
          log,
          name: 'client-ca-bundle',
        })
      : undefined
    const running: RunningKubelet[] = []
    const { promise: failed, resolve: fail } = Promise.withResolvers<Error>()
    const stopped = new AbortController()

    const startOne = async (settings: Settings): Promise<RunningKubelet> => {
      const kubelet = await startKubelet({
        settings,
        context,
        metrics,
        requireClientCertificate: values['require-client-certificate'],
        serve: values.serve,
        ...(clientCa ? { clientCa } : {}),
      })
      running.push(kubelet)
      // one that cannot go on leaves the others alone
      void kubelet.failed.then(error => {
        log.error('a hollow node ended', error.message, { node: settings.nodeName })
        return kubelet.stop()
      })
      return kubelet
    }

    /** One after the other, until there are none left. */
    const waiting = all.values()
    const join_ = async () => {
      for (const settings of waiting) {
        if (stopped.signal.aborted || unwanted?.aborted) return
        const { registered } = await startOne(settings)
        await Promise.race([registered, aborted(stopped.signal)])
      }
    }
    // the first tells whether the flags and files are any good
    const first = await startOne(waiting.next().value!)
    const joining = Promise.all([
      first.registered,
      ...Array.from({ length: Math.min(all.length, values['at-once']) }, join_),
    ]).then(
      () => log.info('All hollow nodes have registered', { nodes: all.length }),
      error => fail(error instanceof Error ? error : new Error(messageOf(error))),
    )
    return {
      addresses: first.addresses,
      failed,
      async stop() {
        stopped.abort()
        await Promise.allSettled([...running].map(kubelet => kubelet.stop()))
        void joining
        clientCa?.close()
      },
    }
  },
}

const aborted = (signal: AbortSignal) =>
  new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))

/** Each node's, as a kubelet of its own would have them. @throws TrustplaneError */
function settingsOf(values: Values): Settings[] {
  const { nodes, name = nodeName() } = values
  const invalid = (message: string, fix: string) =>
    new TrustplaneError('TP_FLAG_INVALID', `hollow-node: ${message}`, { fix })
  if (values.morph !== 'kubelet')
    throw invalid(
      `Unknown morph: ${JSON.stringify(values.morph)}. Allowed values: kubelet`,
      'kube-proxy has no hollow form here',
    )
  if (nodes < 1 || nodes > 65_000) throw invalid(`--nodes is ${nodes}`, 'from 1 to 65000')
  if (values['at-once'] < 1) throw invalid(`--at-once is ${values['at-once']}`, 'at least 1')
  if (!values.kubeconfig && !values['bootstrap-kubeconfig'])
    throw invalid('neither --kubeconfig nor --bootstrap-kubeconfig is given', 'the nodes need somebody to report to')
  const defaults = parseFlags('kubelet', kubeletFlags, []).values as unknown as KubeletValues
  const bootstrap = values['bootstrap-kubeconfig']
  return Array.from({ length: nodes }, (_, index) => {
    const node = nodes === 1 ? name : `${name}-${index + 1}`
    const folder = join(values['cert-dir'], node)
    // each on an address of its own, as all have one port: Linux has the whole of 127.0.0.0/8
    const address = values['kubelet-port'] === 0 ? '127.0.0.1' : `127.1.${(index + 1) >> 8}.${(index + 1) & 255}`
    return configure({
      ...defaults,
      'hostname-override': node,
      kubeconfig: bootstrap ? join(folder, 'kubelet.conf') : values.kubeconfig,
      'bootstrap-kubeconfig': bootstrap,
      'cert-dir': join(folder, 'pki'),
      'root-dir': folder,
      address,
      'node-ip': address,
      port: values['kubelet-port'],
      'healthz-port': 0,
      'rotate-certificates': bootstrap !== undefined,
      'rotate-server-certificates': values['rotate-server-certificates'],
      'client-ca-file': values['client-ca-file'],
      'max-pods': values['max-pods'],
      'node-labels': values['node-labels'],
      'authorization-mode': 'Webhook',
      'authentication-token-webhook': true,
      'anonymous-auth': false,
    })
  })
}
