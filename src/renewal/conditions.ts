/** Conditions as cert-manager keeps them: a time that changes with the status alone, and the generation that was looked at. */
import { time } from '#kubernetes/time.ts'
import type { Condition, KubeObject } from '#kubernetes/types.ts'

interface WithConditions extends KubeObject {
  status?: { conditions?: Condition[] }
}

export const conditionOf = ({ status }: WithConditions, type: string): Condition | undefined =>
  status?.conditions?.find(condition => condition.type === type)

export const isTrue = (object: WithConditions, type: string): boolean => conditionOf(object, type)?.status === 'True'

/** Changes the object. */
export function setCondition(
  object: WithConditions,
  condition: Pick<Condition, 'type' | 'status' | 'reason' | 'message'>,
  now: Date,
): void {
  const old = conditionOf(object, condition.type)
  const { generation } = object.metadata
  const next: Condition = {
    lastTransitionTime: old?.status === condition.status && old.lastTransitionTime ? old.lastTransitionTime : time(now),
    message: condition.message ?? '',
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    reason: condition.reason ?? '',
    status: condition.status,
    type: condition.type,
  }
  const all = object.status?.conditions ?? []
  object.status = {
    ...object.status,
    conditions: old ? all.map(each => (each === old ? next : each)) : [...all, next],
  }
}

/** Changes the object. */
export function removeCondition(object: WithConditions, type: string): void {
  if (!object.status) return
  object.status = {
    ...object.status,
    conditions: (object.status.conditions ?? []).filter(condition => condition.type !== type),
  }
}
