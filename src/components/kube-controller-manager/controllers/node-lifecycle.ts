/** node-lifecycle-controller: a node that is silent for too long is Unknown, and its pods are not ready (pkg/controller/nodelifecycle). */
import { resources } from '#kubernetes/resources.ts'
import { isConflict, isNotFound } from '#kubernetes/status.ts'
import { time } from '#kubernetes/time.ts'
import type { Condition, KubeObject, Node, Taint } from '#kubernetes/types.ts'
import { referenceTo } from '../../event-recorder.ts'
import { WorkQueue } from '../../work-queue.ts'
import type { Controller, ControllerContext } from './controller.ts'

const notReady = 'node.kubernetes.io/not-ready'
const unreachable = 'node.kubernetes.io/unreachable'
const ours = [notReady, unreachable]

interface Health {
  /** What was last seen of its lease and its status; when it changes the node lives. */
  heartbeat: string
  /** By a clock that nobody sets. */
  seenAt: number
}

/** The kubelet posts these four; all of them become Unknown. */
const conditionTypes = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure']

export function createNodeLifecycleController(context: ControllerContext): Controller {
  const { client, informers, log, events, clock, values } = context
  const { nodes, leases, pods } = informers
  const graceMs = values['node-monitor-grace-period']
  const healths = new Map<string, Health>()
  const queue = new WorkQueue({ name: 'node', log, sync })

  const readyOf = (node: Node) => node.status?.conditions?.find(({ type }) => type === 'Ready')

  /** The original looks every --node-monitor-period; this looks when the last heartbeat will be too old. */
  function look(name: string): void {
    const node = nodes.get(name)
    if (!node) {
      healths.delete(name)
      return
    }
    const heartbeat = [readyOf(node)?.lastHeartbeatTime, leases.get(`kube-node-lease/${name}`)?.spec?.renewTime].join()
    if (healths.get(name)?.heartbeat !== heartbeat) healths.set(name, { heartbeat, seenAt: performance.now() })
    queue.add(name)
  }

  async function sync(name: string): Promise<void> {
    const node = nodes.get(name)
    const health = healths.get(name)
    if (!node || !health) return
    const silentMs = performance.now() - health.seenAt
    try {
      if (silentMs < graceMs) queue.addAfter(name, graceMs - silentMs + 1)
      else if (readyOf(node)?.status !== 'Unknown') return await markUnknown(node)
      await taint(node)
      if (readyOf(node)?.status !== 'True') await markPods(name)
    } catch (error) {
      if (!isConflict(error) && !isNotFound(error)) throw error
    }
  }

  async function markUnknown(node: Node): Promise<void> {
    const now = time(clock.now())
    const before = node.status?.conditions ?? []
    const silent = conditionTypes.map((type): Condition => {
      const old = before.find(condition => condition.type === type)
      const isNew = old?.status !== 'Unknown'
      return {
        type,
        status: 'Unknown',
        reason: old ? 'NodeStatusUnknown' : 'NodeStatusNeverUpdated',
        message: old ? 'Kubelet stopped posting node status.' : 'Kubelet never posted node status.',
        lastHeartbeatTime: old?.lastHeartbeatTime ?? node.metadata.creationTimestamp ?? now,
        lastTransitionTime: isNew ? now : (old.lastTransitionTime ?? now),
      }
    })
    const others = before.filter(({ type }) => !conditionTypes.includes(type))
    await client.updateStatus(resources.nodes, {
      ...node,
      status: { ...node.status, conditions: [...others, ...silent] },
    })
    const name = node.metadata.name!
    events.event(
      { ...referenceTo(resources.nodes, node), uid: name },
      'Normal',
      'NodeNotReady',
      `Node ${name} status is now: NodeNotReady`,
    )
    log.info('Node is unresponsive as of now', { node: name })
  }

  async function taint(node: Node): Promise<void> {
    const key = { True: undefined, False: notReady, Unknown: unreachable }[readyOf(node)?.status ?? 'Unknown']
    const before = node.spec?.taints ?? []
    const wanted: Taint['effect'][] = key ? ['NoSchedule', 'NoExecute'] : []
    const kept = before.filter(one => !ours.includes(one.key) || (one.key === key && wanted.includes(one.effect)))
    const missing = wanted.filter(effect => !kept.some(one => one.key === key && one.effect === effect))
    if (missing.length === 0 && kept.length === before.length) return
    const timeAdded = time(clock.now())
    const added = missing.map(
      (effect): Taint => ({ key: key!, effect, ...(effect === 'NoExecute' ? { timeAdded } : {}) }),
    )
    // a merge patch replaces the list: the version says that it is the one that was read
    const { resourceVersion } = node.metadata
    await client.patch(
      resources.nodes,
      { name: node.metadata.name! },
      { metadata: { resourceVersion }, spec: { taints: [...kept, ...added] } },
    )
  }

  /** MarkPodsNotReady: services stop sending to them. */
  async function markPods(name: string): Promise<void> {
    for (const pod of pods.by('node', name)) {
      const conditions = pod.status?.conditions ?? []
      if (conditions.find(({ type }) => type === 'Ready')?.status !== 'True') continue
      const changed = conditions.map(condition =>
        condition.type === 'Ready'
          ? { ...condition, status: 'False' as const, lastTransitionTime: time(clock.now()) }
          : condition,
      )
      const { namespace = '', name: podName = '', resourceVersion } = pod.metadata
      await client.patch(
        resources.pods,
        { namespace, name: podName },
        { metadata: { resourceVersion }, status: { conditions: changed } },
        { subresource: 'status' },
      )
      events.event(referenceTo(resources.pods, pod), 'Warning', 'NodeNotReady', 'Node is not ready')
    }
  }

  return {
    start() {
      const onNode = ({ metadata }: KubeObject) => look(metadata.name!)
      nodes.on('add', onNode).on('update', onNode).on('delete', onNode)
      leases.on('add', onNode).on('update', onNode)
      nodes.list().forEach(onNode)
    },
    stop: () => queue.stop(),
  }
}
