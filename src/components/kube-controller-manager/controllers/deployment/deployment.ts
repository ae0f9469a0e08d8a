/** deployment-controller: the newest template in a ReplicaSet of its own, rolled out within the Deployment's strategy (pkg/controller/deployment). */
import { isDeepStrictEqual } from 'node:util'
import { messageOf } from '#errors.ts'
import { keyOf, resources } from '#kubernetes/resources.ts'
import { isAlreadyExists, isConflict, isNotFound } from '#kubernetes/status.ts'
import type { Deployment, ReplicaSet } from '#kubernetes/types.ts'
import { referenceTo } from '../../../event-recorder.ts'
import { WorkQueue } from '../../../work-queue.ts'
import type { Controller, ControllerContext } from '../controller.ts'
import { controllerOf } from '../pods.ts'
import { fenceposts, newSetSize, oldSetSizes } from './rolling.ts'
import { statusOf } from './status.ts'
import { hashLabel, newestOf, revisionAnnotation, revisionOf, templateHash } from './template.ts'

export function createDeploymentController(context: ControllerContext): Controller {
  const { client, informers, log, events, clock } = context
  const { deployments, replicasets } = informers
  const queue = new WorkQueue({ name: 'deployment', log, sync })

  async function sync(key: string): Promise<void> {
    const deployment = deployments.get(key)
    if (!deployment || deployment.metadata.deletionTimestamp) return
    const { uid = '' } = deployment.metadata
    const all = replicasets.by('owner', uid).filter(set => controllerOf(set)?.uid === uid)
    try {
      // a copy: the object itself is the informer’s
      await roll({ ...deployment }, all)
    } catch (error) {
      // our copy was old: the watch brings the newer one, and us back here
      if (!isConflict(error)) throw error
      log.info('Deployment has been modified, waiting for the newer one', { key, err: messageOf(error) }, 2)
    }
  }

  async function roll(deployment: Deployment, all: ReplicaSet[]): Promise<void> {
    let newest = newestOf(deployment, all)
    const old = all.filter(set => set !== newest)
    const isRecreate = deployment.spec.strategy?.type === 'Recreate'
    if (!deployment.spec.paused) {
      const areOldGone = old.every(set => (set.spec.replicas ?? 0) === 0 && (set.status?.replicas ?? 0) === 0)
      if (isRecreate && !areOldGone) {
        for (const set of old) await scale(deployment, set, 0)
      } else {
        newest ??= await create(deployment, all)
        if (newest) newest = await raiseRevision(deployment, newest, old)
      }
      if (newest) {
        const size = isRecreate
          ? areOldGone
            ? (deployment.spec.replicas ?? 1)
            : 0
          : newSetSize(deployment, newest, [newest, ...old])
        newest = await scale(deployment, newest, size)
        if (!isRecreate) {
          for (const { set, replicas } of oldSetSizes(deployment, newest, old)) await scale(deployment, set, replicas)
        }
        await forget(deployment, old)
      }
    } else if (newest && old.every(set => (set.spec.replicas ?? 0) === 0)) {
      // a paused Deployment is still scaled
      newest = await scale(deployment, newest, deployment.spec.replicas ?? 1)
    }
    await updateStatus(deployment, newest, newest ? [newest, ...old] : old)
  }

  async function create(deployment: Deployment, all: readonly ReplicaSet[]): Promise<ReplicaSet | undefined> {
    const { name, namespace = '', uid = '', annotations = {} } = deployment.metadata
    const { template, selector, replicas = 1, minReadySeconds } = deployment.spec
    const hash = templateHash(template, deployment.status?.collisionCount)
    const labels = { ...template.metadata?.labels, [hashLabel]: hash }
    const {
      'kubectl.kubernetes.io/last-applied-configuration': _applied,
      [revisionAnnotation]: _own,
      ...copied
    } = annotations
    const room =
      replicas + fenceposts(deployment).maxSurge - all.reduce((sum, set) => sum + (set.spec.replicas ?? 0), 0)
    const size = Math.max(0, Math.min(replicas, deployment.spec.strategy?.type === 'Recreate' ? replicas : room))
    const set: ReplicaSet = {
      metadata: {
        name: `${name}-${hash}`,
        namespace,
        labels,
        annotations: {
          ...copied,
          'deployment.kubernetes.io/desired-replicas': String(replicas),
          'deployment.kubernetes.io/max-replicas': String(replicas + fenceposts(deployment).maxSurge),
          [revisionAnnotation]: String(Math.max(0, ...all.map(revisionOf)) + 1),
        },
        ownerReferences: [
          { apiVersion: 'apps/v1', kind: 'Deployment', name: name!, uid, controller: true, blockOwnerDeletion: true },
        ],
      },
      spec: {
        replicas: size,
        selector: { ...selector, matchLabels: { ...selector.matchLabels, [hashLabel]: hash } },
        template: { ...template, metadata: { ...template.metadata, labels } },
        ...(minReadySeconds ? { minReadySeconds } : {}),
      },
    }
    try {
      const created = await client.create(resources.replicasets, set)
      say(deployment, `Scaled up replica set ${created.metadata.name} from 0 to ${size}`)
      return created
    } catch (error) {
      // ours, and the informer has not seen it yet: it will bring us back
      if (isAlreadyExists(error)) return undefined
      throw error
    }
  }

  /** SetNewReplicaSetAnnotations: a template that is gone back to becomes the latest revision; the Deployment says which it is. */
  async function raiseRevision(
    deployment: Deployment,
    newest: ReplicaSet,
    old: readonly ReplicaSet[],
  ): Promise<ReplicaSet> {
    const revision = Math.max(revisionOf(newest), ...old.map(set => revisionOf(set) + 1))
    let set = newest
    if (revision !== revisionOf(newest)) {
      const annotations = { ...newest.metadata.annotations, [revisionAnnotation]: String(revision) }
      set = await client.update(resources.replicasets, { ...newest, metadata: { ...newest.metadata, annotations } })
    }
    if (deployment.metadata.annotations?.[revisionAnnotation] !== String(revision)) {
      const annotations = { ...deployment.metadata.annotations, [revisionAnnotation]: String(revision) }
      const updated = await client.update(resources.deployments, {
        ...deployment,
        metadata: { ...deployment.metadata, annotations },
      })
      deployment.metadata = updated.metadata
    }
    return set
  }

  async function scale(deployment: Deployment, set: ReplicaSet, replicas: number): Promise<ReplicaSet> {
    const before = set.spec.replicas ?? 0
    if (before === replicas) return set
    const scaled = await client.update(resources.replicasets, { ...set, spec: { ...set.spec, replicas } })
    say(
      deployment,
      `Scaled ${replicas > before ? 'up' : 'down'} replica set ${set.metadata.name} from ${before} to ${replicas}`,
    )
    return scaled
  }

  /** cleanupDeployment: spec.revisionHistoryLimit old ones are kept. */
  async function forget(deployment: Deployment, old: readonly ReplicaSet[]): Promise<void> {
    const empty = old.filter(set => !set.spec.replicas && !set.status?.replicas && !set.metadata.deletionTimestamp)
    const surplus = empty.length - (deployment.spec.revisionHistoryLimit ?? 10)
    for (const { metadata } of empty.sort((a, b) => revisionOf(a) - revisionOf(b)).slice(0, Math.max(0, surplus))) {
      await client
        .delete(resources.replicasets, { namespace: metadata.namespace ?? '', name: metadata.name ?? '' })
        .catch(error => {
          if (!isNotFound(error)) throw error
        })
    }
  }

  async function updateStatus(
    deployment: Deployment,
    newest: ReplicaSet | undefined,
    all: readonly ReplicaSet[],
  ): Promise<void> {
    const status = statusOf(deployment, newest, all, clock.now())
    if (isDeepStrictEqual(status, deployment.status)) return
    await client.updateStatus(resources.deployments, { ...deployment, status }).catch(error => {
      if (!isNotFound(error)) throw error
    })
  }

  const say = (deployment: Deployment, message: string) =>
    events.event(referenceTo(resources.deployments, deployment), 'Normal', 'ScalingReplicaSet', message)

  const owner = (set: ReplicaSet) => {
    const reference = controllerOf(set)
    if (reference?.kind === 'Deployment') queue.add(`${set.metadata.namespace}/${reference.name}`)
  }

  return {
    start() {
      deployments.on('add', one => queue.add(keyOf(one))).on('update', one => queue.add(keyOf(one)))
      replicasets.on('add', owner).on('update', owner).on('delete', owner)
      for (const one of deployments.list()) queue.add(keyOf(one))
    },
    stop: () => queue.stop(),
  }
}
