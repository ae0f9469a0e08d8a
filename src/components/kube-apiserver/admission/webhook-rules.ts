/** Does a webhook's rule match a request: admission/plugin/webhook/predicates/rules. */
import { array, text } from '../columns/values.ts'
import type { AdmissionRequest } from './types.ts'

const has = (list: readonly string[], wanted: string) => list.includes('*') || list.includes(wanted)

export function matchesRules(rules: readonly unknown[], request: AdmissionRequest): boolean {
  const { definition, operation, subresource } = request
  return rules.some(rule => {
    const scope = text(rule, 'scope') || '*'
    const namespaced = definition.namespaced && definition.kind !== 'Namespace'
    return (
      has(array<string>(rule, 'operations'), operation) &&
      has(array<string>(rule, 'apiGroups'), definition.group) &&
      has(array<string>(rule, 'apiVersions'), definition.version) &&
      (scope === '*' || (scope === 'Namespaced') === namespaced) &&
      array<string>(rule, 'resources').some(pattern => matchesResource(pattern, definition.resource, subresource))
    )
  })
}

/** `pods`, `pods/status`, `pods/*`, `*`, and with subresources `*` + `/*`. */
function matchesResource(pattern: string, resource: string, subresource: string): boolean {
  const [wanted = '', sub] = pattern.split('/', 2)
  if (wanted !== '*' && wanted !== resource) return false
  if (sub === undefined) return subresource === ''
  return sub === '*' || sub === subresource
}
