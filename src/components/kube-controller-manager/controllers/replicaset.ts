/** replicaset-controller: as many pods as spec.replicas says (pkg/controller/replicaset). */
import { messageOf } from '#errors.ts'
import { keyOf, resources } from '#kubernetes/resources.ts'
import { isConflict, isNotFound } from '#kubernetes/status.ts'
import type { Pod, ReplicaSet } from '#kubernetes/types.ts'
import { referenceTo } from '../../event-recorder.ts'
import { WorkQueue } from '../../work-queue.ts'
import type { Controller, ControllerContext } from './controller.ts'
import { byDeletionOrder, controllerOf, isActive, isReady, readySince } from './pods.ts'

/** The original's: pods made or deleted in one go. */
const burst = 500

export function createReplicaSetController(context: ControllerContext): Controller {
  const { client, informers, log, events, clock } = context
  const { replicasets, pods } = informers
  const queue = new WorkQueue({ name: 'replicaset', log, sync })
  /** Made or deleted by us and not yet seen so: the informers lag behind our own writes ("expectations"). */
  const made = new Map<string, string>()
  const deleted = new Set<string>()

  const seen = (pod: Pod) => {
    made.delete(pod.metadata.uid ?? '')
    const owner = controllerOf(pod)
    if (owner?.kind === 'ReplicaSet') queue.add(`${pod.metadata.namespace}/${owner.name}`)
  }

  async function sync(key: string): Promise<void> {
    const set = replicasets.get(key)
    if (!set) return
    const uid = set.metadata.uid ?? ''
    const owned = pods.by('owner', uid).filter(pod => controllerOf(pod)?.uid === uid)
    const active = owned.filter(pod => isActive(pod) && !deleted.has(pod.metadata.uid ?? ''))
    const onTheirWay = [...made.values()].filter(owner => owner === uid).length
    const difference = (set.spec.replicas ?? 1) - active.length - onTheirWay
    if (!set.metadata.deletionTimestamp) {
      if (difference > 0) await create(set, Math.min(difference, burst))
      else if (difference < 0) await remove(set, active.sort(byDeletionOrder).slice(0, Math.min(-difference, burst)))
    }
    await updateStatus(set, owned.filter(isActive))
  }

  async function create(set: ReplicaSet, count: number): Promise<void> {
    const { name, namespace = '', uid = '' } = set.metadata
    const { template } = set.spec
    const one = async () => {
      try {
        const pod = await client.create(resources.pods, {
          metadata: {
            generateName: `${name}-`,
            namespace,
            labels: template?.metadata?.labels ?? {},
            ...(template?.metadata?.annotations ? { annotations: template.metadata.annotations } : {}),
            ownerReferences: [
              {
                apiVersion: 'apps/v1',
                kind: 'ReplicaSet',
                name: name!,
                uid,
                controller: true,
                blockOwnerDeletion: true,
              },
            ],
          },
          spec: template!.spec,
        } as Pod)
        if (!pods.get(keyOf(pod))) made.set(pod.metadata.uid ?? '', uid)
        events.event(
          referenceTo(resources.replicasets, set),
          'Normal',
          'SuccessfulCreate',
          `Created pod: ${pod.metadata.name}`,
        )
      } catch (error) {
        const message = `Error creating: ${messageOf(error)}`
        events.event(referenceTo(resources.replicasets, set), 'Warning', 'FailedCreate', message)
        throw error
      }
    }
    const results = await Promise.allSettled(Array.from({ length: count }, one))
    const failed = results.find(result => result.status === 'rejected')
    if (failed) throw failed.reason
  }

  async function remove(set: ReplicaSet, victims: Pod[]): Promise<void> {
    await Promise.all(
      victims.map(async ({ metadata }) => {
        deleted.add(metadata.uid ?? '')
        try {
          await client.delete(resources.pods, { namespace: metadata.namespace ?? '', name: metadata.name ?? '' })
          events.event(
            referenceTo(resources.replicasets, set),
            'Normal',
            'SuccessfulDelete',
            `Deleted pod: ${metadata.name}`,
          )
        } catch (error) {
          deleted.delete(metadata.uid ?? '')
          if (!isNotFound(error)) throw error
        }
      }),
    )
  }

  async function updateStatus(set: ReplicaSet, active: Pod[]): Promise<void> {
    const wanted = Object.entries(set.spec.template?.metadata?.labels ?? {})
    const minReadyMs = (set.spec.minReadySeconds ?? 0) * 1000
    const now = clock.now().getTime()
    const ready = active.filter(isReady)
    const waits = ready.map(pod => (readySince(pod) ?? 0) + minReadyMs - now).filter(ms => minReadyMs > 0 && ms > 0)
    if (waits.length > 0) queue.addAfter(keyOf(set), Math.min(...waits))
    const status = {
      replicas: active.length,
      fullyLabeledReplicas: active.filter(pod => wanted.every(([k, v]) => pod.metadata.labels?.[k] === v)).length,
      readyReplicas: ready.length,
      availableReplicas: ready.length - waits.length,
      observedGeneration: set.metadata.generation ?? 0,
    }
    const before = set.status ?? { replicas: 0 }
    if ((Object.keys(status) as (keyof typeof status)[]).every(name => (before[name] ?? 0) === status[name])) return
    try {
      await client.updateStatus(resources.replicasets, { ...set, status: { ...before, ...status } })
    } catch (error) {
      // somebody wrote in between: the watch brings it, and us back here
      if (!isConflict(error) && !isNotFound(error)) throw error
    }
  }

  return {
    start() {
      replicasets.on('add', set => queue.add(keyOf(set))).on('update', set => queue.add(keyOf(set)))
      pods
        .on('add', seen)
        .on('update', seen)
        .on('delete', pod => {
          deleted.delete(pod.metadata.uid ?? '')
          seen(pod)
        })
      for (const set of replicasets.list()) queue.add(keyOf(set))
    },
    stop: () => queue.stop(),
  }
}
