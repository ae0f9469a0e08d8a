/** Certificate policies along a chain: Go's policiesValid (since 1.24), which is RFC 5280 §6.1 as updated by RFC 9618. */
import { equalNames } from './names.ts'
import type { Certificate } from './types.ts'

/** 2.5.29.32.0, as hex of its DER. */
const anyPolicy = '551d2000'

interface Node {
  policy: string
  expected: readonly string[]
  parents: Set<Node>
  children: Set<Node>
}

type Level = Map<string, Node>

function createNode(policy: string, parents: readonly Node[]): Node {
  const node: Node = { policy, expected: [policy], parents: new Set(parents), children: new Set() }
  for (const parent of parents) parent.children.add(node)
  return node
}

/** Levels from the trust anchor down; the last one is that of the certificate in hand. */
type Graph = Level[]

const newGraph = (): Graph => [new Map([[anyPolicy, createNode(anyPolicy, [])]])]

function remove(level: Level, policy: string): void {
  const node = level.get(policy)
  if (!node) return
  for (const parent of node.parents) parent.children.delete(node)
  for (const child of node.children) child.parents.delete(node)
  level.delete(policy)
}

/** RFC 9618 §5.3 (d)(3): nodes above the last level that lead nowhere go. */
function prune(graph: Graph): void {
  for (let depth = graph.length - 2; depth > 0; depth--) {
    for (const node of [...graph[depth]!.values()]) if (node.children.size === 0) remove(graph[depth]!, node.policy)
  }
}

/** RFC 9618 §5.3 (d): one level more, from what the certificate asserts. */
function descend(graph: Graph, certificate: Certificate, mayBeAny: boolean): void {
  const above = graph.at(-1)!
  const level: Level = new Map()
  graph.push(level)
  const expecting = new Map<string, Node[]>()
  for (const node of above.values())
    for (const policy of node.expected) expecting.set(policy, [...(expecting.get(policy) ?? []), node])
  const any = above.get(anyPolicy)
  for (const policy of certificate.details.policies) {
    if (policy === anyPolicy) continue
    const parents = expecting.get(policy) ?? (any ? [any] : [])
    if (parents.length > 0) level.set(policy, createNode(policy, parents))
  }
  if (mayBeAny && certificate.details.policies.includes(anyPolicy)) {
    for (const [policy, parents] of expecting) if (!level.has(policy)) level.set(policy, createNode(policy, parents))
  }
  prune(graph)
}

/** RFC 9618 §5.4 (b). False: the mapping is invalid. */
function applyMappings(graph: Graph, certificate: Certificate, mappingAllowed: boolean): boolean {
  const level = graph.at(-1)!
  const subjects = new Map<string, string[]>()
  for (const { issuer, subject } of certificate.details.policyMappings) {
    if (!mappingAllowed) {
      remove(level, issuer)
      prune(graph)
    } else if (issuer === anyPolicy || subject === anyPolicy) return false
    else subjects.set(issuer, [...(subjects.get(issuer) ?? []), subject])
  }
  for (const [issuer, expected] of subjects) {
    const known = level.get(issuer)
    const any = level.get(anyPolicy)
    if (known) known.expected = expected
    else if (any) {
      const node = createNode(issuer, [any])
      node.expected = expected
      level.set(issuer, node)
    }
  }
  return true
}

/** A chain leaf first, the trust anchor last. */
export function policiesAreValid(chain: readonly Certificate[]): boolean {
  if (chain.length === 1) return true
  const n = chain.length - 1
  let graph: Graph | undefined = newGraph()
  // how many certificates may follow before each rule holds
  let [inhibitAny, explicitPolicy, policyMapping] = [n + 1, n + 1, n + 1]
  for (let i = n - 1; i >= 0; i--) {
    const certificate = chain[i]!
    const { policies, requireExplicitPolicy, inhibitPolicyMapping, inhibitAnyPolicy } = certificate.details
    const isSelfIssued = equalNames(certificate.issuer, certificate.subject)
    if (policies.length === 0) graph = undefined
    if (explicitPolicy === 0 && !graph) return false
    if (graph) descend(graph, certificate, inhibitAny > 0 || (i > 0 && isSelfIssued))
    if (i === 0) continue
    if (graph && !applyMappings(graph, certificate, policyMapping > 0)) return false
    if (!isSelfIssued) {
      explicitPolicy = Math.max(0, explicitPolicy - 1)
      policyMapping = Math.max(0, policyMapping - 1)
      inhibitAny = Math.max(0, inhibitAny - 1)
    }
    explicitPolicy = lower(explicitPolicy, requireExplicitPolicy)
    policyMapping = lower(policyMapping, inhibitPolicyMapping)
    inhibitAny = lower(inhibitAny, inhibitAnyPolicy)
  }
  explicitPolicy = Math.max(0, explicitPolicy - 1)
  if (chain[0]!.details.requireExplicitPolicy === 0) explicitPolicy = 0
  return explicitPolicy > 0 || hasValidPolicy(graph)
}

/** A negative skipCerts is no limit to Go. */
const lower = (current: number, limit: number | undefined) =>
  limit === undefined || limit < 0 ? current : Math.min(current, limit)

/** RFC 9618 §5.5 (g): a policy whose only parent is anyPolicy, or anyPolicy at the leaf. */
function hasValidPolicy(graph: Graph | undefined): boolean {
  if (!graph) return false
  if (graph.at(-1)!.has(anyPolicy)) return true
  return graph.some(level =>
    [...level.values()].some(
      ({ policy, parents }) => policy !== anyPolicy && parents.size === 1 && [...parents][0]!.policy === anyPolicy,
    ),
  )
}
