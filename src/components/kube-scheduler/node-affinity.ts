/** nodeSelector and nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution. */
import type { Node, Pod } from '#kubernetes/types.ts'

interface Requirement {
  key: string
  operator: string
  values?: string[]
}

interface Affinity {
  nodeAffinity?: {
    requiredDuringSchedulingIgnoredDuringExecution?: {
      nodeSelectorTerms?: { matchExpressions?: Requirement[]; matchFields?: Requirement[] }[]
    }
  }
}

export function matchesNodeAffinity({ spec }: Pod, { metadata }: Node): boolean {
  const labels = metadata.labels ?? {}
  if (Object.entries(spec.nodeSelector ?? {}).some(([key, value]) => labels[key] !== value)) return false
  const required = (spec.affinity as Affinity | undefined)?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  if (!required) return true
  const fields = { 'metadata.name': metadata.name ?? '' }
  // Terms are alternatives; one without any requirement matches nothing.
  return (required.nodeSelectorTerms ?? []).some(({ matchExpressions = [], matchFields = [] }) => {
    if (matchExpressions.length + matchFields.length === 0) return false
    return matchExpressions.every(one => holds(one, labels)) && matchFields.every(one => holds(one, fields))
  })
}

function holds({ key, operator, values = [] }: Requirement, labels: Record<string, string>): boolean {
  const value = labels[key]
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    case 'Gt':
      return value !== undefined && Number(value) > Number(values[0])
    case 'Lt':
      return value !== undefined && Number(value) < Number(values[0])
    default:
      return false
  }
}
