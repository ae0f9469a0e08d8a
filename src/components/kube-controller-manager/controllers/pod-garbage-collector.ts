/** pod-garbage-collector-controller: pods of nodes that are no more (pkg/controller/podgc). */
import { resources } from '#kubernetes/resources.ts'
import { isNotFound } from '#kubernetes/status.ts'
import type { Node } from '#kubernetes/types.ts'
import { WorkQueue } from '../../work-queue.ts'
import type { Controller, ControllerContext } from './controller.ts'

// quarantineTime: the node may come back under its name
const quarantineMs = 40_000

export function createPodGarbageCollector({ client, informers, log }: ControllerContext): Controller {
  const { nodes, pods } = informers
  const queue = new WorkQueue({
    name: 'node',
    log,
    async sync(name) {
      if (nodes.get(name)) return
      for (const { metadata } of pods.by('node', name)) {
        const at = { namespace: metadata.namespace ?? '', name: metadata.name ?? '' }
        await client.delete(resources.pods, at, { gracePeriodSeconds: 0 }).catch(error => {
          if (!isNotFound(error)) throw error
        })
      }
    },
  })
  return {
    start() {
      nodes.on('delete', ({ metadata }: Node) => queue.addAfter(metadata.name!, quarantineMs))
      const orphaned = new Set(
        pods.list().flatMap(pod => (pod.spec.nodeName && !nodes.get(pod.spec.nodeName) ? [pod.spec.nodeName] : [])),
      )
      for (const name of orphaned) queue.addAfter(name, quarantineMs)
    },
    stop: () => queue.stop(),
  }
}
