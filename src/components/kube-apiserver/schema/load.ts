/** The schema, loaded when it is first needed and never at start. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { packageRoot } from '#pki/package-root.ts'
import type { FieldSchema, Schema, TypeSchema } from './types.ts'

let loaded: Schema | undefined

/** Found from the sources and from the bundle alike: by the package's root. */
export function schema(): Schema {
  loaded ??= JSON.parse(
    gunzipSync(readFileSync(join(packageRoot(), 'src/components/kube-apiserver/schema/types.json.gz'))).toString(
      'utf8',
    ),
  ) as Schema
  return loaded
}

/** Fields with those of inline types among them, by JSON name. */
export interface FlatField extends FieldSchema {
  /** Protobuf's way to it, when it is inside an inline message. */
  inside?: number
}

const flattened = new Map<string, ReadonlyMap<string, FlatField>>()

export function fieldsOf(type: string): ReadonlyMap<string, FlatField> {
  let fields = flattened.get(type)
  if (!fields) {
    const own = new Map<string, FlatField>()
    for (const [name, field] of Object.entries(schema()[type]?.f ?? {})) {
      if (!field.n) own.set(name, field)
      else for (const [inner, innerField] of fieldsOf(field.t)) own.set(inner, innerField)
    }
    fields = own
    flattened.set(type, fields)
  }
  return fields
}

export const typeOf = (id: string): TypeSchema | undefined => schema()[id]

let byKind: Map<string, string> | undefined

/** The id of a kind's type. */
export function idOfKind({
  group,
  version,
  kind,
}: {
  group: string
  version: string
  kind: string
}): string | undefined {
  byKind ??= new Map(Object.entries(schema()).flatMap(([id, { g }]) => (g ? [[g.join('/'), id] as const] : [])))
  if (kind === 'DeleteOptions') return 'meta.v1.DeleteOptions'
  return byKind.get(`${group}/${version}/${kind}`)
}

/** JSON of these is no object with the fields of their type. */
export const leafTypes: Readonly<Record<string, 'string' | 'any' | 'int-or-string' | 'object'>> = {
  'meta.v1.Time': 'string',
  'meta.v1.MicroTime': 'string',
  'meta.v1.Duration': 'string',
  'resource.Quantity': 'string',
  'intstr.IntOrString': 'int-or-string',
  'meta.v1.FieldsV1': 'object',
  'runtime.RawExtension': 'any',
}

/** A list in JSON, a message with `items` in protobuf. */
export const listTypes = new Set([
  'authentication.v1.ExtraValue',
  'authorization.v1.ExtraValue',
  'certificates.v1.ExtraValue',
])

export const scalars = new Set(['string', 'int32', 'int64', 'uint32', 'uint64', 'bool', 'double', 'bytes'])
