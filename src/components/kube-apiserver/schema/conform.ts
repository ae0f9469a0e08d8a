/** What decoding into Go's types does to an object: wrong types are refused, nulls and unknown fields dropped. Changes the object. */
import { badRequest } from '#kubernetes/status.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import { type FlatField, fieldsOf, idOfKind, leafTypes, listTypes } from './load.ts'

interface Kind {
  group: string
  version: string
  kind: string
}

interface Found {
  /** Paths of fields that the kind does not have: `spec.containers[0].foo`. */
  unknown: string[]
}

class Mismatch extends Error {}

/**
 * @returns the paths of unknown fields, which are gone from the object now
 * @throws StatusError 400 with encoding/json's words
 */
export function conform(object: Unstructured, kind: Kind): string[] {
  const id = idOfKind(kind)
  if (!id) return []
  const found: Found = { unknown: [] }
  try {
    visitObject(object, id, '', found, kind.kind)
  } catch (error) {
    if (!(error instanceof Mismatch)) throw error
    throw badRequest(
      `${kind.kind} in version ${JSON.stringify(kind.version)} cannot be handled as a ${kind.kind}: ${error.message}`,
    )
  }
  return found.unknown
}

type Fields = Record<string, unknown>

function visitObject(object: Fields, type: string, path: string, found: Found, root: string): void {
  const fields = fieldsOf(type)
  for (const [key, value] of Object.entries(object)) {
    const at = path === '' ? key : `${path}.${key}`
    // TypeMeta is in no protobuf message.
    if (path === '' && (key === 'kind' || key === 'apiVersion')) continue
    const field = fields.get(key)
    if (!field) {
      found.unknown.push(at)
      delete object[key]
    } else if (value === null) delete object[key]
    else object[key] = visitField(value, field, at, found, root)
  }
}

function visitField(value: unknown, field: FlatField, at: string, found: Found, root: string): unknown {
  if (field.m) {
    if (typeof value !== 'object' || Array.isArray(value))
      throw mismatch(value, `map[string]${goType(field.t)}`, at, root)
    const map = value as Fields
    for (const [key, inner] of Object.entries(map)) {
      if (inner === null) map[key] = field.t === 'string' || field.t === 'bytes' ? '' : undefined
      else map[key] = visitValue(inner, field.t, `${at}.${key}`, found, root)
    }
    return map
  }
  if (field.a) {
    if (!Array.isArray(value)) throw mismatch(value, `[]${goType(field.t)}`, at, root)
    for (const [i, inner] of value.entries())
      value[i] = inner === null ? inner : visitValue(inner, field.t, `${at}[${i}]`, found, root)
    return value
  }
  return visitValue(value, field.t, at, found, root)
}

const integers: Record<string, [min: number, max: number]> = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint32: [0, 2 ** 32 - 1],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  uint64: [0, Number.MAX_SAFE_INTEGER],
}

const quantity = /^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$/

function visitValue(value: unknown, type: string, at: string, found: Found, root: string): unknown {
  const range = integers[type]
  if (range) {
    if (typeof value !== 'number') throw mismatch(value, type, at, root)
    if (!Number.isInteger(value) || value < range[0] || value > range[1])
      throw new Mismatch(
        `json: cannot unmarshal number ${value} into Go struct field ${root}.${plain(at)} of type ${type}`,
      )
    return value
  }
  switch (type) {
    case 'string':
    case 'bytes':
      if (typeof value !== 'string') throw mismatch(value, type === 'bytes' ? '[]uint8' : 'string', at, root)
      if (type === 'bytes' && !/^[A-Za-z0-9+/\r\n]*={0,2}\s*$/.test(value))
        throw new Mismatch(`illegal base64 data at input byte ${Math.max(0, value.search(/[^A-Za-z0-9+/=\r\n]/))}`)
      return value
    case 'bool':
      if (typeof value !== 'boolean') throw mismatch(value, 'bool', at, root)
      return value
    case 'double':
      if (typeof value !== 'number') throw mismatch(value, 'float64', at, root)
      return value
    case 'resource.Quantity': {
      const text = String(value)
      if ((typeof value !== 'string' && typeof value !== 'number') || !quantity.test(text))
        throw new Mismatch(
          "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        )
      return text
    }
    case 'meta.v1.Time':
    case 'meta.v1.MicroTime':
      if (typeof value !== 'string') throw mismatch(value, 'string', at, root)
      if (Number.isNaN(Date.parse(value)))
        throw new Mismatch(
          `parsing time ${JSON.stringify(JSON.stringify(value))} as "2006-01-02T15:04:05Z07:00": cannot parse ${JSON.stringify(value)} as "2006"`,
        )
      return value
    case 'intstr.IntOrString':
      if (typeof value !== 'string' && typeof value !== 'number') throw mismatch(value, 'intstr.IntOrString', at, root)
      return value
  }
  if (listTypes.has(type)) {
    if (!Array.isArray(value)) throw mismatch(value, '[]string', at, root)
    return value
  }
  if (leafTypes[type]) return value
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw mismatch(value, goType(type), at, root)
  visitObject(value as Fields, type, at, found, root)
  return value
}

/** `v1.PodSpec`, `map[string]string`: how Go names the type. */
function goType(type: string): string {
  if (type === 'bytes') return '[]uint8'
  if (type === 'double') return 'float64'
  return type.split('.').slice(-2).join('.')
}

/** Without indices, as encoding/json writes paths. */
const plain = (at: string) => at.replace(/\[\d+\]/g, '')

function mismatch(value: unknown, wanted: string, at: string, root: string): Mismatch {
  const kind = Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value
  return new Mismatch(`json: cannot unmarshal ${kind} into Go struct field ${root}.${plain(at)} of type ${wanted}`)
}
