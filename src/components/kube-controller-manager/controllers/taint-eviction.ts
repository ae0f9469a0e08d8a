/** taint-eviction-controller: pods leave a node with a NoExecute taint, at once or when their toleration runs out (pkg/controller/tainteviction). */
import { keyOf, resources } from '#kubernetes/resources.ts'
import { isNotFound } from '#kubernetes/status.ts'
import type { Node, Pod, Taint } from '#kubernetes/types.ts'
import { referenceTo } from '../../event-recorder.ts'
import { tolerates } from '../../tolerations.ts'
import { WorkQueue } from '../../work-queue.ts'
import type { Controller, ControllerContext } from './controller.ts'

const noExecute = ({ spec }: Node) => (spec?.taints ?? []).filter(({ effect }) => effect === 'NoExecute')

/** In how many milliseconds the pod must go: 0 at once; undefined: it may stay for as long as the taints do. Pure. */
export function evictionDelayMs({ spec }: Pod, taints: readonly Taint[], now: Date): number | undefined {
  let delay: number | undefined
  for (const taint of taints) {
    const fitting = (spec.tolerations ?? []).filter(toleration => tolerates(toleration, taint))
    if (fitting.length === 0) return 0
    const since = taint.timeAdded ? Date.parse(taint.timeAdded) : now.getTime()
    for (const { tolerationSeconds } of fitting) {
      if (tolerationSeconds === undefined) continue
      const left = Math.max(0, since + tolerationSeconds * 1000 - now.getTime())
      delay = Math.min(delay ?? left, left)
    }
  }
  return delay
}

export function createTaintEvictionController(context: ControllerContext): Controller {
  const { client, informers, log, events, clock } = context
  const { nodes, pods } = informers
  const queue = new WorkQueue({ name: 'pod', log, sync })

  async function sync(key: string): Promise<void> {
    const pod = pods.get(key)
    const node = pod?.spec.nodeName ? nodes.get(pod.spec.nodeName) : undefined
    if (!pod || !node || pod.metadata.deletionTimestamp) return
    const taints = noExecute(node)
    const delay = taints.length > 0 ? evictionDelayMs(pod, taints, clock.now()) : undefined
    if (delay === undefined) return
    if (delay > 0) {
      queue.addAfter(key, delay)
      return
    }
    const { namespace = '', name = '', uid } = pod.metadata
    log.info('Deleting pod', { controller: 'taint-eviction-controller', pod: key })
    events.event(referenceTo(resources.pods, pod), 'Normal', 'TaintManagerEviction', `Marking for deletion Pod ${key}`)
    try {
      await client.delete(resources.pods, { namespace, name }, uid ? { preconditions: { uid } } : {})
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
  }

  const onNode = (node: Node) => {
    if (noExecute(node).length === 0) return
    for (const pod of pods.by('node', node.metadata.name ?? '')) queue.add(keyOf(pod))
  }
  const onPod = (pod: Pod) => {
    const node = pod.spec.nodeName ? nodes.get(pod.spec.nodeName) : undefined
    if (node && noExecute(node).length > 0) queue.add(keyOf(pod))
  }
  return {
    start() {
      nodes.on('add', onNode).on('update', onNode)
      pods.on('add', onPod).on('update', onPod)
      nodes.list().forEach(onNode)
    },
    stop: () => queue.stop(),
  }
}
