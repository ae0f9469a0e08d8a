/** The API's paths as OpenAPI operations: which verbs there are, of which kind, and that writes know `fieldValidation` (kubectl looks for that). */
import { resourceTable } from '../resources/table.ts'
import { apiVersionOf, type ResourceDefinition } from '../resources/types.ts'
import { idOfKind } from '../schema/load.ts'
import { type Dialect, gvk, openApiName } from './schemas.ts'

const query: Record<string, readonly string[]> = {
  list: [
    'labelSelector',
    'fieldSelector',
    'limit',
    'continue',
    'resourceVersion',
    'resourceVersionMatch',
    'watch',
    'timeoutSeconds',
    'allowWatchBookmarks',
    'sendInitialEvents',
  ],
  get: [],
  post: ['dryRun', 'fieldManager', 'fieldValidation'],
  put: ['dryRun', 'fieldManager', 'fieldValidation'],
  patch: ['dryRun', 'fieldManager', 'fieldValidation', 'force'],
  delete: ['dryRun', 'gracePeriodSeconds', 'orphanDependents', 'propagationPolicy'],
}

const booleans = new Set(['watch', 'allowWatchBookmarks', 'sendInitialEvents', 'force', 'orphanDependents'])
const integers = new Set(['limit', 'timeoutSeconds', 'gracePeriodSeconds'])

function parameter(name: string, dialect: Dialect): Record<string, unknown> {
  const type = booleans.has(name) ? 'boolean' : integers.has(name) ? 'integer' : 'string'
  return dialect === 'v2'
    ? { name, in: 'query', type, uniqueItems: true }
    : { name, in: 'query', schema: { type, uniqueItems: true } }
}

const patchTypes = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
]

/** A kind of the API's own schema. */
function schemaName(row: ResourceDefinition): string {
  return openApiName(idOfKind(row) ?? 'meta.v1.Status')
}

interface Operation {
  method: string
  action: string
  dialect: Dialect
  nameOf: (row: ResourceDefinition) => string
}

/** kubectl makes a strategic patch for whatever says that it takes one; nothing says how a custom resource's lists are merged. */
const patchTypesOf = ({ conform }: ResourceDefinition) =>
  conform ? patchTypes.filter(type => !type.includes('strategic')) : patchTypes

function operation(row: ResourceDefinition, { method, action, dialect, nameOf }: Operation): Record<string, unknown> {
  const kind = gvk([row.group, row.version, row.kind])
  const name = action === 'list' ? `${nameOf(row)}List` : nameOf(row)
  const ref = { $ref: `#/${dialect === 'v2' ? 'definitions' : 'components/schemas'}/${name}` }
  const ok =
    dialect === 'v2'
      ? { description: 'OK', schema: ref }
      : { description: 'OK', content: { 'application/json': { schema: ref } } }
  const parameters: Record<string, unknown>[] = (query[action === 'list' ? 'list' : method] ?? []).map(each =>
    parameter(each, dialect),
  )
  const hasBody = method === 'post' || method === 'put' || method === 'patch'
  if (hasBody && dialect === 'v2') parameters.unshift({ name: 'body', in: 'body', required: true, schema: ref })
  return {
    description: `${action} ${row.kind}`,
    operationId: `${action}${apiVersionOf(row).replace(/\W+(.)/g, (_, c: string) => c.toUpperCase())}${row.kind}`,
    ...(dialect === 'v2' && method === 'patch' ? { consumes: patchTypesOf(row) } : {}),
    ...(dialect === 'v2' ? { produces: ['application/json', 'application/yaml'] } : {}),
    parameters,
    ...(hasBody && dialect === 'v3'
      ? {
          requestBody: {
            required: true,
            content: Object.fromEntries(
              (method === 'patch' ? patchTypesOf(row) : ['*/*']).map(type => [type, { schema: ref }]),
            ),
          },
        }
      : {}),
    responses: { 200: ok, 401: { description: 'Unauthorized' } },
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': kind,
  }
}

/** verb → method and whether it is of the item. */
const verbs: [verb: string, method: string, item: boolean][] = [
  ['list', 'get', false],
  ['create', 'post', false],
  ['deletecollection', 'delete', false],
  ['get', 'get', true],
  ['update', 'put', true],
  ['patch', 'patch', true],
  ['delete', 'delete', true],
]

export const pathsFor = (group: string, version: string, dialect: Dialect): Record<string, Record<string, unknown>> =>
  pathsOf(
    resourceTable.filter(row => row.group === group && row.version === version),
    dialect,
  )

/** @param nameOf the schema of a row's kind */
export function pathsOf(
  rows: readonly ResourceDefinition[],
  dialect: Dialect,
  nameOf: (row: ResourceDefinition) => string = schemaName,
): Record<string, Record<string, unknown>> {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const row of rows) {
    const { group, version } = row
    const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`
    const collection = `${root}/${row.namespaced ? 'namespaces/{namespace}/' : ''}${row.resource}`
    for (const [verb, method, item] of verbs) {
      if (!row.verbs.includes(verb as ResourceDefinition['verbs'][number])) continue
      const path = item ? `${collection}/{name}` : collection
      const action = verb === 'create' ? 'post' : verb === 'update' ? 'put' : verb
      const operations = paths[path] ?? {}
      operations[method] = operation(row, { method, action, dialect, nameOf })
      paths[path] = operations
    }
  }
  return paths
}
