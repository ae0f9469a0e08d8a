/** The documents of /openapi/v2 and /openapi/v3, made when first asked for. */
import { createHash } from 'node:crypto'
import { kubernetesVersion } from '#kubernetes/version.ts'
import { groupVersions, resourceTable } from '../resources/table.ts'
import { idOfKind } from '../schema/load.ts'
import { pathsFor } from './paths.ts'
import { schemasFor } from './schemas.ts'

export const info = { title: 'Kubernetes', version: kubernetesVersion.gitVersion }

function memo<K, V>(make: (key: K) => V): (key: K) => V {
  const made = new Map<K, V>()
  return key => {
    if (!made.has(key)) made.set(key, make(key))
    return made.get(key)!
  }
}

/** Other kinds that belong to the document of a group version, for subresources' bodies. */
const companions: Record<string, string[]> = {
  '/v1': ['authentication.v1.TokenRequest', 'policy.v1.Eviction'],
  'apps/v1': ['autoscaling.v1.Scale'],
}

const idsOf = (group: string, version: string) => [
  ...resourceTable.filter(row => row.group === group && row.version === version).flatMap(row => idOfKind(row) ?? []),
  ...(companions[`${group}/${version}`] ?? []),
]

const pathOf = (group: string, version: string) => (group === '' ? `api/${version}` : `apis/${group}/${version}`)

/** Undefined: no such group version. @param path `api/v1`, `apis/apps/v1` */
export const v3Document = memo((path: string): string | undefined => {
  const found = groupVersions.find(({ group, version }) => pathOf(group, version) === path)
  if (!found) return undefined
  const { group, version } = found
  return JSON.stringify({
    openapi: '3.0.0',
    info,
    paths: pathsFor(group, version, 'v3'),
    components: { schemas: schemasFor(idsOf(group, version), 'v3') },
  })
})

/** The same for every process of this version: what a client keeps by it stays good. */
const hash = createHash('sha512')
  .update(JSON.stringify(info))
  .update(resourceTable.map(row => row.resource).join())
  .digest('hex')
  .toUpperCase()

/** @param more paths of custom resources, whose documents are others with each generation */
export const v3Index = (more: readonly string[], generation: number) => ({
  paths: Object.fromEntries([
    ...groupVersions.map(({ group, version }) => {
      const path = pathOf(group, version)
      return [path, { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` }]
    }),
    ...more.map(path => [path, { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}${generation}` }]),
  ]),
})

export interface SwaggerDocument {
  swagger: '2.0'
  info: typeof info
  paths: Record<string, Record<string, unknown>>
  definitions: Record<string, Record<string, unknown>>
}

export const v2Document = memo(
  (_: 'v2'): SwaggerDocument => ({
    swagger: '2.0',
    info,
    paths: Object.assign(
      {},
      ...groupVersions.map(({ group, version }) => pathsFor(group, version, 'v2')),
    ) as SwaggerDocument['paths'],
    definitions: schemasFor(
      groupVersions.flatMap(({ group, version }) => idsOf(group, version)),
      'v2',
    ),
  }),
)
