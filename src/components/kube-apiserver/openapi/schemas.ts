/** The API's types as OpenAPI schemas; v2 and v3 differ in where definitions are and how a reference is described. */
import { leafTypes, listTypes, schema } from '../schema/load.ts'
import type { FieldSchema, TypeSchema } from '../schema/types.ts'

export type JsonSchema = Record<string, unknown>

export type Dialect = 'v2' | 'v3'

const prefixes: [string, string][] = [
  ['meta.v1.', 'io.k8s.apimachinery.pkg.apis.meta.v1.'],
  ['intstr.', 'io.k8s.apimachinery.pkg.util.intstr.'],
  ['resource.', 'io.k8s.apimachinery.pkg.api.resource.'],
  ['runtime.', 'io.k8s.apimachinery.pkg.runtime.'],
  ['apiregistration.', 'io.k8s.kube-aggregator.pkg.apis.apiregistration.'],
  ['apiextensions.', 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.'],
]

/** `core.v1.Pod` → `io.k8s.api.core.v1.Pod`. */
export function openApiName(id: string): string {
  const [short, long] = prefixes.find(([prefix]) => id.startsWith(prefix)) ?? ['', 'io.k8s.api.']
  return `${long}${id.slice(short.length)}`
}

const reference = (id: string, dialect: Dialect) =>
  `#/${dialect === 'v2' ? 'definitions' : 'components/schemas'}/${openApiName(id)}`

const numbers: Record<string, JsonSchema> = {
  string: { type: 'string' },
  bool: { type: 'boolean' },
  int32: { type: 'integer', format: 'int32' },
  int64: { type: 'integer', format: 'int64' },
  uint32: { type: 'integer', format: 'int64' },
  uint64: { type: 'integer', format: 'int64' },
  double: { type: 'number', format: 'double' },
  bytes: { type: 'string', format: 'byte' },
}

const leafSchemas: Record<string, JsonSchema> = {
  'meta.v1.Time': { type: 'string', format: 'date-time' },
  'meta.v1.MicroTime': { type: 'string', format: 'date-time' },
  'meta.v1.Duration': { type: 'string' },
  'meta.v1.FieldsV1': { type: 'object' },
  'resource.Quantity': { type: 'string' },
  'runtime.RawExtension': { type: 'object' },
}

function leafSchema(id: string, dialect: Dialect): JsonSchema {
  if (id === 'intstr.IntOrString')
    return dialect === 'v2'
      ? { type: 'string', format: 'int-or-string' }
      : { oneOf: [{ type: 'integer' }, { type: 'string' }], format: 'int-or-string' }
  if (id === 'resource.Quantity' && dialect === 'v3') return { oneOf: [{ type: 'string' }, { type: 'number' }] }
  return leafSchemas[id] ?? { type: 'object' }
}

function valueSchema(type: string, dialect: Dialect): JsonSchema {
  const scalar = numbers[type]
  if (scalar) return scalar
  if (listTypes.has(type)) return { type: 'array', items: { type: 'string' } }
  return { $ref: reference(type, dialect) }
}

function fieldSchema(field: FieldSchema, dialect: Dialect): JsonSchema {
  const value = valueSchema(field.t, dialect)
  const extensions: JsonSchema = {
    ...(field.lk ? { 'x-kubernetes-list-map-keys': field.lk } : {}),
    ...(field.l ? { 'x-kubernetes-list-type': field.l } : {}),
    ...(field.x ? { 'x-kubernetes-map-type': 'atomic' } : {}),
    ...(field.k ? { 'x-kubernetes-patch-merge-key': field.k } : {}),
    ...(field.s ? { 'x-kubernetes-patch-strategy': field.s } : {}),
  }
  const description = field.d ? { description: field.d } : {}
  if (field.m) return { ...description, type: 'object', additionalProperties: value, ...extensions }
  if (field.a) return { ...description, type: 'array', items: value, ...extensions }
  // OpenAPI 3.0 ignores what stands beside a $ref.
  if ('$ref' in value && dialect === 'v3')
    return { ...description, allOf: [value], ...(leafTypes[field.t] ? {} : { default: {} }), ...extensions }
  return { ...description, ...value, ...extensions }
}

const typeMeta: Record<string, JsonSchema> = {
  apiVersion: {
    description:
      'APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources',
    type: 'string',
  },
  kind: {
    description:
      'Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds',
    type: 'string',
  },
}

/** Kinds that are in every group: with TypeMeta and no group of their own. */
const everywhere = new Set(['meta.v1.Status', 'meta.v1.DeleteOptions', 'meta.v1.WatchEvent'])

function typeSchema(id: string, type: TypeSchema, dialect: Dialect): JsonSchema {
  const description = type.d ? { description: type.d } : {}
  if (leafTypes[id]) return { ...description, ...leafSchema(id, dialect) }
  const isKind = type.g !== undefined || everywhere.has(id)
  const properties: Record<string, JsonSchema> = isKind ? { ...typeMeta } : {}
  const required: string[] = []
  for (const [name, field] of Object.entries(type.f)) {
    const inline = field.n ? schema()[field.t] : undefined
    for (const [inner, innerField] of inline ? Object.entries(inline.f) : [[name, field] as const]) {
      properties[inner] = fieldSchema(innerField, dialect)
      if (!innerField.o) required.push(inner)
    }
  }
  return {
    ...description,
    ...(required.length > 0 ? { required } : {}),
    type: 'object',
    ...(Object.keys(properties).length > 0 ? { properties } : {}),
    ...(type.x ? { 'x-kubernetes-map-type': 'atomic' } : {}),
    ...(type.g ? { 'x-kubernetes-group-version-kind': [gvk(type.g)] } : {}),
    ...(everywhere.has(id)
      ? { 'x-kubernetes-group-version-kind': [gvk(['', 'v1', id.slice('meta.v1.'.length)])] }
      : {}),
  }
}

export const gvk = ([group, version, kind]: readonly [string, string, string]) => ({ group, kind, version })

const listDescription =
  'Standard list metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds'

/** `PodList`: the lists are alike, so they are not in the data. */
function listSchema(id: string, type: TypeSchema, dialect: Dialect): JsonSchema {
  const [group, version, kind] = type.g!
  return {
    description: `${kind}List is a list of ${kind} objects.`,
    required: ['items'],
    type: 'object',
    properties: {
      ...typeMeta,
      items: {
        description: `Items is the list of ${kind} objects.`,
        type: 'array',
        items: { $ref: reference(id, dialect) },
      },
      metadata:
        dialect === 'v2'
          ? { description: listDescription, $ref: reference('meta.v1.ListMeta', dialect) }
          : { description: listDescription, allOf: [{ $ref: reference('meta.v1.ListMeta', dialect) }], default: {} },
    },
    'x-kubernetes-group-version-kind': [gvk([group, version, `${kind}List`])],
  }
}

/** Every schema that those of the given types need, themselves included, by OpenAPI name. */
export function schemasFor(ids: Iterable<string>, dialect: Dialect): Record<string, JsonSchema> {
  const all = schema()
  const found = new Map<string, JsonSchema>()
  const visit = (id: string) => {
    const type = all[id]
    if (!type || found.has(openApiName(id)) || listTypes.has(id)) return
    found.set(openApiName(id), typeSchema(id, type, dialect))
    if (type.g?.[2] && type.f.metadata) found.set(openApiName(`${id}List`), listSchema(id, type, dialect))
    if (leafTypes[id]) return
    for (const field of Object.values(type.f)) {
      if (field.n) for (const inner of Object.values(all[field.t]?.f ?? {})) visit(inner.t)
      else visit(field.t)
    }
  }
  for (const id of [...ids, 'meta.v1.ListMeta', 'meta.v1.Status', 'meta.v1.DeleteOptions']) visit(id)
  return Object.fromEntries([...found].sort(([a], [b]) => (a < b ? -1 : 1)))
}
