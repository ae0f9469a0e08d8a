/** Pods: pkg/registry/core/pod/strategy.go and what of the validation people meet. */
import type { FieldError } from '#kubernetes/status.ts'
import { time } from '#kubernetes/time.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import { array, at, text } from '../../columns/values.ts'
import { child, list, podSpecDefaults } from '../defaults.ts'
import { nameErrors } from '../names.ts'
import type { Strategy } from '../types.ts'

type Fields = Record<string, unknown>

/** qos.ComputePodQOS, by cpu and memory. */
function qosClass(pod: Unstructured): string {
  const containers = [...array(pod, 'spec', 'containers'), ...array(pod, 'spec', 'initContainers')]
  const asked = (container: Fields, kind: string) =>
    Object.entries((at(container, 'resources', kind) as Fields) ?? {}).filter(
      ([name]) => name === 'cpu' || name === 'memory',
    )
  if (containers.every(c => asked(c, 'requests').length === 0 && asked(c, 'limits').length === 0)) return 'BestEffort'
  const guaranteed = containers.every(c => {
    const limits = new Map(asked(c, 'limits'))
    return limits.size === 2 && asked(c, 'requests').every(([name, value]) => limits.get(name) === value)
  })
  return guaranteed ? 'Guaranteed' : 'Burstable'
}

/** Checks of a pod's or a template's spec. */
export function podSpecErrors(spec: unknown, path: string): FieldError[] {
  const errors: FieldError[] = []
  const containers = array(spec, 'containers')
  if (containers.length === 0) errors.push({ type: 'required', field: `${path}.containers` })
  const seen = new Set<string>()
  for (const [group, rows] of [
    ['containers', containers],
    ['initContainers', array(spec, 'initContainers')],
  ] as const) {
    for (const [i, container] of rows.entries()) {
      const field = `${path}.${group}[${i}]`
      const name = text(container, 'name')
      if (name === '') errors.push({ type: 'required', field: `${field}.name` })
      else errors.push(...nameErrors(name, 'label', `${field}.name`))
      if (seen.has(name) && name) errors.push({ type: 'duplicate', field: `${field}.name`, value: name })
      seen.add(name)
      if (text(container, 'image') === '') errors.push({ type: 'required', field: `${field}.image` })
      const volumes = array(spec, 'volumes').map(volume => text(volume, 'name'))
      for (const [j, mount] of list(container.volumeMounts).entries()) {
        if (!volumes.includes(text(mount, 'name')))
          errors.push({ type: 'notFound', field: `${field}.volumeMounts[${j}].name`, value: text(mount, 'name') })
      }
    }
  }
  const policy = text(spec, 'restartPolicy')
  if (!['Always', 'OnFailure', 'Never'].includes(policy))
    errors.push({
      type: 'notSupported',
      field: `${path}.restartPolicy`,
      value: policy,
      detail: 'supported values: "Always", "OnFailure", "Never"',
    })
  return errors
}

/** Fields of the spec that an update may change; the rest must stay: ValidatePodUpdate. */
const mutable = ['activeDeadlineSeconds', 'tolerations', 'terminationGracePeriodSeconds', 'schedulingGates']

function frozen(spec: unknown): string {
  const copy = structuredClone(spec ?? {}) as Fields
  for (const key of mutable) delete copy[key]
  for (const container of [...list(copy.containers), ...list(copy.initContainers)]) delete container.image
  return JSON.stringify(sorted(copy))
}

/** Keys in one order at every depth, so that texts can be compared. */
export function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  )
}

export const pods: Strategy = {
  defaults(pod) {
    const spec = child(pod, 'spec')
    podSpecDefaults(spec)
    if (spec.enableServiceLinks === undefined) spec.enableServiceLinks = true
    if (spec.preemptionPolicy === undefined) spec.preemptionPolicy = 'PreemptLowerPriority'
    if (spec.priority === undefined) spec.priority = 0
  },
  create(pod) {
    pod.status = { phase: 'Pending', qosClass: qosClass(pod) }
  },
  update(pod, old) {
    pod.status = old.status
    // The node is the scheduler's to say, once, by a binding.
    const node = text(old, 'spec', 'nodeName')
    if (node) child(pod, 'spec').nodeName = node
  },
  validate: pod => podSpecErrors(pod.spec, 'spec'),
  validateUpdate(pod, old) {
    return frozen(pod.spec) === frozen(old.spec)
      ? []
      : [
          {
            type: 'forbidden',
            field: 'spec',
            detail:
              'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)',
          },
        ]
  },
  gracePeriodSeconds: pod => Number(at(pod, 'spec', 'terminationGracePeriodSeconds') ?? 30),
}

/** What a binding does to a pod: the node, and the PodScheduled condition. */
export function bind(
  pod: Unstructured,
  node: string,
  annotations: Record<string, string> | undefined,
  now: Date,
): void {
  child(pod, 'spec').nodeName = node
  if (annotations) pod.metadata.annotations = { ...pod.metadata.annotations, ...annotations }
  const status = child(pod, 'status')
  status.conditions = [
    ...list(status.conditions).filter(condition => condition.type !== 'PodScheduled'),
    { type: 'PodScheduled', status: 'True', lastProbeTime: null, lastTransitionTime: time(now) },
  ]
}
