/** Where can a pod go? The default plugins' Filter, as a table in their order, and their words. */
import type { Node, Pod, Taint } from '#kubernetes/types.ts'
import { parseQuantity } from '../quantity.ts'
import { isTolerated } from '../tolerations.ts'
import { matchesNodeAffinity } from './node-affinity.ts'

/** A node and the pods on it, those included that are on their way. */
export interface NodeInfo {
  node: Node
  pods: readonly Pod[]
}

interface Filter {
  name: string
  /** False: removing other pods might help, so that preemption is thought about. */
  unresolvable: boolean
  /** Why not, in the plugin's words; empty when the pod fits. */
  check(pod: Pod, info: NodeInfo): string[]
}

export const filters: readonly Filter[] = [
  {
    name: 'NodeUnschedulable',
    unresolvable: true,
    check: ({ spec }, { node }) =>
      node.spec?.unschedulable &&
      !isTolerated(spec.tolerations, { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' })
        ? ['node(s) were unschedulable']
        : [],
  },
  {
    name: 'TaintToleration',
    unresolvable: true,
    check({ spec }, { node }) {
      const taint = taintsOf(node).find(
        candidate =>
          (candidate.effect === 'NoSchedule' || candidate.effect === 'NoExecute') &&
          !isTolerated(spec.tolerations, candidate),
      )
      return taint ? [`node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`] : []
    },
  },
  {
    name: 'NodeAffinity',
    unresolvable: true,
    check: (pod, { node }) =>
      matchesNodeAffinity(pod, node) ? [] : ["node(s) didn't match Pod's node affinity/selector"],
  },
  {
    name: 'NodePorts',
    unresolvable: false,
    check(pod, { pods }) {
      const wanted = hostPorts(pod)
      if (wanted.length === 0) return []
      const taken = new Set(pods.flatMap(hostPorts))
      return wanted.some(port => taken.has(port)) ? ["node(s) didn't have free ports for the requested pod ports"] : []
    },
  },
  {
    name: 'NodeResourcesFit',
    unresolvable: false,
    check(pod, { node, pods }) {
      const allocatable = node.status?.allocatable ?? {}
      const problems: string[] = []
      if (allocatable.pods !== undefined && pods.length + 1 > (parseQuantity(allocatable.pods) ?? 0))
        problems.push('Too many pods')
      for (const [resource, wanted] of requestsOf(pod)) {
        if (wanted === 0) continue
        const used = pods.reduce((sum, other) => sum + (requestsOf(other).get(resource) ?? 0), 0)
        if (wanted + used > (parseQuantity(allocatable[resource] ?? '0') ?? 0))
          problems.push(`Insufficient ${resource}`)
      }
      return problems
    },
  },
]

/**
 * A node's taints. kube-controller-manager turns a Ready condition that is not True into one; until it has, the condition
 * stands for it, so that nothing is sent to a node that just died.
 */
function taintsOf({ spec, status }: Node): readonly Taint[] {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')
  if (ready?.status === 'True') return spec?.taints ?? []
  const key = ready?.status === 'Unknown' ? 'node.kubernetes.io/unreachable' : 'node.kubernetes.io/not-ready'
  return [...(spec?.taints ?? []), { key, effect: 'NoSchedule' }]
}

const hostPorts = ({ spec }: Pod) =>
  spec.containers.flatMap(({ ports = [] }) =>
    (ports as { hostPort?: number; protocol?: string }[]).flatMap(({ hostPort, protocol }) =>
      hostPort ? [`${protocol ?? 'TCP'}/${hostPort}`] : [],
    ),
  )

const requested = new WeakMap<Pod['spec'], ReadonlyMap<string, number>>()

/** resourcehelper.PodRequests: the sum of the containers', or the largest init container's. */
function requestsOf({ spec }: Pod): ReadonlyMap<string, number> {
  const known = requested.get(spec)
  if (known) return known
  const total = new Map<string, number>()
  for (const { resources } of spec.containers)
    for (const [name, text] of Object.entries(resources?.requests ?? {}))
      total.set(name, (total.get(name) ?? 0) + (parseQuantity(text) ?? 0))
  for (const { resources } of spec.initContainers ?? [])
    for (const [name, text] of Object.entries(resources?.requests ?? {}))
      total.set(name, Math.max(total.get(name) ?? 0, parseQuantity(text) ?? 0))
  requested.set(spec, total)
  return total
}
