/** Merging an applied configuration into the live object, and taking out what its manager no longer wants: by the schema, never changing its arguments. */
import type { FieldSet } from './field-set.ts'
import { keyStep, partsOf, type Shape } from './structure.ts'

type Fields = Record<string, unknown>

const isMap = (value: unknown): value is Fields => value !== null && typeof value === 'object' && !Array.isArray(value)

export function merge(live: unknown, applied: unknown, shape: Shape): unknown {
  if (live === undefined || live === null || shape.kind === 'whole') return applied
  if (shape.kind === 'struct' || shape.kind === 'map' || shape.kind === 'deduced') {
    if (!isMap(live) || !isMap(applied)) return applied
    const result: Fields = { ...live }
    for (const [step, part] of partsOf(applied, shape)) {
      const name = step.slice(2)
      result[name] = merge(live[name], part.value, part.shape)
    }
    return result
  }
  if (!Array.isArray(live) || !Array.isArray(applied)) return applied
  if (shape.kind === 'set') return [...live, ...applied.filter(item => !live.includes(item))]
  const wanted = partsOf(applied, shape)
  const result = live.map(item => {
    const part = wanted.get(keyStep(item, shape.keys))
    return part ? merge(item, part.value, part.shape) : item
  })
  const there = new Set(live.map(item => keyStep(item, shape.keys)))
  for (const [step, part] of wanted) if (!there.has(step)) result.push(part.value)
  return result
}

/** Without the fields in `gone`; a map or a list that loses all it has goes with them. */
export function prune(value: unknown, gone: FieldSet, shape: Shape): unknown {
  if (gone.children.size === 0) return gone.member ? undefined : value
  if (Array.isArray(value)) {
    const kept = value.flatMap(item => {
      const step = shape.kind === 'list' ? keyStep(item, shape.keys) : `v:${JSON.stringify(item)}`
      const inner = gone.children.get(step)
      if (!inner) return [item]
      if (inner.member) return []
      const part = partsOf([item], shape).get(step)!
      const rest = prune(item, inner, part.shape)
      return rest === undefined ? [] : [rest]
    })
    return kept.length === 0 ? undefined : kept
  }
  if (!isMap(value)) return gone.member ? undefined : value
  const result: Fields = { ...value }
  for (const [step, part] of partsOf(value, shape)) {
    const inner = gone.children.get(step)
    if (!inner) continue
    const rest = prune(part.value, inner, part.shape)
    if (rest === undefined) delete result[step.slice(2)]
    else result[step.slice(2)] = rest
  }
  return Object.keys(result).length === 0 ? undefined : result
}
