/** Strategic merge patches, by the schema's patch strategies and merge keys: apimachinery's strategicpatch. */
import { badRequest } from '#kubernetes/status.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import { type FlatField, fieldsOf, idOfKind } from '../schema/load.ts'
import { applyMergePatch } from './merge.ts'

type Fields = Record<string, unknown>

const directive = '$patch'
const retainKeys = '$retainKeys'
const deleteFromPrimitiveList = '$deleteFromPrimitiveList/'
const setElementOrder = '$setElementOrder/'

/** @throws StatusError 400 for directives that do not fit */
export function applyStrategicPatch(
  object: Unstructured,
  patch: unknown,
  kind: { group: string; version: string; kind: string },
): Unstructured {
  if (patch === null || typeof patch !== 'object' || Array.isArray(patch))
    throw badRequest('error decoding patch: expected a JSON object')
  const id = idOfKind(kind)
  if (!id) return applyMergePatch(object, patch) as Unstructured
  return mergeMap(structuredClone(object) as Fields, patch as Fields, id) as Unstructured
}

const isMap = (value: unknown): value is Fields => value !== null && typeof value === 'object' && !Array.isArray(value)

/** `type` undefined: a map of strings, or something that the schema does not know. */
function mergeMap(original: Fields, patch: Fields, type: string | undefined): Fields {
  const { [directive]: word, ...rest } = patch
  if (word === 'replace') return rest
  if (word === 'delete') return {}
  if (word !== undefined && word !== 'merge') throw badRequest(`Unknown patch type: ${String(word)}`)
  const result = original
  const fields = type === undefined ? undefined : fieldsOf(type)
  const kept = rest[retainKeys]
  if (Array.isArray(kept)) {
    for (const key of Object.keys(result)) if (!kept.includes(key)) delete result[key]
    delete rest[retainKeys]
  }
  for (const [key, value] of Object.entries(rest)) {
    if (key.startsWith(setElementOrder)) continue
    if (key.startsWith(deleteFromPrimitiveList)) {
      const name = key.slice(deleteFromPrimitiveList.length)
      if (Array.isArray(result[name]) && Array.isArray(value))
        result[name] = (result[name] as unknown[]).filter(item => !value.includes(item))
      continue
    }
    const field = fields?.get(key)
    if (value === null) delete result[key]
    else result[key] = mergeValue(result[key], value, field, rest[`${setElementOrder}${key}`])
  }
  for (const [key, order] of Object.entries(rest)) {
    const name = key.startsWith(setElementOrder) ? key.slice(setElementOrder.length) : undefined
    // An order alone, without changes to the list.
    if (name !== undefined && !(name in rest) && Array.isArray(result[name]) && Array.isArray(order))
      result[name] = inOrder(result[name] as unknown[], result[name] as unknown[], order, fields?.get(name)?.k)
  }
  return result
}

function mergeValue(original: unknown, value: unknown, field: FlatField | undefined, order: unknown): unknown {
  const strategies = field?.s?.split(',') ?? []
  if (Array.isArray(value)) {
    if (!strategies.includes('merge') || !Array.isArray(original))
      return value.filter(item => !(isMap(item) && directive in item)).map(item => clean(item, field))
    const merged = field?.k === undefined ? mergePrimitives(original, value) : mergeLists(original, value, field)
    return Array.isArray(order) ? inOrder(merged, original, order, field?.k) : merged
  }
  if (!isMap(value)) return value
  if (strategies.includes('replace')) return clean(value, field)
  const type = field && !field.m ? field.t : undefined
  return mergeMap(isMap(original) ? original : {}, value, type)
}

/** What is new may hold directives, too. */
function clean(value: unknown, field: FlatField | undefined): unknown {
  return isMap(value) ? mergeMap({}, value, field && !field.m ? field.t : undefined) : value
}

const mergePrimitives = (original: unknown[], patch: unknown[]) => [
  ...original,
  ...patch.filter(item => !original.includes(item)),
]

function mergeLists(original: unknown[], patch: unknown[], field: FlatField): unknown[] {
  const key = field.k!
  // A lone `{$patch: replace}` among the items: they are all there is to be.
  if (patch.some(item => isMap(item) && item[directive] === 'replace' && !(key in item)))
    return patch.filter(item => !(isMap(item) && item[directive] === 'replace')).map(item => clean(item, field))
  const result = [...original]
  for (const item of patch) {
    if (!isMap(item)) throw badRequest(`expected an object in a list that is merged by ${key}`)
    if (!(key in item)) throw badRequest(`map: ${JSON.stringify(item)} does not contain declared merge key: ${key}`)
    const at = result.findIndex(other => isMap(other) && other[key] === item[key])
    if (item[directive] === 'delete') {
      if (at !== -1) result.splice(at, 1)
    } else if (at === -1) result.push(clean(item, field))
    else result[at] = mergeMap(result[at] as Fields, item, field.t)
  }
  return result
}

/** normalizeElementOrder: items that the patch names in its order, the server's own where they were. */
function inOrder(merged: unknown[], server: unknown[], order: unknown[], key: string | undefined): unknown[] {
  const idOf = (item: unknown) => (key === undefined || !isMap(item) ? item : item[key])
  const wanted = order.map(idOf)
  const named = merged
    .filter(item => wanted.includes(idOf(item)))
    .sort((a, b) => wanted.indexOf(idOf(a)) - wanted.indexOf(idOf(b)))
  const others = merged.filter(item => !wanted.includes(idOf(item)))
  const positions = server.map(idOf)
  const result: unknown[] = []
  while (named.length > 0 && others.length > 0) {
    const [left, right] = [positions.indexOf(idOf(named[0])), positions.indexOf(idOf(others[0]))]
    result.push(left !== -1 && right !== -1 && left < right ? named.shift() : others.shift())
  }
  return [...result, ...named, ...others]
}
