/** Fields of an object that its kind does not have: what strict decoding refuses. */
import type { Unstructured } from '#kubernetes/types.ts'
import { fieldsOf, idOfKind, leafTypes, listTypes, scalars } from './load.ts'

/** Paths as the original writes them: `spec.containers[0].foo`. */
export function unknownFields(object: Unstructured, kind: { group: string; version: string; kind: string }): string[] {
  const id = idOfKind(kind)
  if (!id) return []
  const found: string[] = []
  const { kind: _, apiVersion: __, ...rest } = object
  visit(rest, id, '', found)
  return found
}

function visit(value: unknown, type: string, path: string, found: string[]): void {
  if (scalars.has(type) || leafTypes[type] || listTypes.has(type)) return
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return
  const fields = fieldsOf(type)
  for (const [key, inner] of Object.entries(value)) {
    const at = path === '' ? key : `${path}.${key}`
    const field = fields.get(key)
    if (!field) found.push(at)
    else if (field.m)
      for (const [name, each] of Object.entries(inner ?? {})) visit(each, field.t, `${at}.${name}`, found)
    else if (field.a && Array.isArray(inner))
      for (const [i, each] of inner.entries()) visit(each, field.t, `${at}[${i}]`, found)
    else visit(inner, field.t, at, found)
  }
}
