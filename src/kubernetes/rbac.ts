/** Role-based access: who is bound to which rules, and whether one of them allows a request. The caller feeds it the objects. */
import type { Attributes } from './attributes.ts'
import { type AuthorizationResult, type Authorizer, allowed, noOpinion } from './authz.ts'
import { aggregate, quote } from './go.ts'
import { matchesLabels } from './selectors.ts'
import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, Subject, UserInfo } from './types.ts'

/** What a rule is matched against. */
type Question = Pick<
  Attributes,
  'isResourceRequest' | 'verb' | 'apiGroup' | 'resource' | 'subresource' | 'name' | 'path'
>

/** rbac.RuleAllows. */
export function ruleAllows(a: Question, rule: PolicyRule): boolean {
  if (!has(rule.verbs, a.verb)) return false
  if (!a.isResourceRequest) {
    return (rule.nonResourceURLs ?? []).some(
      url => url === '*' || url === a.path || (url.endsWith('*') && a.path.startsWith(url.replace(/\*+$/, ''))),
    )
  }
  if (!has(rule.apiGroups ?? [], a.apiGroup)) return false
  const combined = a.subresource === '' ? a.resource : `${a.resource}/${a.subresource}`
  const matched = (rule.resources ?? []).some(
    resource =>
      resource === '*' || resource === combined || (a.subresource !== '' && resource === `*/${a.subresource}`),
  )
  if (!matched) return false
  const names = rule.resourceNames ?? []
  return names.length === 0 || names.includes(a.name)
}

const has = (list: readonly string[], value: string) => list.includes('*') || list.includes(value)

interface Grant {
  /** `ClusterRoleBinding "x" of ClusterRole "y" to User "z"`: the end of the reason. */
  description: string
  /** '' grants everywhere. */
  namespace: string
  roleKind: string
  roleName: string
}

type RbacObject = Role | ClusterRole | RoleBinding | ClusterRoleBinding

// Verdicts kept for one user; a real user asks for a few dozen different things.
const cachedPerUser = 1024

/** Roles and bindings as they are now. Fill it from a watch: `put` and `remove` take effect at once. */
export class RbacStore {
  readonly #roles = new Map<string, Role>()
  readonly #clusterRoles = new Map<string, ClusterRole>()
  readonly #bindings = new Map<string, { namespace: string; binding: RoleBinding }>()
  /** By `User:name` and `Group:name`; a service account is the user that it is. */
  #grants: Map<string, Grant[]> | undefined
  #rules = new Map<string, readonly PolicyRule[] | undefined>()
  /** Verdicts by user object, which the authenticators keep for a connection's life. */
  #verdicts = new WeakMap<UserInfo, Map<string, AuthorizationResult>>()

  put(object: RbacObject & { kind?: string }): void {
    const { name = '', namespace = '' } = object.metadata
    if ('roleRef' in object) this.#bindings.set(`${namespace}/${name}`, { namespace, binding: object })
    else if (namespace !== '') this.#roles.set(`${namespace}/${name}`, object)
    else this.#clusterRoles.set(name, object)
    this.#changed()
  }

  remove(object: RbacObject & { kind?: string }): void {
    const { name = '', namespace = '' } = object.metadata
    if ('roleRef' in object) this.#bindings.delete(`${namespace}/${name}`)
    else if (namespace !== '') this.#roles.delete(`${namespace}/${name}`)
    else this.#clusterRoles.delete(name)
    this.#changed()
  }

  #changed(): void {
    this.#grants = undefined
    this.#rules = new Map()
    this.#verdicts = new WeakMap()
  }

  authorize(a: Attributes): AuthorizationResult {
    let verdicts = this.#verdicts.get(a.user)
    if (!verdicts || verdicts.size >= cachedPerUser) {
      verdicts = new Map()
      this.#verdicts.set(a.user, verdicts)
    }
    const key = a.isResourceRequest
      ? `${a.verb}\0${a.apiGroup}\0${a.resource}\0${a.subresource}\0${a.namespace}\0${a.name}`
      : `${a.verb}\0${a.path}`
    let verdict = verdicts.get(key)
    if (!verdict) {
      verdict = this.#decide(a)
      verdicts.set(key, verdict)
    }
    return verdict
  }

  #decide(a: Attributes): AuthorizationResult {
    const problems: string[] = []
    for (const grant of this.grantsOf(a.user)) {
      if (grant.namespace !== '' && (grant.namespace !== a.namespace || !a.isResourceRequest)) continue
      const rules = this.#rulesOf(grant)
      if (!rules) {
        const kind = grant.roleKind.toLowerCase()
        problems.push(`${kind}.rbac.authorization.k8s.io ${quote(grant.roleName)} not found`)
        continue
      }
      for (const rule of rules) if (ruleAllows(a, rule)) return allowed(`RBAC: allowed by ${grant.description}`)
    }
    return noOpinion(problems.length > 0 ? `RBAC: ${aggregate(problems)}` : '')
  }

  /** Every rule that holds for a user in a namespace, for SelfSubjectRulesReview. */
  rulesFor(user: UserInfo, namespace: string): PolicyRule[] {
    return this.grantsOf(user)
      .filter(grant => grant.namespace === '' || grant.namespace === namespace)
      .flatMap(grant => this.#rulesOf(grant) ?? [])
  }

  /** Cluster-wide ones first, as the original visits them. */
  grantsOf(user: UserInfo): Grant[] {
    this.#grants ??= this.#index()
    const keys = [`User:${user.username}`, ...new Set(user.groups)].map((key, i) => (i === 0 ? key : `Group:${key}`))
    const found = keys.flatMap(key => this.#grants!.get(key) ?? [])
    return found.sort((a, b) => Number(a.namespace !== '') - Number(b.namespace !== ''))
  }

  #index(): Map<string, Grant[]> {
    const index = new Map<string, Grant[]>()
    for (const { namespace, binding } of this.#bindings.values()) {
      const { kind, name } = binding.roleRef
      const bindingKind = namespace === '' ? 'ClusterRoleBinding' : 'RoleBinding'
      const bindingName = namespace === '' ? binding.metadata.name! : `${binding.metadata.name}/${namespace}`
      for (const subject of binding.subjects ?? []) {
        const key = subjectKey(subject, namespace)
        if (!key) continue
        const grant = {
          description: `${bindingKind} ${quote(bindingName)} of ${kind} ${quote(name)} to ${describe(subject, namespace)}`,
          namespace,
          roleKind: kind,
          roleName: name,
        }
        const grants = index.get(key)
        if (grants) grants.push(grant)
        else index.set(key, [grant])
      }
    }
    return index
  }

  /** Undefined: the role is not there. */
  #rulesOf({ roleKind, roleName, namespace }: Grant): readonly PolicyRule[] | undefined {
    if (roleKind === 'Role') {
      const role = this.#roles.get(`${namespace}/${roleName}`)
      return role ? (role.rules ?? []) : undefined
    }
    if (!this.#rules.has(roleName)) this.#rules.set(roleName, this.#clusterRules(roleName))
    return this.#rules.get(roleName)
  }

  /** An aggregated role has the rules of every role that its selectors take; the original's controller writes them into it. */
  #clusterRules(name: string): readonly PolicyRule[] | undefined {
    const role = this.#clusterRoles.get(name)
    if (!role) return undefined
    const selectors = role.aggregationRule?.clusterRoleSelectors ?? []
    if (selectors.length === 0) return role.rules ?? []
    const parts = [...this.#clusterRoles.values()].filter(
      other => other !== role && selectors.some(selector => matchesLabels(selector, other.metadata.labels)),
    )
    return [...(role.rules ?? []), ...parts.flatMap(part => part.rules ?? [])]
  }
}

function subjectKey({ kind, name, namespace: own }: Subject, bindingNamespace: string): string | undefined {
  if (kind === 'User' || kind === 'Group') return `${kind}:${name}`
  if (kind !== 'ServiceAccount') return undefined
  const namespace = own || bindingNamespace
  return namespace === '' ? undefined : `User:system:serviceaccount:${namespace}:${name}`
}

const describe = ({ kind, name, namespace }: Subject, bindingNamespace: string) =>
  `${kind} ${quote(kind === 'ServiceAccount' ? `${name}/${namespace || bindingNamespace}` : name)}`

export const rbacAuthorizer =
  (store: RbacStore): Authorizer =>
  attributes =>
    store.authorize(attributes)
