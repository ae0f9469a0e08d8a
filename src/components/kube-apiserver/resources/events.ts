/** Events are stored as core/v1 has them and shown in events.k8s.io/v1, too. */
import type { Unstructured } from '#kubernetes/types.ts'
import { text } from '../columns/values.ts'
import type { ResourceDefinition } from './types.ts'

/** core/v1's field, events.k8s.io/v1's. */
const renamed = [
  ['involvedObject', 'regarding'],
  ['message', 'note'],
  ['reportingComponent', 'reportingController'],
  ['source', 'deprecatedSource'],
  ['firstTimestamp', 'deprecatedFirstTimestamp'],
  ['lastTimestamp', 'deprecatedLastTimestamp'],
  ['count', 'deprecatedCount'],
] as const

function convert(event: Unstructured, apiVersion: string, names: readonly (readonly [string, string])[]): Unstructured {
  const { kind, apiVersion: _, ...rest } = event
  const out: Unstructured = { kind: kind ?? 'Event', apiVersion, ...rest }
  for (const [from, to] of names) {
    if (!(from in out)) continue
    out[to] = out[from]
    delete out[from]
  }
  return out
}

export const eventsV1Conversion: NonNullable<ResourceDefinition['conversion']> = {
  stored: { group: '', version: 'v1', kind: 'Event' },
  toStored: event =>
    convert(
      event,
      'v1',
      renamed.map(([core, events]) => [events, core] as const),
    ),
  fromStored: event => convert(event, 'events.k8s.io/v1', renamed),
}

export const coreEventFields: ResourceDefinition['fields'] = {
  ...Object.fromEntries(
    ['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'].map(field => [
      `involvedObject.${field}`,
      (event: Unstructured) => text(event, 'involvedObject', field),
    ]),
  ),
  reason: event => text(event, 'reason'),
  reportingComponent: event => text(event, 'reportingComponent'),
  source: event => text(event, 'source', 'component') || text(event, 'reportingComponent'),
  type: event => text(event, 'type'),
}
