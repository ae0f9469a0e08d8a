/** Server-side apply and the bookkeeping of managedFields: apimachinery's util/managedfields over structured-merge-diff. */
import { applyConflict } from '#kubernetes/status.ts'
import { time } from '#kubernetes/time.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import { apiVersionOf, type ResourceDefinition } from '../resources/types.ts'
import { idOfKind } from '../schema/load.ts'
import { FieldSet, pathText } from './field-set.ts'
import { deduced, difference, equal, fieldSetOf, partsOf, type Shape, structOf } from './structure.ts'
import { merge, prune } from './structured-merge.ts'

interface ManagedFieldsEntry {
  manager: string
  operation: 'Apply' | 'Update'
  apiVersion: string
  time?: string
  fieldsType: 'FieldsV1'
  fieldsV1: unknown
  subresource?: string
}

/** Nobody's: the server sets them, or they say which object it is. */
const unowned = ['apiVersion', 'kind']
const unownedMetadata = [
  'name',
  'namespace',
  'creationTimestamp',
  'selfLink',
  'uid',
  'generation',
  'managedFields',
  'resourceVersion',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'generateName',
]

function owned(object: Unstructured | undefined): Record<string, unknown> {
  if (!object) return {}
  const { metadata, ...rest } = object
  for (const field of unowned) delete rest[field]
  const kept = Object.fromEntries(
    Object.entries(metadata).filter(
      ([key, value]) => !unownedMetadata.includes(key) && value !== undefined && value !== null,
    ),
  )
  return { ...rest, ...(Object.keys(kept).length > 0 ? { metadata: kept } : {}) }
}

const entriesOf = (object: Unstructured | undefined) => (object?.metadata.managedFields ?? []) as ManagedFieldsEntry[]

const shapeFor = (definition: ResourceDefinition): Shape => {
  const id = idOfKind(definition)
  return id ? structOf(id) : deduced
}

const write = (object: Unstructured, entries: ManagedFieldsEntry[]) => {
  if (entries.length > 0) object.metadata.managedFields = entries
  else delete object.metadata.managedFields
}

interface Recorded {
  object: Unstructured
  old: Unstructured | undefined
  definition: ResourceDefinition
  manager: string
  subresource: string
  now: Date
}

/** A write that is no apply: what it changed is its manager's, and nobody else's any more. Changes `object.metadata`. */
export async function recordUpdate({ object, old, definition, manager, subresource, now }: Recorded): Promise<void> {
  const before = entriesOf(old)
  const given = entriesOf(object)
  // Who sends other entries than there are (kubectl's migration from client-side apply) means them.
  const entries = old && !equal(given, before) ? given : before
  const { changed, removed } = difference(owned(old), owned(object), shapeFor(definition))
  const lost = changed.union(removed)
  const mine = (entry: ManagedFieldsEntry) =>
    entry.manager === manager && entry.operation === 'Update' && (entry.subresource ?? '') === subresource
  const result = entries.flatMap(entry => {
    if (mine(entry)) return []
    const rest = FieldSet.parse(entry.fieldsV1).minus(lost)
    return rest.empty ? [] : [{ ...entry, fieldsV1: rest.toJSON() }]
  })
  const own = entries.find(mine)
  const set = (own ? FieldSet.parse(own.fieldsV1).minus(removed) : new FieldSet()).union(changed)
  if (!set.empty && !changed.empty)
    result.push({
      manager,
      operation: 'Update',
      apiVersion: apiVersionOf(definition),
      time: time(now),
      fieldsType: 'FieldsV1',
      fieldsV1: set.toJSON(),
      ...(subresource ? { subresource } : {}),
    })
  else if (own && !set.empty) result.push({ ...own, fieldsV1: set.toJSON() })
  write(object, result)
}

interface ApplyOptions {
  definition: ResourceDefinition
  manager: string
  force: boolean
  subresource: string
  now: () => Date
}

/** @throws StatusError 409 when other managers want other values and `force` is not set */
export async function applyTo(
  live: Unstructured | undefined,
  applied: Unstructured,
  options: ApplyOptions,
): Promise<Unstructured> {
  const { definition, manager, force, subresource } = options
  const shape = shapeFor(definition)
  const wanted = owned(applied)
  const set = fieldSetOf(wanted, shape)
  const entries = entriesOf(live)
  const mine = (entry: ManagedFieldsEntry) =>
    entry.manager === manager && entry.operation === 'Apply' && (entry.subresource ?? '') === subresource
  const others = entries.filter(entry => !mine(entry))
  const conflicts = conflictsOf(owned(live), wanted, set, others, shape)
  if (conflicts.length > 0 && !force) throw conflictError(conflicts)
  const taken = new FieldSet()
  for (const { path } of conflicts) taken.add(path)
  const kept = others.flatMap(entry => {
    const rest = FieldSet.parse(entry.fieldsV1).minus(taken)
    return rest.empty ? [] : [{ ...entry, fieldsV1: rest.toJSON() }]
  })
  const before = entries.find(mine)
  const dropped = kept.reduce(
    (gone, entry) => gone.minus(FieldSet.parse(entry.fieldsV1)),
    before ? FieldSet.parse(before.fieldsV1).minus(set) : new FieldSet(),
  )
  const merged = merge(live ?? {}, applied, shape) as Unstructured
  const result = (dropped.empty ? merged : prune(merged, dropped, shape)) as Unstructured
  result.metadata = { ...live?.metadata, ...(result.metadata ?? {}) }
  const json = set.toJSON()
  // What is applied again unchanged keeps its time, so that nothing is written.
  const at =
    before && equal(before.fieldsV1, json) && live && equal(owned(live), owned(result))
      ? before.time
      : time(options.now())
  write(result, [
    ...kept,
    {
      manager,
      operation: 'Apply',
      apiVersion: apiVersionOf(definition),
      ...(at ? { time: at } : {}),
      fieldsType: 'FieldsV1',
      fieldsV1: json,
      ...(subresource ? { subresource } : {}),
    },
  ])
  if (applied.metadata.resourceVersion) result.metadata.resourceVersion = applied.metadata.resourceVersion
  return result
}

interface Conflict {
  path: string[]
  entry: ManagedFieldsEntry
}

/** Fields that are applied with another value than they have, and that somebody else set. */
function conflictsOf(
  live: unknown,
  wanted: unknown,
  set: FieldSet,
  others: readonly ManagedFieldsEntry[],
  shape: Shape,
): Conflict[] {
  const found: Conflict[] = []
  const paths = [...set.paths()]
  for (const entry of others) {
    const theirs = FieldSet.parse(entry.fieldsV1)
    for (const path of paths) {
      if (!theirs.has(path) || path.at(-1)!.startsWith('k:')) continue
      if (!equal(valueAt(live, path, shape), valueAt(wanted, path, shape))) found.push({ path, entry })
    }
  }
  return found
}

function valueAt(value: unknown, path: readonly string[], shape: Shape): unknown {
  let at: { value: unknown; shape: Shape } | undefined = { value, shape }
  for (const step of path) at = at && partsOf(at.value, at.shape).get(step)
  return at?.value
}

function conflictError(conflicts: readonly Conflict[]) {
  const who = ({ manager, apiVersion, subresource, operation }: ManagedFieldsEntry) =>
    `${JSON.stringify(manager)}${subresource ? ` with subresource ${JSON.stringify(subresource)}` : ''}${operation === 'Update' ? ` using ${apiVersion}` : ''}`
  const byManager = new Map<string, string[]>()
  for (const { path, entry } of conflicts) {
    const name = who(entry)
    byManager.set(name, [...(byManager.get(name) ?? []), pathText(path)])
  }
  const texts = [...byManager].map(([name, fields]) =>
    fields.length === 1 ? `conflict with ${name}: ${fields[0]}` : `conflicts with ${name}:\n- ${fields.join('\n- ')}`,
  )
  const count = conflicts.length
  return applyConflict(
    `Apply failed with ${count} conflict${count === 1 ? '' : 's'}: ${texts.join('\n')}`,
    conflicts.map(({ path, entry }) => ({
      reason: 'FieldManagerConflict',
      message: `conflict with ${who(entry)}`,
      field: pathText(path),
    })),
  )
}
