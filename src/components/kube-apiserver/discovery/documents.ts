/** Discovery documents: aggregated (v2, v2beta1) and one by one. */
import { resourceTable } from '../resources/table.ts'
import { apiVersionOf, type ResourceDefinition } from '../resources/types.ts'
import { localGroups } from './groups.ts'

export interface AggregatedGroup {
  metadata: { name: string; creationTimestamp: null }
  versions: unknown[]
}

const resourcesOf = (group: string, version: string) =>
  resourceTable
    .filter(row => row.group === group && row.version === version)
    .sort((a, b) => (a.resource < b.resource ? -1 : 1))

const responseKind = (group: string, version: string, kind: string) => ({ group, version, kind })

export function aggregatedResource(row: ResourceDefinition) {
  return {
    resource: row.resource,
    responseKind: responseKind(row.group, row.version, row.kind),
    scope: row.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: row.singular,
    verbs: row.verbs,
    ...(row.shortNames.length > 0 ? { shortNames: row.shortNames } : {}),
    ...(row.categories.length > 0 ? { categories: row.categories } : {}),
    ...(row.subresources.length > 0
      ? {
          subresources: row.subresources.map(sub => ({
            subresource: sub.name,
            responseKind: responseKind(sub.group ?? row.group, sub.version ?? row.version, sub.kind),
            verbs: sub.verbs,
          })),
        }
      : {}),
  }
}

function aggregatedGroup(group: string): AggregatedGroup {
  return {
    metadata: { name: group, creationTimestamp: null },
    versions: localGroups
      .filter(g => g.group === group)
      .map(({ version }) => ({
        version,
        resources: resourcesOf(group, version).map(aggregatedResource),
        freshness: 'Current',
      })),
  }
}

const namedGroups = [...new Set(localGroups.map(({ group }) => group))].filter(group => group !== '')

/** `/api` and `/apis` in one document; `others` are the aggregated APIs'. */
export const aggregated = (core: boolean, version: string, others: readonly unknown[] = []) => ({
  kind: 'APIGroupDiscoveryList',
  apiVersion: `apidiscovery.k8s.io/${version}`,
  metadata: {},
  items: core ? [aggregatedGroup('')] : [...namedGroups.map(aggregatedGroup), ...others],
})

export const apiVersions = (serverAddress: string) => ({
  kind: 'APIVersions',
  versions: ['v1'],
  serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }],
})

const groupOf = (group: string) => {
  const versions = localGroups
    .filter(g => g.group === group)
    .map(({ version }) => ({ groupVersion: `${group}/${version}`, version }))
  return { name: group, versions, preferredVersion: versions[0] }
}

export const apiGroup = (group: string) =>
  namedGroups.includes(group) ? { kind: 'APIGroup', apiVersion: 'v1', ...groupOf(group) } : undefined

export const apiGroupList = (others: readonly unknown[] = []) => ({
  kind: 'APIGroupList',
  apiVersion: 'v1',
  groups: [...namedGroups.map(groupOf), ...others],
})

export function apiResourceList(group: string, version: string) {
  const rows = resourcesOf(group, version)
  if (rows.length === 0) return undefined
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: apiVersionOf({ group, version }),
    resources: apiResources(rows),
  }
}

/** APIResources: each with its subresources behind it. */
export const apiResources = (rows: readonly ResourceDefinition[]) =>
  rows.flatMap(row => [
    {
      name: row.resource,
      singularName: row.singular,
      namespaced: row.namespaced,
      kind: row.kind,
      verbs: row.verbs,
      ...(row.shortNames.length > 0 ? { shortNames: row.shortNames } : {}),
      ...(row.categories.length > 0 ? { categories: row.categories } : {}),
    },
    ...row.subresources.map(sub => ({
      name: `${row.resource}/${sub.name}`,
      singularName: '',
      namespaced: row.namespaced,
      ...(sub.group ? { group: sub.group, version: sub.version } : {}),
      kind: sub.kind,
      verbs: sub.verbs,
    })),
  ])
