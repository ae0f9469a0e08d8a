/** What custom resources add to /apis, and below. */
import { aggregatedResource, apiResources } from '../discovery/documents.ts'
import type { OtherApis } from '../discovery/routes.ts'
import { apiVersionOf } from '../resources/types.ts'
import type { CustomResource } from './resource.ts'

export interface CustomDiscovery extends OtherApis {
  /** `/apis/<group>` and `/apis/<group>/<version>`; undefined: not one of these. */
  document(path: string): unknown
}

export function customDiscovery(all: () => readonly CustomResource[]): CustomDiscovery {
  const groups = () => [...Map.groupBy(all(), ({ group }) => group)]
  const versionsOf = (rows: readonly CustomResource[]) =>
    [...Map.groupBy(rows, ({ version }) => version)].sort(([a], [b]) => byVersion(a, b))
  const groupOf = ([group, rows]: [string, readonly CustomResource[]]) => {
    const versions = versionsOf(rows).map(([version]) => ({ groupVersion: `${group}/${version}`, version }))
    return { name: group, versions, preferredVersion: versions[0] }
  }
  return {
    aggregated: () =>
      groups().map(([group, rows]) => ({
        metadata: { name: group, creationTimestamp: null },
        versions: versionsOf(rows).map(([version, resources]) => ({
          version,
          resources: resources.map(aggregatedResource),
          freshness: 'Current',
        })),
      })),
    groups: () => groups().map(groupOf),
    document(path) {
      const [prefix, group, version, more] = path.split('/').filter(Boolean)
      if (prefix !== 'apis' || more !== undefined) return undefined
      const rows = all().filter(row => row.group === group && (version === undefined || row.version === version))
      if (rows.length === 0) return undefined
      if (version === undefined) return { kind: 'APIGroup', apiVersion: 'v1', ...groupOf([group!, rows]) }
      return {
        kind: 'APIResourceList',
        apiVersion: 'v1',
        groupVersion: apiVersionOf({ group: group!, version }),
        resources: apiResources(rows),
      }
    },
  }
}

/** version.CompareKubeAwareVersionStrings: v1 before v1beta1 before v1alpha1, higher numbers first, others last by name. */
function byVersion(a: string, b: string): number {
  const rank = (text: string) => {
    const [, major, stage, minor] = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(text) ?? []
    return major === undefined
      ? undefined
      : [stage === undefined ? 2 : stage === 'beta' ? 1 : 0, Number(major), Number(minor ?? 0)]
  }
  const [left, right] = [rank(a), rank(b)]
  if (!left || !right) return left ? -1 : right ? 1 : a < b ? -1 : 1
  return right[0]! - left[0]! || right[1]! - left[1]! || right[2]! - left[2]!
}
