/** The audit policy: which requests are written, and how much of each. The first rule that matches decides. */
import { readFileSync } from 'node:fs'
import { parseDocument } from 'yaml'
import { TrustplaneError } from '#errors.ts'
import type { Attributes } from './attributes.ts'

export type AuditLevel = 'None' | 'Metadata' | 'Request' | 'RequestResponse'
export type AuditStage = 'RequestReceived' | 'ResponseStarted' | 'ResponseComplete' | 'Panic'

interface AuditRule {
  level: AuditLevel
  users?: string[]
  userGroups?: string[]
  verbs?: string[]
  resources?: { group?: string; resources?: string[]; resourceNames?: string[] }[]
  namespaces?: string[]
  nonResourceURLs?: string[]
  omitStages?: AuditStage[]
  omitManagedFields?: boolean
}

export interface AuditPolicy {
  apiVersion?: string
  kind?: string
  rules?: AuditRule[]
  omitStages?: AuditStage[]
  omitManagedFields?: boolean
}

const levels: readonly string[] = ['None', 'Metadata', 'Request', 'RequestResponse']
const stages: readonly string[] = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic']

/** @throws TrustplaneError with the original's words */
export function loadAuditPolicy(file: string): AuditPolicy {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new TrustplaneError('TP_FILE_UNREADABLE', `loading audit policy file: failed to read file path "${file}"`, {
      fix: '--audit-policy-file names a file that this process may read',
      cause,
    })
  }
  const document = parseDocument(text)
  const broken = document.errors[0]
  const fail = (why: string, line?: number) =>
    new TrustplaneError('TP_INPUT_INVALID', `loading audit policy file: failed decoding: ${why}`, {
      fix: 'an audit policy is `apiVersion: audit.k8s.io/v1`, `kind: Policy` and a list of rules, each with a level',
      at: { file, ...(line ? { line } : {}) },
    })
  if (broken) throw fail(`yaml: ${broken.message.split('\n')[0]}`, broken.linePos?.[0].line)
  const policy = document.toJS() as AuditPolicy | null
  if (policy?.kind !== 'Policy' || policy.apiVersion !== 'audit.k8s.io/v1') {
    throw fail(
      `no kind ${JSON.stringify(policy?.kind ?? '')} is registered for version ${JSON.stringify(policy?.apiVersion ?? '')}`,
    )
  }
  if (!policy.rules?.length) throw fail(`loaded illegal policy with 0 rules from file ${file}`)
  const problems = [
    ...policy.rules.flatMap((rule, i) => [
      ...(levels.includes(rule.level)
        ? []
        : [
            `rules[${i}].level: Unsupported value: ${JSON.stringify(rule.level ?? '')}: supported values: ${levels.map(l => JSON.stringify(l)).join(', ')}`,
          ]),
      ...badStages(rule.omitStages, `rules[${i}].omitStages`),
    ]),
    ...badStages(policy.omitStages, 'omitStages'),
  ]
  if (problems.length > 0) throw fail(problems.join(', '))
  return policy
}

const badStages = (given: readonly string[] | undefined, where: string) =>
  (given ?? [])
    .filter(stage => !stages.includes(stage))
    .map(stage => `${where}: Invalid value: ${JSON.stringify(stage)}: allowed stages are ${stages.join(',')}`)

export interface AuditDecision {
  level: AuditLevel
  omitStages: readonly AuditStage[]
}

const unaudited: AuditDecision = { level: 'None', omitStages: stages as readonly AuditStage[] }

/** policy.EvaluatePolicyRule. Nobody: a request that was not authenticated. */
export function evaluateAudit(
  policy: AuditPolicy,
  a: Omit<Attributes, 'user'> & { user?: Attributes['user'] },
): AuditDecision {
  for (const rule of policy.rules ?? []) {
    if (!matches(rule, a)) continue
    return { level: rule.level, omitStages: [...(policy.omitStages ?? []), ...(rule.omitStages ?? [])] }
  }
  return unaudited
}

function matches(rule: AuditRule, a: Omit<Attributes, 'user'> & { user?: Attributes['user'] }): boolean {
  if (rule.users?.length && !(a.user && rule.users.includes(a.user.username))) return false
  if (rule.userGroups?.length && !a.user?.groups.some(group => rule.userGroups!.includes(group))) return false
  if (rule.verbs?.length && !rule.verbs.includes(a.verb) && !rule.verbs.includes('*')) return false
  if (rule.namespaces?.length || rule.resources?.length) return a.isResourceRequest && matchesResource(rule, a)
  if (rule.nonResourceURLs?.length) {
    return (
      !a.isResourceRequest &&
      rule.nonResourceURLs.some(
        url => url === '*' || url === a.path || (url.endsWith('*') && a.path.startsWith(url.slice(0, -1))),
      )
    )
  }
  return true
}

function matchesResource(rule: AuditRule, a: Omit<Attributes, 'user'>): boolean {
  if (rule.namespaces?.length && !rule.namespaces.includes(a.namespace)) return false
  if (!rule.resources?.length) return true
  const combined = a.subresource === '' ? a.resource : `${a.resource}/${a.subresource}`
  return rule.resources.some(({ group = '', resources = [], resourceNames = [] }) => {
    if (group !== a.apiGroup) return false
    if (resources.length === 0) return true
    if (resourceNames.length > 0 && !resourceNames.includes(a.name)) return false
    return resources.some(
      resource =>
        resource === '*' ||
        resource === combined ||
        (a.subresource !== '' && (resource === `*/${a.subresource}` || resource === `${a.resource}/*`)),
    )
  })
}
