/** kubelet's stand-in: registers a node, "runs" its pods, serves logs and exec; certificates as the original handles them. */
import type { Component } from '../component.ts'
import { newMetrics } from '../component-metrics.ts'
import { parseFlags } from '../flags.ts'
import { configure } from './configuration.ts'
import { deprecated, flags, type Values } from './flags.ts'
import { startKubelet } from './start.ts'

export const component: Component = {
  name: 'kubelet',
  summary:
    'The kubelet is the primary "node agent": registers its node, keeps its lease, runs the pods bound to it (simulated).',
  flags,
  logFormat: 'kubernetes',
  async start(argv, context) {
    const parsed = parseFlags('kubelet', flags, argv)
    const values = parsed.values as unknown as Values
    const { log } = context
    for (const { name } of deprecated) {
      if (parsed.given.has(name))
        log.info(
          `Flag --${name} has been deprecated, This parameter should be set via the config file specified by the Kubelet's --config flag.`,
          {},
          1,
        )
    }
    return startKubelet({
      settings: configure(values),
      context,
      metrics: newMetrics(),
      requireClientCertificate: values['require-client-certificate'],
    })
  },
}
