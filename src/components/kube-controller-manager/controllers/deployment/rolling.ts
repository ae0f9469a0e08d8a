/** How far a rolling update may go in one step (pkg/controller/deployment/rolling.go). Pure. */
import type { Deployment, ReplicaSet } from '#kubernetes/types.ts'

export interface Scale {
  set: ReplicaSet
  replicas: number
}

/** intstr.GetScaledValueFromIntOrPercent. */
function scaled(value: number | string | undefined, total: number, round: (n: number) => number): number {
  if (typeof value === 'number') return value
  const percent = /^(\d+)%$/.exec(value ?? '25%')
  return percent ? round((Number(percent[1]) * total) / 100) : Number(value) || 0
}

/** deploymentutil.ResolveFenceposts: both zero would never move. */
export function fenceposts(deployment: Deployment): { maxSurge: number; maxUnavailable: number } {
  const replicas = deployment.spec.replicas ?? 1
  const { rollingUpdate = {}, type } = deployment.spec.strategy ?? {}
  if (type === 'Recreate') return { maxSurge: 0, maxUnavailable: replicas }
  const maxSurge = scaled(rollingUpdate.maxSurge, replicas, Math.ceil)
  const maxUnavailable = scaled(rollingUpdate.maxUnavailable, replicas, Math.floor)
  return { maxSurge, maxUnavailable: maxSurge === 0 && maxUnavailable === 0 ? 1 : Math.min(maxUnavailable, replicas) }
}

const sizeOf = (set: ReplicaSet) => set.spec.replicas ?? 0
const total = (sets: readonly ReplicaSet[]) => sets.reduce((sum, set) => sum + sizeOf(set), 0)

/** NewRSNewReplicas: the new set's size for now. */
export function newSetSize(deployment: Deployment, newest: ReplicaSet, all: readonly ReplicaSet[]): number {
  const replicas = deployment.spec.replicas ?? 1
  if (sizeOf(newest) >= replicas) return replicas
  const room = replicas + fenceposts(deployment).maxSurge - total(all)
  return room <= 0 ? sizeOf(newest) : Math.min(sizeOf(newest) + room, replicas)
}

/** reconcileOldReplicaSets: what is not healthy goes first, then whatever may be missed. */
export function oldSetSizes(deployment: Deployment, newest: ReplicaSet, old: readonly ReplicaSet[]): Scale[] {
  const replicas = deployment.spec.replicas ?? 1
  const least = replicas - fenceposts(deployment).maxUnavailable
  const available = (set: ReplicaSet) => Math.min(set.status?.availableReplicas ?? 0, sizeOf(set))
  const sizes = new Map(old.map(set => [set, sizeOf(set)]))
  const newUnavailable = sizeOf(newest) - (newest.status?.availableReplicas ?? 0)
  let mayGo = total([newest, ...old]) - least - newUnavailable
  for (const set of old) {
    const unhealthy = Math.max(0, Math.min(sizes.get(set)! - available(set), mayGo))
    sizes.set(set, sizes.get(set)! - unhealthy)
    mayGo -= unhealthy
  }
  let spare = [newest, ...old].reduce((sum, set) => sum + (set.status?.availableReplicas ?? 0), 0) - least
  for (const set of old) {
    const fewer = Math.max(0, Math.min(sizes.get(set)!, spare))
    sizes.set(set, sizes.get(set)! - fewer)
    spare -= fewer
  }
  return old.filter(set => sizes.get(set) !== sizeOf(set)).map(set => ({ set, replicas: sizes.get(set)! }))
}
