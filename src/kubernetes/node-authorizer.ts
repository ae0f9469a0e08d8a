/** What a kubelet may do: read what its own pods need, write its own node. The Node authorizer of kube-apiserver, with its words. */
import type { Attributes } from './attributes.ts'
import { type AuthorizationResult, type Authorizer, allowed, noOpinion } from './authz.ts'
import { quote } from './go.ts'
import { ruleAllows } from './rbac.ts'
import { parseFieldSelector } from './selectors.ts'
import type { Pod, PolicyRule, UserInfo } from './types.ts'

/** nodeidentifier: undefined for who is no node; '' for a node that cannot be told. */
export function nodeOf({ username, groups }: UserInfo): string | undefined {
  if (!username.startsWith('system:node:') || !groups.includes('system:nodes')) return undefined
  return username.slice('system:node:'.length)
}

type Kind = 'pod' | 'secret' | 'configmap' | 'pvc' | 'serviceaccount'

/** Which objects which node's pods refer to. Fill it from a watch of pods. */
export class NodeGraph {
  /** `kind/namespace/name` → node → how many pods. */
  readonly #edges = new Map<string, Map<string, number>>()
  readonly #pods = new Map<string, { node: string; keys: string[] }>()

  putPod(pod: Pod): void {
    this.removePod(pod)
    const node = pod.spec.nodeName
    if (!node) return
    const keys = referencesOf(pod)
    this.#pods.set(podKey(pod), { node, keys })
    for (const key of keys) {
      const nodes = this.#edges.get(key) ?? new Map<string, number>()
      nodes.set(node, (nodes.get(node) ?? 0) + 1)
      this.#edges.set(key, nodes)
    }
  }

  removePod(pod: Pod): void {
    const old = this.#pods.get(podKey(pod))
    if (!old) return
    this.#pods.delete(podKey(pod))
    for (const key of old.keys) {
      const nodes = this.#edges.get(key)
      const left = (nodes?.get(old.node) ?? 1) - 1
      if (left > 0) nodes?.set(old.node, left)
      else nodes?.delete(old.node)
      if (nodes?.size === 0) this.#edges.delete(key)
    }
  }

  related(kind: Kind, namespace: string, name: string, node: string): boolean {
    return this.#edges.get(`${kind}/${namespace}/${name}`)?.has(node) ?? false
  }
}

const podKey = (pod: Pod) => `${pod.metadata.namespace}/${pod.metadata.name}`

/** podutil's visitors: every secret, configmap, claim and service account that a pod's spec names. */
function referencesOf(pod: Pod): string[] {
  const { namespace = '', name } = pod.metadata
  const keys = new Set<string>([`pod/${namespace}/${name}`])
  // A mirror pod says what a manifest on the node says: it grants the node nothing more.
  if (pod.metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined) return [...keys]
  const add = (kind: Kind, of: string | undefined) => of && keys.add(`${kind}/${namespace}/${of}`)
  const { spec } = pod
  add('serviceaccount', spec.serviceAccountName)
  for (const { name: secret } of spec.imagePullSecrets ?? []) add('secret', secret)
  for (const container of [...(spec.initContainers ?? []), ...spec.containers]) {
    for (const { valueFrom } of container.env ?? []) {
      add('secret', valueFrom?.secretKeyRef?.name)
      add('configmap', valueFrom?.configMapKeyRef?.name)
    }
    for (const { secretRef, configMapRef } of container.envFrom ?? []) {
      add('secret', secretRef?.name)
      add('configmap', configMapRef?.name)
    }
  }
  for (const volume of spec.volumes ?? []) {
    add('secret', volume.secret?.secretName)
    add('configmap', volume.configMap?.name)
    add('pvc', volume.persistentVolumeClaim?.claimName)
    for (const { secret, configMap } of volume.projected?.sources ?? []) {
      add('secret', secret?.name)
      add('configmap', configMap?.name)
    }
  }
  return [...keys]
}

const yes = allowed()
const no = noOpinion()
const nodeLeases = 'kube-node-lease'

/** @param rules those of the ClusterRole system:node, for everything that is not told apart by object */
export function nodeAuthorizer(graph: NodeGraph, rules: readonly PolicyRule[]): Authorizer {
  const related = (kind: Kind, node: string, a: Attributes): AuthorizationResult => {
    if (a.name === '') return noOpinion('No Object name found')
    return graph.related(kind, a.namespace, a.name, node)
      ? yes
      : noOpinion(`no relationship found between node '${node}' and this object`)
  }
  const get = (kind: Kind, node: string, a: Attributes) => {
    if (a.verb !== 'get') return noOpinion('can only get individual resources of this type')
    if (a.subresource !== '') return noOpinion('cannot get subresource')
    return related(kind, node, a)
  }
  const read = (kind: Kind, node: string, a: Attributes) => {
    if (!['get', 'list', 'watch'].includes(a.verb)) return noOpinion('can only read resources of this type')
    if (a.subresource !== '') return noOpinion('cannot read subresource')
    if (a.namespace === '') return noOpinion('can only read namespaced object of this type')
    return related(kind, node, a)
  }

  /** By `resource` or `resource.group`. */
  const special: Record<string, (node: string, a: Attributes) => AuthorizationResult> = {
    secrets: (node, a) => read('secret', node, a),
    configmaps: (node, a) => read('configmap', node, a),
    persistentvolumeclaims: (node, a) => get('pvc', node, a),
    serviceaccounts(node, a) {
      if (a.verb !== 'create' || a.name === '') {
        return noOpinion('can only create tokens for individual service accounts')
      }
      if (a.subresource !== 'token') return noOpinion('can only create token subresource of serviceaccount')
      return related('serviceaccount', node, a)
    },
    'leases.coordination.k8s.io'(node, a) {
      if (!['get', 'create', 'update', 'patch', 'delete'].includes(a.verb)) {
        return noOpinion('can only get, create, update, patch, or delete a node lease')
      }
      if (a.namespace !== nodeLeases) {
        return noOpinion(`can only access leases in the ${quote(nodeLeases)} system namespace`)
      }
      // On create the path has no name: NodeRestriction looks at the object.
      if (a.verb !== 'create' && a.name !== node) {
        return noOpinion('can only access node lease with the same name as the requesting node')
      }
      return yes
    },
    nodes(node, a) {
      if (a.subresource === '') {
        if (['create', 'update', 'patch'].includes(a.verb)) return yes
        if (['get', 'list', 'watch'].includes(a.verb)) {
          if (a.name === node) return yes
          return noOpinion(
            a.name === ''
              ? `node '${node}' cannot read all nodes, only its own Node object`
              : `node '${node}' cannot read '${a.name}', only its own Node object`,
          )
        }
      }
      return a.subresource === 'status' && (a.verb === 'update' || a.verb === 'patch') ? yes : no
    },
    pods(node, a) {
      if (a.subresource === '') {
        if (a.verb === 'get') return get('pod', node, a)
        if (a.verb === 'list' || a.verb === 'watch') {
          if (selectsNode(a.fieldSelector, node)) return yes
          if (a.name !== '') return related('pod', node, a)
          return noOpinion('can only list/watch pods with spec.nodeName field selector')
        }
        return a.verb === 'create' || a.verb === 'delete' ? yes : no
      }
      if (a.subresource === 'status') return a.verb === 'update' || a.verb === 'patch' ? yes : no
      return a.subresource === 'eviction' && a.verb === 'create' ? yes : no
    },
  }

  return a => {
    const node = nodeOf(a.user)
    if (node === undefined) return no
    if (node === '') return noOpinion(`unknown node for user ${quote(a.user.username)}`)
    const decide = a.isResourceRequest
      ? special[a.apiGroup === '' ? a.resource : `${a.resource}.${a.apiGroup}`]
      : undefined
    if (decide) return decide(node, a)
    return rules.some(rule => ruleAllows(a, rule)) ? yes : no
  }
}

function selectsNode(fieldSelector: string | undefined, node: string): boolean {
  if (!fieldSelector) return false
  try {
    return parseFieldSelector(fieldSelector).some(
      ({ field, equal, value }) => field === 'spec.nodeName' && equal && value === node,
    )
  } catch {
    return false
  }
}
