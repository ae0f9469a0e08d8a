/** One pod, all nodes: the node that it goes to, or the original's sentence about why there is none. Pure. */
import type { Pod } from '#kubernetes/types.ts'
import { filters, type NodeInfo } from './filters.ts'

export type Choice = { node: string; evaluated: number; feasible: number } | { message: string }

export function chooseNode(pod: Pod, nodes: readonly NodeInfo[]): Choice {
  if (nodes.length === 0) return { message: 'no nodes available to schedule pods' }
  const reasons = new Map<string, number>()
  const preemption = new Map<string, number>()
  const feasible: NodeInfo[] = []
  for (const info of nodes) {
    const failed = failedFilter(pod, info)
    if (!failed) {
      feasible.push(info)
      continue
    }
    for (const problem of failed.problems) count(reasons, problem)
    count(
      preemption,
      failed.unresolvable ? 'Preemption is not helpful for scheduling' : 'No preemption victims found for incoming pod',
    )
  }
  const best = feasible.sort((a, b) => a.pods.length - b.pods.length || siblings(pod, a) - siblings(pod, b))[0]
  if (best) return { node: best.node.metadata.name!, evaluated: nodes.length, feasible: feasible.length }
  const available = `0/${nodes.length} nodes are available:`
  return { message: `${available} ${histogram(reasons)}. preemption: ${available} ${histogram(preemption)}.` }
}

function failedFilter(pod: Pod, info: NodeInfo): { problems: string[]; unresolvable: boolean } | undefined {
  for (const { check, unresolvable } of filters) {
    const problems = check(pod, info)
    if (problems.length > 0) return { problems, unresolvable }
  }
  return undefined
}

/** How many pods of the same controller are there already. */
function siblings(pod: Pod, { pods }: NodeInfo): number {
  const owner = pod.metadata.ownerReferences?.find(({ controller }) => controller)?.uid
  return owner ? pods.filter(other => other.metadata.ownerReferences?.some(({ uid }) => uid === owner)).length : 0
}

const count = (map: Map<string, number>, key: string) => map.set(key, (map.get(key) ?? 0) + 1)

/** framework.FitError: `1 Insufficient cpu, 2 node(s) were unschedulable`. */
const histogram = (map: ReadonlyMap<string, number>) =>
  [...map]
    .map(([reason, times]) => `${times} ${reason}`)
    .sort()
    .join(', ')
