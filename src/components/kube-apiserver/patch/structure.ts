/** Objects as structured-merge-diff sees them, by the schema: what is a field of its own, what is one with all that is inside. */
import { type FlatField, fieldsOf, leafTypes, listTypes, scalars, typeOf } from '../schema/load.ts'
import { FieldSet } from './field-set.ts'

type Fields = Record<string, unknown>

/** How a value is divided. `whole`: not at all. */
type Shape =
  | { kind: 'whole' }
  | { kind: 'struct'; type: string }
  | { kind: 'map'; type: string }
  | { kind: 'list'; keys: readonly string[]; type: string }
  | { kind: 'set' }
  /** A custom resource's: objects are divided, lists are not. */
  | { kind: 'deduced' }

export const deduced: Shape = { kind: 'deduced' }
const whole: Shape = { kind: 'whole' }

function shapeOf(field: FlatField): Shape {
  if (field.x) return whole
  if (field.m) return { kind: 'map', type: field.t }
  if (field.a) {
    if (field.l === 'map') return { kind: 'list', keys: field.lk ?? [], type: field.t }
    return field.l === 'set' ? { kind: 'set' } : whole
  }
  return typeShape(field.t)
}

function typeShape(type: string): Shape {
  if (scalars.has(type) || leafTypes[type] || listTypes.has(type) || typeOf(type)?.x) return whole
  return { kind: 'struct', type }
}

const isMap = (value: unknown): value is Fields => value !== null && typeof value === 'object' && !Array.isArray(value)

/** Values that keys of a list have when they are left out: `protocol: TCP` of ports. */
const keyDefaults: Record<string, unknown> = { protocol: 'TCP' }

export function keyStep(item: unknown, keys: readonly string[]): string {
  const values = keys.flatMap(key => {
    const value = isMap(item) ? (item[key] ?? keyDefaults[key]) : undefined
    return value === undefined ? [] : [[key, value] as const]
  })
  return `k:${JSON.stringify(Object.fromEntries([...values].sort(([a], [b]) => (a < b ? -1 : 1))))}`
}

/** The parts of a divided value, by step. */
export function partsOf(value: unknown, shape: Shape): Map<string, { value: unknown; shape: Shape }> {
  const parts = new Map<string, { value: unknown; shape: Shape }>()
  if (shape.kind === 'struct' && isMap(value)) {
    const fields = fieldsOf(shape.type)
    for (const [name, inner] of Object.entries(value)) {
      const field = fields.get(name)
      parts.set(`f:${name}`, { value: inner, shape: field ? shapeOf(field) : whole })
    }
  } else if (shape.kind === 'map' && isMap(value)) {
    for (const [name, inner] of Object.entries(value))
      parts.set(`f:${name}`, { value: inner, shape: typeShape(shape.type) })
  } else if (shape.kind === 'deduced' && isMap(value)) {
    for (const [name, inner] of Object.entries(value)) parts.set(`f:${name}`, { value: inner, shape: deduced })
  } else if (shape.kind === 'list' && Array.isArray(value)) {
    for (const item of value) parts.set(keyStep(item, shape.keys), { value: item, shape: typeShape(shape.type) })
  } else if (shape.kind === 'set' && Array.isArray(value)) {
    for (const item of value) parts.set(`v:${JSON.stringify(item)}`, { value: item, shape: whole })
  }
  return parts
}

/** Is the value divided: an empty map, or what is no object at all, is a field by itself. */
const divides = (value: unknown, shape: Shape) =>
  shape.kind !== 'whole' &&
  (Array.isArray(value) ? value.length > 0 && shape.kind !== 'deduced' : isMap(value) && Object.keys(value).length > 0)

/** Every field that the value sets. */
export function fieldSetOf(value: unknown, shape: Shape): FieldSet {
  const set = new FieldSet()
  if (!divides(value, shape)) {
    set.member = true
    return set
  }
  for (const [step, part] of partsOf(value, shape)) {
    const inner = fieldSetOf(part.value, part.shape)
    // An item of a list by keys is owned itself, besides its fields.
    if (step.startsWith('k:')) inner.member = true
    set.children.set(step, inner)
  }
  return set
}

const same = (a: unknown, b: unknown): boolean => {
  if (Object.is(a, b)) return true
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, i) => same(item, b[i]))
  if (!isMap(a) || !isMap(b)) return false
  const keys = new Set([...Object.keys(a), ...Object.keys(b)])
  return [...keys].every(key => same(a[key], b[key]))
}

export interface Difference {
  /** Added, or with another value. */
  changed: FieldSet
  removed: FieldSet
}

export function difference(before: unknown, after: unknown, shape: Shape): Difference {
  const result = { changed: new FieldSet(), removed: new FieldSet() }
  if (before === undefined) return { ...result, changed: fieldSetOf(after, shape) }
  if (after === undefined) return { ...result, removed: fieldSetOf(before, shape) }
  if (!divides(before, shape) || !divides(after, shape)) {
    if (same(before, after)) return result
    const changed = fieldSetOf(after, shape)
    const removed = divides(before, shape) ? fieldSetOf(before, shape).minus(changed) : new FieldSet()
    return { changed, removed }
  }
  const old = partsOf(before, shape)
  const now = partsOf(after, shape)
  for (const step of new Set([...old.keys(), ...now.keys()])) {
    const inner = difference(old.get(step)?.value, now.get(step)?.value, (now.get(step) ?? old.get(step))!.shape)
    if (step.startsWith('k:') && !old.has(step)) inner.changed.member = true
    if (step.startsWith('k:') && !now.has(step)) inner.removed.member = true
    if (!inner.changed.empty) result.changed.children.set(step, inner.changed)
    if (!inner.removed.empty) result.removed.children.set(step, inner.removed)
  }
  return result
}

export const equal = same
export const structOf = (type: string): Shape => ({ kind: 'struct', type })
export type { Shape }
