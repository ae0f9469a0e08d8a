/** How the default roles are written down: a line a rule, words parted by spaces. */
import type { PolicyRule } from './types.ts'

/** verbs, API groups (`core` is the one without a name), resources, and resourceNames if only those. */
export type RuleRow = readonly [verbs: string, groups: string, resources: string, names?: string]
/** verbs and paths that are no resources. */
export type PathRow = { readonly get: string }

export const words = (text: string) => text.split(' ')

export function ruleOf(row: RuleRow | PathRow): PolicyRule {
  if ('get' in row) return { nonResourceURLs: words(row.get), verbs: ['get'] }
  const [verbs, groups, resources, names] = row
  return {
    apiGroups: words(groups).map(group => (group === 'core' ? '' : group)),
    ...(names ? { resourceNames: words(names) } : {}),
    resources: words(resources),
    verbs: words(verbs),
  }
}

export const read = 'get list watch'
export const write = 'create delete deletecollection patch update'
export const readWrite = 'create delete deletecollection get list patch update watch'
/** Every controller may tell of what it did. */
export const events: RuleRow = ['create patch update', 'core events.k8s.io', 'events']
