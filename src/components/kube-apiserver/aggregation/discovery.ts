/** What aggregated APIs add to /apis. */

import { at, text } from '../columns/values.ts'
import type { OtherApis } from '../discovery/routes.ts'
import type { RemoteApi } from './apiservices.ts'

/** APIResource → APIResourceDiscovery; subresources are rows of their own in the old form. */
function aggregatedResources({ group, version, resources }: RemoteApi): unknown[] {
  const top = resources.filter(resource => !text(resource, 'name').includes('/'))
  return top.map(resource => {
    const name = text(resource, 'name')
    const kind = (of: unknown) => ({
      group: text(of, 'group') || group,
      version: text(of, 'version') || version,
      kind: text(of, 'kind'),
    })
    const subresources = resources.filter(other => text(other, 'name').startsWith(`${name}/`))
    return {
      resource: name,
      responseKind: kind(resource),
      scope: at(resource, 'namespaced') === true ? 'Namespaced' : 'Cluster',
      singularResource: text(resource, 'singularName'),
      verbs: at(resource, 'verbs'),
      ...(at(resource, 'shortNames') ? { shortNames: at(resource, 'shortNames') } : {}),
      ...(at(resource, 'categories') ? { categories: at(resource, 'categories') } : {}),
      ...(subresources.length > 0
        ? {
            subresources: subresources.map(sub => ({
              subresource: text(sub, 'name').slice(name.length + 1),
              responseKind: kind(sub),
              verbs: at(sub, 'verbs'),
            })),
          }
        : {}),
    }
  })
}

/** By group, its versions by priority. */
function byGroup(apis: readonly RemoteApi[]): [string, RemoteApi[]][] {
  const groups = new Map<string, RemoteApi[]>()
  for (const api of [...apis].sort(
    (a, b) => b.priority.group - a.priority.group || b.priority.version - a.priority.version,
  ))
    groups.set(api.group, [...(groups.get(api.group) ?? []), api])
  return [...groups]
}

export const othersOf = (all: () => readonly RemoteApi[]): OtherApis => ({
  aggregated: () =>
    byGroup(all()).map(([group, apis]) => ({
      metadata: { name: group, creationTimestamp: null },
      versions: apis.map(api => ({
        version: api.version,
        resources: api.available ? aggregatedResources(api) : [],
        freshness: api.available ? 'Current' : 'Stale',
      })),
    })),
  groups: () =>
    byGroup(all()).map(([group, apis]) => {
      const versions = apis.map(({ version }) => ({ groupVersion: `${group}/${version}`, version }))
      return { name: group, versions, preferredVersion: versions[0] }
    }),
})
