/** The scheduling loop: pods without a node, by watch; the node that they get, bound; what is said about it. */
import type { Clock } from '#clock.ts'
import { messageOf } from '#errors.ts'
import type { Client } from '#kubernetes/client.ts'
import { createInformer } from '#kubernetes/informer.ts'
import type { Metrics } from '#kubernetes/metrics.ts'
import { keyOf, resources } from '#kubernetes/resources.ts'
import { isNotFound } from '#kubernetes/status.ts'
import { time } from '#kubernetes/time.ts'
import type { Node, Pod } from '#kubernetes/types.ts'
import type { Log } from '#log.ts'
import { createEventRecorder, referenceTo } from '../event-recorder.ts'
import { WorkQueue } from '../work-queue.ts'
import { chooseNode } from './choose.ts'

const profile = 'default-scheduler'

export interface Scheduler {
  /** Follows pods and nodes. */
  start(): void
  /** Begins to schedule: the lease is ours. */
  lead(): void
  readonly hasSynced: boolean
  stop(): Promise<void>
}

// The original's: a pod that fits nowhere is tried again when something changed, and after five minutes at the latest.
const unschedulableMs = 300_000

export function createScheduler(options: { client: Client; clock: Clock; log: Log; metrics: Metrics }): Scheduler {
  const { client, clock, log, metrics } = options
  const pods = createInformer({
    client,
    resource: resources.pods,
    log,
    fieldSelector: 'status.phase!=Succeeded,status.phase!=Failed',
    indexers: { node: pod => (pod.spec.nodeName ? [pod.spec.nodeName] : []) },
  })
  const nodes = createInformer({ client, resource: resources.nodes, log })
  const events = createEventRecorder({ client, clock, log, component: profile })
  /** Bound by us, not yet seen bound. */
  const assumed = new Map<string, { pod: Pod; node: string }>()
  const unschedulable = new Set<string>()
  let leading = false
  // 8: a burst of pods is bound over a few connections
  const queue = new WorkQueue({ name: 'pod', log, sync: schedule, workers: 8 })

  const isOurs = ({ spec, metadata }: Pod) =>
    !spec.nodeName &&
    !metadata.deletionTimestamp &&
    (spec.schedulerName ?? profile) === profile &&
    !(spec.schedulingGates as unknown[] | undefined)?.length
  const offer = (pod: Pod) => {
    if (leading && isOurs(pod)) queue.add(keyOf(pod))
  }
  const retry = () => {
    for (const key of unschedulable) queue.add(key)
    unschedulable.clear()
  }
  pods
    .on('add', pod => (pod.spec.nodeName ? assumed.delete(keyOf(pod)) : offer(pod)))
    .on('update', (pod, old) => {
      if (pod.spec.nodeName) assumed.delete(keyOf(pod))
      // what we wrote into its status ourselves changes nothing
      else if (JSON.stringify(pod.spec) !== JSON.stringify(old.spec)) offer(pod)
    })
    .on('delete', pod => {
      assumed.delete(keyOf(pod))
      unschedulable.delete(keyOf(pod))
      if (pod.spec.nodeName) retry()
    })
  nodes.on('add', retry).on('update', (node, old) => {
    if (aspects(node) !== aspects(old)) retry()
  })

  async function schedule(key: string): Promise<void> {
    const pod = pods.get(key)
    if (!pod || !isOurs(pod) || assumed.has(key)) return
    const started = performance.now()
    const onTheirWay = [...assumed.values()]
    const choice = chooseNode(
      pod,
      nodes.list().map(node => {
        const name = node.metadata.name!
        return {
          node,
          pods: [...pods.by('node', name), ...onTheirWay.filter(a => a.node === name).map(a => a.pod)],
        }
      }),
    )
    const attempted = (result: string) => {
      metrics.inc('scheduler_schedule_attempts_total', { profile, result })
      const seconds = (performance.now() - started) / 1000
      metrics.observe('scheduler_scheduling_attempt_duration_seconds', seconds, { profile, result })
    }
    if ('message' in choice) {
      attempted('unschedulable')
      unschedulable.add(key)
      queue.addAfter(key, unschedulableMs)
      log.info('Unable to schedule pod; no fit; waiting', { pod: key, err: choice.message })
      events.event(referenceTo(resources.pods, pod), 'Warning', 'FailedScheduling', choice.message)
      await sayUnschedulable(pod, choice.message)
      return
    }
    assumed.set(key, { pod, node: choice.node })
    unschedulable.delete(key)
    const { namespace = '', name = '', uid } = pod.metadata
    try {
      await client.createSubresource(resources.pods, { namespace, name }, 'binding', {
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { namespace, name, ...(uid ? { uid } : {}) },
        target: { kind: 'Node', name: choice.node },
      })
    } catch (error) {
      assumed.delete(key)
      attempted('error')
      if (isNotFound(error)) return
      const message = `binding rejected: running Bind plugin "DefaultBinder": ${messageOf(error)}`
      log.error('Error scheduling pod; retrying', message, { pod: key })
      events.event(referenceTo(resources.pods, pod), 'Warning', 'FailedScheduling', message)
      throw error
    }
    attempted('scheduled')
    log.info(
      'Successfully bound pod to node',
      {
        pod: key,
        node: choice.node,
        evaluatedNodes: choice.evaluated,
        feasibleNodes: choice.feasible,
      },
      2,
    )
    const message = `Successfully assigned ${key} to ${choice.node}`
    events.event(referenceTo(resources.pods, pod), 'Normal', 'Scheduled', message)
  }

  async function sayUnschedulable(pod: Pod, message: string): Promise<void> {
    const said = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled')
    if (said?.status === 'False' && said.message === message) return
    const lastTransitionTime = said?.status === 'False' ? said.lastTransitionTime : time(clock.now())
    const condition = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message, lastTransitionTime }
    const { namespace = '', name = '' } = pod.metadata
    try {
      await client.patch(
        resources.pods,
        { namespace, name },
        { status: { conditions: [condition] } },
        { type: 'strategic', subresource: 'status' },
      )
    } catch (error) {
      if (!isNotFound(error)) log.error('Error updating pod', messageOf(error), { pod: keyOf(pod) })
    }
  }

  metrics.collect(() => {
    metrics.set('scheduler_pending_pods', unschedulable.size, { queue: 'unschedulable' })
  })

  return {
    start() {
      pods.start()
      nodes.start()
    },
    lead() {
      // a pod that is offered before the nodes are known would be said to fit nowhere
      void Promise.all([pods.synced, nodes.synced]).then(() => {
        leading = true
        for (const pod of pods.list()) offer(pod)
      })
    },
    get hasSynced() {
      return pods.hasSynced && nodes.hasSynced
    },
    async stop() {
      leading = false
      await Promise.all([pods.stop(), nodes.stop(), queue.stop(), events.close()])
    },
  }
}

/** What of a node may make a pod fit. */
const aspects = ({ spec, status, metadata }: Node) =>
  JSON.stringify([
    spec,
    metadata.labels,
    status?.allocatable,
    status?.conditions?.find(({ type }) => type === 'Ready')?.status,
  ])
