/** The API's types as data: enough for protobuf bodies, OpenAPI documents, strategic merges, server-side apply and strict decoding. Short names keep the file small. */

export interface FieldSchema {
  /** Protobuf's field number. */
  i: number
  /** `string`, `int32`, `int64`, `bool`, `double`, `bytes`, or a type's id. */
  t: string
  /** A list of them. */
  a?: 1
  /** A map from strings to them. */
  m?: 1
  /** May be left out. */
  o?: 1
  /** Inline: its fields are those of the type that holds it. */
  n?: 1
  /** patchStrategy: `merge`, `replace`, `retainKeys`, `merge,retainKeys`. */
  s?: string
  /** patchMergeKey. */
  k?: string
  /** listType. */
  l?: 'map' | 'set' | 'atomic'
  /** listMapKeys. */
  lk?: string[]
  /** Atomic: its manager owns all of it. */
  x?: 1
  /** Description. */
  d?: string
}

export interface TypeSchema {
  /** Description. */
  d?: string
  /** Group, version, kind. */
  g?: [string, string, string]
  /** structType=atomic. */
  x?: 1
  /** Fields by their JSON names. */
  f: Record<string, FieldSchema>
}

/** By id: `core.v1.PodSpec`, `meta.v1.ObjectMeta`. */
export type Schema = Record<string, TypeSchema>
