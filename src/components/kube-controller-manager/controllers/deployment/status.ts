/** A Deployment's status (pkg/controller/deployment/sync.go, progress.go). Pure. */
import { time } from '#kubernetes/time.ts'
import type { Condition, Deployment, ReplicaSet } from '#kubernetes/types.ts'
import { fenceposts } from './rolling.ts'

type Status = NonNullable<Deployment['status']>

const sum = (sets: readonly ReplicaSet[], of: (set: ReplicaSet) => number | undefined) =>
  sets.reduce((total, set) => total + (of(set) ?? 0), 0)

export function statusOf(
  deployment: Deployment,
  newest: ReplicaSet | undefined,
  all: readonly ReplicaSet[],
  now: Date,
): Status {
  const replicas = sum(all, set => set.status?.replicas)
  const availableReplicas = sum(all, set => set.status?.availableReplicas)
  const status: Status = {
    ...deployment.status,
    observedGeneration: deployment.metadata.generation ?? 0,
    replicas,
    updatedReplicas: newest?.status?.replicas ?? 0,
    readyReplicas: sum(all, set => set.status?.readyReplicas),
    availableReplicas,
    unavailableReplicas: Math.max(0, sum(all, set => set.spec.replicas) - availableReplicas),
  }
  const conditions = [available(deployment, status), progressing(deployment, newest, status)]
  return { ...status, conditions: conditions.map(condition => dated(condition, deployment.status?.conditions, now)) }
}

type Undated = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>

function available(deployment: Deployment, { availableReplicas = 0 }: Status): Undated {
  const least = (deployment.spec.replicas ?? 1) - fenceposts(deployment).maxUnavailable
  return availableReplicas >= least
    ? {
        type: 'Available',
        status: 'True',
        reason: 'MinimumReplicasAvailable',
        message: 'Deployment has minimum availability.',
      }
    : {
        type: 'Available',
        status: 'False',
        reason: 'MinimumReplicasUnavailable',
        message: 'Deployment does not have minimum availability.',
      }
}

function progressing(deployment: Deployment, newest: ReplicaSet | undefined, status: Status): Undated {
  const replicas = deployment.spec.replicas ?? 1
  const name = newest?.metadata.name
  const isComplete =
    status.updatedReplicas === replicas && status.replicas === replicas && status.availableReplicas === replicas
  const before = deployment.status?.conditions?.find(({ type }) => type === 'Progressing')
  if (deployment.spec.paused) {
    return { type: 'Progressing', status: 'Unknown', reason: 'DeploymentPaused', message: 'Deployment is paused' }
  }
  if (isComplete || (before?.reason === 'NewReplicaSetAvailable' && before.message?.includes(`"${name}"`))) {
    return {
      type: 'Progressing',
      status: 'True',
      reason: 'NewReplicaSetAvailable',
      message: `ReplicaSet "${name}" has successfully progressed.`,
    }
  }
  return {
    type: 'Progressing',
    status: 'True',
    reason: 'ReplicaSetUpdated',
    message: name ? `ReplicaSet "${name}" is progressing.` : `Deployment "${deployment.metadata.name}" is progressing.`,
  }
}

/** Times change only when what they date does. */
function dated(condition: Undated, before: readonly Condition[] | undefined, now: Date): Condition {
  const old = before?.find(({ type }) => type === condition.type)
  const isSame =
    old?.status === condition.status && old.reason === condition.reason && old.message === condition.message
  if (isSame) return old
  return {
    ...condition,
    lastUpdateTime: time(now),
    lastTransitionTime: old?.status === condition.status ? (old.lastTransitionTime ?? time(now)) : time(now),
  }
}
