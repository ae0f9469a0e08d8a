/** Deployments, replica sets, daemon sets, stateful sets: pkg/apis/apps/v1/defaults.go and validation. */

import { matchesLabels } from '#kubernetes/selectors.ts'
import type { FieldError } from '#kubernetes/status.ts'
import type { LabelSelector, Unstructured } from '#kubernetes/types.ts'
import { at } from '../../columns/values.ts'
import { child, fill, podSpecDefaults } from '../defaults.ts'
import type { Strategy } from '../types.ts'
import { keepStatus } from './core.ts'
import { podSpecErrors, sorted } from './pods.ts'

type Fields = Record<string, unknown>

/** `spec.template`, with its pod's defaults. */
function template(object: Unstructured): Fields {
  const spec = child(object, 'spec')
  const pod = child(spec, 'template')
  pod.metadata ??= {}
  podSpecDefaults(child(pod, 'spec'))
  return spec
}

function errors(object: Unstructured): FieldError[] {
  const found: FieldError[] = []
  const selector = at(object, 'spec', 'selector') as LabelSelector | undefined
  const labels = at(object, 'spec', 'template', 'metadata', 'labels') as Record<string, string> | undefined
  if (!selector) found.push({ type: 'required', field: 'spec.selector' })
  else if (!matchesLabels(selector, labels))
    found.push({
      type: 'invalid',
      field: 'spec.template.metadata.labels',
      value: labels ?? {},
      detail: '`selector` does not match template `labels`',
    })
  const replicas = at(object, 'spec', 'replicas')
  if (typeof replicas === 'number' && replicas < 0)
    found.push({
      type: 'invalid',
      field: 'spec.replicas',
      value: replicas,
      detail: 'must be greater than or equal to 0',
    })
  found.push(...podSpecErrors(at(object, 'spec', 'template', 'spec'), 'spec.template.spec'))
  return found
}

function selectorStays(object: Unstructured, old: Unstructured): FieldError[] {
  const now = at(object, 'spec', 'selector')
  return JSON.stringify(sorted(now)) === JSON.stringify(sorted(at(old, 'spec', 'selector')))
    ? []
    : [{ type: 'invalid', field: 'spec.selector', value: now, detail: 'field is immutable' }]
}

const workload = (defaults: (spec: Fields) => void): Strategy => ({
  defaults: object => defaults(template(object)),
  create(object) {
    object.status = {}
  },
  update: keepStatus,
  validate: errors,
  validateUpdate: selectorStays,
  generation: true,
})

export const apps = {
  deployments: workload(spec => {
    fill(spec, { replicas: 1, revisionHistoryLimit: 10, progressDeadlineSeconds: 600 })
    const strategy = child(spec, 'strategy')
    fill(strategy, { type: 'RollingUpdate' })
    if (strategy.type === 'RollingUpdate')
      fill(child(strategy, 'rollingUpdate'), { maxUnavailable: '25%', maxSurge: '25%' })
  }),
  replicaSets: workload(spec => fill(spec, { replicas: 1 })),
  daemonSets: workload(spec => {
    fill(spec, { revisionHistoryLimit: 10 })
    const strategy = child(spec, 'updateStrategy')
    fill(strategy, { type: 'RollingUpdate' })
    if (strategy.type === 'RollingUpdate') fill(child(strategy, 'rollingUpdate'), { maxUnavailable: 1, maxSurge: 0 })
  }),
  statefulSets: workload(spec => {
    fill(spec, { replicas: 1, podManagementPolicy: 'OrderedReady', revisionHistoryLimit: 10 })
    fill(child(spec, 'persistentVolumeClaimRetentionPolicy'), { whenDeleted: 'Retain', whenScaled: 'Retain' })
    const strategy = child(spec, 'updateStrategy')
    fill(strategy, { type: 'RollingUpdate' })
    if (strategy.type === 'RollingUpdate') fill(child(strategy, 'rollingUpdate'), { partition: 0 })
  }),
} satisfies Record<string, Strategy>
