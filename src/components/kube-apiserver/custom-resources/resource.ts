/** From a CustomResourceDefinition to what the apiserver must know of a resource to serve it: one row a served version. */
import type { Unstructured } from '#kubernetes/types.ts'
import { age, name } from '../columns/standard.ts'
import { humanDuration } from '../columns/values.ts'
import { keepStatus } from '../resources/strategies/core.ts'
import type { Cell, Column, ResourceDefinition, Strategy, Verb } from '../resources/types.ts'
import { parseJsonPath } from './json-path.ts'
import { fillDefaults, prune, validate } from './schema.ts'
import type { DefinitionSpec, DefinitionVersion, PrinterColumn } from './types.ts'

/** A row of `resources/table.ts` that came later. */
export interface CustomResource extends ResourceDefinition {
  /** As written in the definition, for OpenAPI. */
  version: string
  source: DefinitionVersion
}

const verbs: readonly Verb[] = ['delete', 'deletecollection', 'get', 'list', 'patch', 'create', 'update', 'watch']

export function resourcesOf({ group, names, scope, versions }: DefinitionSpec): CustomResource[] {
  const storage = versions.find(version => version.storage) ?? versions[0]!
  return versions
    .filter(({ served }) => served)
    .map(source => ({
      group,
      version: source.name,
      resource: names.plural,
      singular: names.singular || names.kind.toLowerCase(),
      kind: names.kind,
      namespaced: scope === 'Namespaced',
      shortNames: names.shortNames ?? [],
      categories: names.categories ?? [],
      verbs,
      subresources: source.subresources?.status
        ? [{ name: 'status', verbs: ['get', 'patch', 'update'], kind: names.kind }]
        : [],
      registry: `/registry/${group}/${names.plural}`,
      columns: columnsOf(source.additionalPrinterColumns ?? []),
      strategy: strategyOf(source),
      fields: {},
      conform: conformTo(source),
      source,
      ...(source === storage ? {} : { conversion: renamed(group, names.kind, storage.name, source.name) }),
    }))
}

/** conversion.strategy None: only the apiVersion differs. */
function renamed(
  group: string,
  kind: string,
  stored: string,
  shown: string,
): NonNullable<ResourceDefinition['conversion']> {
  const to = (version: string) => (object: Unstructured) => ({ ...object, apiVersion: `${group}/${version}` })
  return { stored: { group, version: stored, kind }, toStored: to(stored), fromStored: to(shown) }
}

const conformTo =
  (source: DefinitionVersion) =>
  (object: Unstructured): string[] => {
    const schema = source.schema?.openAPIV3Schema
    return schema ? prune(object as Record<string, unknown>, schema) : []
  }

function strategyOf({ schema, subresources }: DefinitionVersion): Strategy {
  const structural = schema?.openAPIV3Schema
  return {
    generation: true,
    ...(structural ? { defaults: object => fillDefaults(object, structural) } : {}),
    ...(structural ? { validate: object => validate(object as Record<string, unknown>, structural) } : {}),
    ...(subresources?.status
      ? {
          create: object => delete object.status,
          update: keepStatus,
        }
      : {}),
  }
}

/** Without columns of its own a custom resource shows its age; with some it shows no more than those. */
const columnsOf = (columns: readonly PrinterColumn[]): readonly Column[] => [
  name,
  ...(columns.length > 0 ? columns.map(columnOf) : [age]),
]

function columnOf({ name: title, type, format, description, priority = 0, jsonPath }: PrinterColumn): Column {
  const find = parseJsonPath(jsonPath)
  return {
    name: title,
    type: type === 'date' ? 'date' : type,
    ...(format ? { format } : {}),
    ...(description ? { description } : {}),
    ...(priority > 0 ? { wide: true as const } : {}),
    value: (object, now) => cellOf(find?.(object), type, now),
  }
}

/** tableconvertor.go: a date is how long ago it was, what does not fit the type is left out. */
function cellOf(value: unknown, type: PrinterColumn['type'], now: Date): Cell {
  if (value === undefined || value === null) return type === 'string' ? '' : type === 'date' ? '<unknown>' : null
  switch (type) {
    case 'string':
      return typeof value === 'string' ? value : JSON.stringify(value)
    case 'date': {
      const at = typeof value === 'string' ? Date.parse(value) : Number.NaN
      return Number.isNaN(at) ? '<invalid>' : humanDuration(now.getTime() - at)
    }
    case 'integer':
    case 'number':
      return typeof value === 'number' ? value : null
    default:
      return typeof value === 'boolean' ? value : null
  }
}
