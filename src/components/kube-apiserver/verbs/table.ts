/** Objects as meta.k8s.io/v1 Tables and as their metadata alone. */
import type { Unstructured } from '#kubernetes/types.ts'
import type { Column, ResourceDefinition } from '../resources/types.ts'
import type { Form } from './negotiate.ts'

const definitionOf = ({ name, type = 'string', format = '', description = '', wide }: Column) => ({
  name,
  type,
  format,
  description,
  priority: wide ? 1 : 0,
})

export type IncludeObject = 'None' | 'Metadata' | 'Object'

function metadataOf(object: Unstructured, kind = 'PartialObjectMetadata'): Unstructured {
  return { kind, apiVersion: 'meta.k8s.io/v1', metadata: object.metadata }
}

interface TableOptions {
  definition: ResourceDefinition
  now: Date
  include: IncludeObject
  /** Later tables of a watch have none. */
  withColumns?: boolean
}

function tableOf(objects: readonly Unstructured[], metadata: unknown, options: TableOptions): Unstructured {
  const { definition, now, include, withColumns = true } = options
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: metadata as Unstructured['metadata'],
    columnDefinitions: withColumns ? definition.columns.map(definitionOf) : null,
    rows: objects.map(object => ({
      cells: definition.columns.map(column => column.value(object, now) ?? null),
      ...(include === 'None' ? {} : { object: include === 'Object' ? object : metadataOf(object) }),
    })),
  }
}

/** The form that was asked for, of one object or of a list. */
export function transform(object: Unstructured, form: Form, options: TableOptions): Unstructured {
  const items = object.items as Unstructured[] | undefined
  const isList = Array.isArray(items) && object.kind !== 'Table'
  switch (form.as) {
    case undefined:
      return object
    case 'Table': {
      if (object.kind === 'Status' || object.kind === 'Table') return object
      return isList
        ? tableOf(items, object.metadata, options)
        : tableOf([object], { resourceVersion: object.metadata.resourceVersion }, options)
    }
    default:
      if (object.kind === 'Status') return object
      return isList
        ? {
            kind: 'PartialObjectMetadataList',
            apiVersion: 'meta.k8s.io/v1',
            metadata: object.metadata,
            items: items.map(item => metadataOf(item)),
          }
        : metadataOf(object)
  }
}
