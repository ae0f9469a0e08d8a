/** Custom resources in /openapi/v2 and /openapi/v3: for `kubectl explain`, and for clients that look whether writes know `fieldValidation`. */
import type { SwaggerDocument } from '../openapi/documents.ts'
import { pathsOf } from '../openapi/paths.ts'
import { type Dialect, gvk, type JsonSchema, openApiName, schemasFor } from '../openapi/schemas.ts'
import type { CustomResource } from './resource.ts'

/** `cert-manager.io/v1`, Certificate → `io.cert-manager.v1.Certificate`. */
const definitionName = ({ group, version, kind }: CustomResource) =>
  `${group.split('.').toReversed().join('.')}.${version}.${kind}`

const reference = (dialect: Dialect, name: string) =>
  `#/${dialect === 'v2' ? 'definitions' : 'components/schemas'}/${name}`

function schemasOf(rows: readonly CustomResource[], dialect: Dialect): Record<string, JsonSchema> {
  const meta = reference(dialect, openApiName('meta.v1.ObjectMeta'))
  const own = rows.flatMap(row => {
    const { properties = {}, ...rest } = (row.source.schema?.openAPIV3Schema ?? {}) as JsonSchema & {
      properties?: Record<string, JsonSchema>
    }
    const text = { type: 'string' }
    const metadata = dialect === 'v2' ? { $ref: meta } : { allOf: [{ $ref: meta }] }
    const kind = gvk([row.group, row.version, row.kind])
    const name = definitionName(row)
    const one: JsonSchema = {
      ...rest,
      type: 'object',
      properties: { apiVersion: text, kind: text, ...properties, metadata },
      'x-kubernetes-group-version-kind': [kind],
    }
    const list: JsonSchema = {
      description: `${row.kind}List is a list of ${row.kind}`,
      type: 'object',
      required: ['items'],
      properties: {
        apiVersion: text,
        kind: text,
        items: { type: 'array', items: { $ref: reference(dialect, name) } },
        metadata: { $ref: reference(dialect, openApiName('meta.v1.ListMeta')) },
      },
      'x-kubernetes-group-version-kind': [{ ...kind, kind: `${row.kind}List` }],
    }
    return [
      [name, one],
      [`${name}List`, list],
    ] as const
  })
  return { ...schemasFor(['meta.v1.ObjectMeta'], dialect), ...Object.fromEntries(own) }
}

const paths = (rows: readonly CustomResource[], dialect: Dialect) =>
  pathsOf(rows, dialect, row => definitionName(row as CustomResource))

/** /openapi/v3/apis/<group>/<version>; undefined: not one of these. @param path `apis/cert-manager.io/v1` */
export function customV3Document(path: string, all: readonly CustomResource[], info: object): string | undefined {
  const [prefix, group, version] = path.split('/')
  const rows = all.filter(row => row.group === group && row.version === version)
  if (prefix !== 'apis' || rows.length === 0) return undefined
  return JSON.stringify({
    openapi: '3.0.0',
    info,
    paths: paths(rows, 'v3'),
    components: { schemas: schemasOf(rows, 'v3') },
  })
}

export const customV3Paths = (all: readonly CustomResource[]): string[] => [
  ...new Set(all.map(({ group, version }) => `apis/${group}/${version}`)),
]

export const withCustom = (document: SwaggerDocument, all: readonly CustomResource[]): SwaggerDocument => ({
  ...document,
  paths: { ...document.paths, ...paths(all, 'v2') },
  definitions: { ...document.definitions, ...schemasOf(all, 'v2') },
})
