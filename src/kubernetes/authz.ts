/** May they? What an authorizer is, and the small ones; RBAC, the Node authorizer and the delegated one have files of their own. */
import type { Attributes } from './attributes.ts'

export interface AuthorizationResult {
  /** `no-opinion` from all is a refusal, too. */
  decision: 'allow' | 'deny' | 'no-opinion'
  /** For the audit log, and at the end of a 403's message. */
  reason: string
  /** What went wrong while deciding. */
  error?: string
}

/** Answers at once when it can: the hot path has no promise in it. */
export type Authorizer = (attributes: Attributes) => AuthorizationResult | Promise<AuthorizationResult>

export const allowed = (reason = ''): AuthorizationResult => ({ decision: 'allow', reason })
export const denied = (reason = ''): AuthorizationResult => ({ decision: 'deny', reason })
export const noOpinion = (reason = ''): AuthorizationResult => ({ decision: 'no-opinion', reason })

const yes = allowed()
const unknown = noOpinion()

export const alwaysAllow: Authorizer = () => yes
const no = noOpinion('Everything is forbidden.')
export const alwaysDeny: Authorizer = () => no

/** authorizerfactory.NewPrivilegedGroups. */
export const privilegedGroups =
  (groups: readonly string[] = ['system:masters']): Authorizer =>
  ({ user }) =>
    user.groups.some(group => groups.includes(group)) ? yes : unknown

/** `--authorization-always-allow-paths`: exact, or a prefix with `*` at its end. Only paths that are no resources. */
export function pathAuthorizer(paths: readonly string[]): Authorizer {
  const exact = new Set<string>()
  const prefixes: string[] = []
  for (const path of paths) {
    const absolute = path.startsWith('/') ? path : `/${path}`
    if (absolute.endsWith('*')) prefixes.push(absolute.slice(0, -1))
    else exact.add(absolute)
  }
  return ({ isResourceRequest, path }) =>
    !isResourceRequest && (exact.has(path) || prefixes.some(prefix => path.startsWith(prefix))) ? yes : unknown
}

/** authorizer/union: the first that allows or denies decides; the reasons of the others are kept. */
export function unionAuthorizer(authorizers: readonly Authorizer[]): Authorizer {
  const from = (
    start: number,
    attributes: Attributes,
    reasons: string[],
    errors: string[],
  ): AuthorizationResult | Promise<AuthorizationResult> => {
    for (let i = start; i < authorizers.length; i++) {
      const result = authorizers[i]!(attributes)
      if (result instanceof Promise) {
        return result.then(settled => note(settled, reasons, errors) ?? from(i + 1, attributes, reasons, errors))
      }
      const decided = note(result, reasons, errors)
      if (decided) return decided
    }
    return {
      decision: 'no-opinion',
      reason: reasons.join('\n'),
      ...(errors.length > 0 ? { error: errors.join(', ') } : {}),
    }
  }
  return attributes => from(0, attributes, [], [])
}

function note(result: AuthorizationResult, reasons: string[], errors: string[]): AuthorizationResult | undefined {
  if (result.decision !== 'no-opinion') return result
  if (result.reason) reasons.push(result.reason)
  if (result.error) errors.push(result.error)
  return undefined
}
