/** Objects against a structural schema: unknown fields are pruned, defaults filled in, the rest validated in apiextensions' words. */
import type { FieldError } from '#kubernetes/status.ts'
import type { StructuralSchema } from './types.ts'

type Fields = Record<string, unknown>

const isMap = (value: unknown): value is Fields => value !== null && typeof value === 'object' && !Array.isArray(value)
const keeps = (schema: StructuralSchema) => schema['x-kubernetes-preserve-unknown-fields'] === true

/** What is of every object, and not the schema's: pruned and checked elsewhere. */
const common = new Set(['kind', 'apiVersion', 'metadata'])

/** Takes out what the schema does not know. Changes the value. @returns the paths of what is gone */
export function prune(object: Fields, schema: StructuralSchema): string[] {
  const gone: string[] = []
  visitFields(object, schema, '', gone)
  return gone
}

function visitFields(object: Fields, schema: StructuralSchema, path: string, gone: string[]): void {
  const { properties = {}, additionalProperties } = schema
  for (const [key, value] of Object.entries(object)) {
    if (path === '' && common.has(key)) continue
    if (schema['x-kubernetes-embedded-resource'] && common.has(key)) continue
    const at = path === '' ? key : `${path}.${key}`
    const inner = properties[key] ?? (typeof additionalProperties === 'object' ? additionalProperties : undefined)
    if (inner) visit(value, inner, at, gone)
    else if (!keeps(schema) && additionalProperties !== true) {
      gone.push(at)
      delete object[key]
    }
  }
}

function visit(value: unknown, schema: StructuralSchema, path: string, gone: string[]): void {
  if (Array.isArray(value)) {
    if (schema.items) for (const [i, item] of value.entries()) visit(item, schema.items, `${path}[${i}]`, gone)
  } else if (isMap(value)) visitFields(value, schema, path, gone)
}

/** Changes the value. */
export function fillDefaults(value: unknown, schema: StructuralSchema): void {
  if (Array.isArray(value)) {
    if (schema.items) for (const item of value) fillDefaults(item, schema.items)
    return
  }
  if (!isMap(value)) return
  const { properties = {}, additionalProperties } = schema
  for (const [key, inner] of Object.entries(properties)) {
    if (inner.default !== undefined && (value[key] === undefined || (value[key] === null && !inner.nullable)))
      value[key] = structuredClone(inner.default)
    if (value[key] !== undefined) fillDefaults(value[key], inner)
  }
  if (typeof additionalProperties === 'object')
    for (const [key, inner] of Object.entries(value)) if (!properties[key]) fillDefaults(inner, additionalProperties)
}

export function validate(object: Fields, schema: StructuralSchema): FieldError[] {
  const errors: FieldError[] = []
  check(object, schema, '', errors)
  return errors
}

function check(value: unknown, schema: StructuralSchema, path: string, errors: FieldError[]): void {
  if (value === null && schema.nullable) return
  if (!hasType(value, schema)) {
    const type = goType(value)
    const detail = `${path || '""'} in body must be of type ${schema.type}: ${JSON.stringify(type)}`
    errors.push({ type: 'invalid', field: path || '<nil>', value: type, detail })
    return
  }
  if (schema.enum && !schema.enum.some(allowed => allowed === value))
    errors.push({
      type: 'notSupported',
      field: path,
      value,
      detail: `supported values: ${schema.enum.map(allowed => JSON.stringify(allowed)).join(', ')}`,
    })
  for (const detail of limitsOf(value, schema))
    errors.push({
      type: 'invalid',
      field: path,
      value: Array.isArray(value) ? value.length : value,
      detail: `${path} in body ${detail}`,
    })
  if (Array.isArray(value)) {
    if (schema.items) for (const [i, item] of value.entries()) check(item, schema.items, `${path}[${i}]`, errors)
  } else if (isMap(value)) checkMap(value, schema, path, errors)
}

/** What is wrong with it, in the words of go-openapi/validate. */
function limitsOf(value: unknown, schema: StructuralSchema): string[] {
  const { pattern, minLength = 0, maxLength = Number.POSITIVE_INFINITY, format } = schema
  const { minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY } = schema
  const { minItems = 0, maxItems = Number.POSITIVE_INFINITY } = schema
  const rules: [boolean, string][] =
    typeof value === 'string'
      ? [
          [pattern !== undefined && !new RegExp(pattern).test(value), `should match '${pattern}'`],
          [value.length < minLength, `should be at least ${minLength} chars long`],
          [value.length > maxLength, `should be at most ${maxLength} chars long`],
          [
            format === 'date-time' && Number.isNaN(Date.parse(value)),
            `must be of type date-time: ${JSON.stringify(value)}`,
          ],
        ]
      : typeof value === 'number'
        ? [
            [value < minimum, `should be greater than or equal to ${minimum}`],
            [value > maximum, `should be less than or equal to ${maximum}`],
          ]
        : Array.isArray(value)
          ? [
              [value.length < minItems, `should have at least ${minItems} items`],
              [value.length > maxItems, `should have at most ${maxItems} items`],
            ]
          : []
  return rules.filter(([isWrong]) => isWrong).map(([, words]) => words)
}

function checkMap(value: Fields, schema: StructuralSchema, path: string, errors: FieldError[]): void {
  const below = (key: string) => (path === '' ? key : `${path}.${key}`)
  for (const key of schema.required ?? [])
    if (value[key] === undefined) errors.push({ type: 'required', field: below(key) })
  for (const [key, inner] of Object.entries(value)) {
    if (path === '' && common.has(key)) continue
    const of =
      schema.properties?.[key] ??
      (typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined)
    if (of) check(inner, of, below(key), errors)
  }
}

function hasType(value: unknown, schema: StructuralSchema): boolean {
  if (schema['x-kubernetes-int-or-string']) return typeof value === 'string' || Number.isInteger(value)
  switch (schema.type) {
    case undefined:
      return true
    case 'integer':
      return Number.isInteger(value)
    case 'array':
      return Array.isArray(value)
    case 'object':
      return isMap(value)
    default:
      return typeof value === schema.type
  }
}

const goType = (value: unknown) =>
  value === null ? 'null' : Array.isArray(value) ? 'array' : Number.isInteger(value) ? 'integer' : typeof value
