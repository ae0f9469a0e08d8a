/** What controllers ask of pods. */
import type { KubeObject, OwnerReference, Pod } from '#kubernetes/types.ts'

export const controllerOf = ({ metadata }: KubeObject): OwnerReference | undefined =>
  metadata.ownerReferences?.find(owner => owner.controller)

/** controller.FilterActivePods. */
export const isActive = (pod: Pod) =>
  pod.status?.phase !== 'Succeeded' && pod.status?.phase !== 'Failed' && !pod.metadata.deletionTimestamp

export const readySince = (pod: Pod): number | undefined => {
  const ready = pod.status?.conditions?.find(({ type }) => type === 'Ready')
  return ready?.status === 'True' ? Date.parse(ready.lastTransitionTime ?? '') || 0 : undefined
}

export const isReady = (pod: Pod) => readySince(pod) !== undefined

/** controller.ActivePods: who is deleted first stands first. */
export function byDeletionOrder(a: Pod, b: Pod): number {
  const phases = ['Pending', 'Unknown', 'Running']
  const ranks: ((pod: Pod) => number)[] = [
    pod => (pod.spec.nodeName ? 1 : 0),
    pod => phases.indexOf(pod.status?.phase ?? 'Pending'),
    pod => (isReady(pod) ? 1 : 0),
    pod => -(readySince(pod) ?? 0),
    pod => -Date.parse(pod.metadata.creationTimestamp ?? ''),
  ]
  for (const rank of ranks) {
    const difference = rank(a) - rank(b)
    if (difference !== 0 && !Number.isNaN(difference)) return difference
  }
  return 0
}
