/** What the apiserver must know of a resource to serve it: a row of `table.ts`. */
import type { FieldError } from '#kubernetes/status.ts'
import type { Unstructured, UserInfo } from '#kubernetes/types.ts'

export type Cell = string | number | boolean | null | undefined

/** A column of `kubectl get`. `wide` ones are shown with `-o wide` only. */
export interface Column {
  name: string
  type?: 'string' | 'integer' | 'number' | 'boolean' | 'date'
  format?: string
  description?: string
  wide?: true
  value: (object: Unstructured, now: Date) => Cell
}

/** What strategies may look at besides the object. */
interface StrategyContext {
  now: Date
  user: UserInfo
}

/** What is particular to a kind: registry/…/strategy.go, defaults.go and validation.go of the original. */
export interface Strategy {
  /** How `metadata.name` must look; default `subdomain`. */
  name?: 'subdomain' | 'label' | 'label1035' | 'path' | 'any'
  /** Fills in what was left out; for every write. */
  defaults?: (object: Unstructured) => void
  /** Before a create, after defaults: what only the server may set. */
  create?: (object: Unstructured, context: StrategyContext) => void
  /** Before an update, after defaults: what may not change is put back. */
  update?: (object: Unstructured, old: Unstructured, context: StrategyContext) => void
  validate?: (object: Unstructured) => FieldError[]
  validateUpdate?: (object: Unstructured, old: Unstructured) => FieldError[]
  /** `metadata.generation` counts changes of everything but metadata and status. */
  generation?: true
  /** Default grace period of a delete, in seconds; only of pods. */
  gracePeriodSeconds?: (object: Unstructured) => number
}

export type Verb = 'create' | 'delete' | 'deletecollection' | 'get' | 'list' | 'patch' | 'update' | 'watch'

export interface Subresource {
  /** After the slash: `status`, `log`. */
  name: string
  verbs: readonly ('create' | 'get' | 'patch' | 'update' | 'delete')[]
  kind: string
  /** When not the resource's own. */
  group?: string
  version?: string
}

export interface ResourceDefinition {
  /** '' is the core group. */
  group: string
  version: string
  resource: string
  singular: string
  kind: string
  namespaced: boolean
  shortNames: readonly string[]
  categories: readonly string[]
  verbs: readonly Verb[]
  subresources: readonly Subresource[]
  /** Where its objects are in etcd, without a slash at the end. */
  registry: string
  columns: readonly Column[]
  strategy: Strategy
  /** Fields besides metadata.name and metadata.namespace that a field selector may name, and their values. */
  fields: Record<string, (object: Unstructured) => string>
  /** Stored in another version: how to go to and fro. Both may change what they are given. */
  conversion?: {
    stored: { group: string; version: string; kind: string }
    toStored: (object: Unstructured) => Unstructured
    fromStored: (object: Unstructured) => Unstructured
  }
  /** Takes unknown fields out of an object and returns their paths; left out: by the API's own schema. */
  conform?: (object: Unstructured) => string[]
  /** Objects live this long (events). */
  ttlSeconds?: number
  /** Not in etcd: made when asked for (componentstatuses), or only created and answered (reviews). */
  virtual?: true
}

export const apiVersionOf = ({ group, version }: { group: string; version: string }) =>
  group === '' ? version : `${group}/${version}`
