/** The NodeRestriction admission plugin: what a kubelet may write, told by the object itself. */
import type { RequestInfo } from './attributes.ts'
import { quote } from './go.ts'
import { nodeOf } from './node-authorizer.ts'
import { resources } from './resources.ts'
import { forbidden, notFound, type StatusError } from './status.ts'
import type { KubeObject, Node, Pod, TokenRequest, UserInfo } from './types.ts'

export interface AdmissionRequest {
  user: UserInfo
  operation: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT'
  info: Pick<RequestInfo, 'apiGroup' | 'resource' | 'subresource' | 'namespace' | 'name'>
  object?: KubeObject
  oldObject?: KubeObject
}

export interface NodeRestrictionLookup {
  pod(namespace: string, name: string): Promise<Pod | undefined> | Pod | undefined
  node(name: string): Promise<Node | undefined> | Node | undefined
}

const mirror = 'kubernetes.io/config.mirror'
const nodeLeases = 'kube-node-lease'

/** @returns the 403 (or 404), or undefined: admitted */
export async function nodeRestriction(
  request: AdmissionRequest,
  lookup: NodeRestrictionLookup,
): Promise<StatusError | undefined> {
  const node = nodeOf(request.user)
  if (node === undefined || request.operation === 'CONNECT') return undefined
  const { apiGroup: group, resource, name } = request.info
  const refuse = (why: string) => forbidden({ group, resource }, name || (request.object?.metadata.name ?? ''), why)
  if (node === '') return refuse(`could not determine node from user ${quote(request.user.username)}`)
  const rule = rules[group === '' ? resource : `${resource}.${group}`]
  const problem = await rule?.(node, request, lookup)
  return typeof problem === 'string' ? refuse(problem) : problem
}

type Rule = (
  node: string,
  request: AdmissionRequest,
  lookup: NodeRestrictionLookup,
) => Promise<string | StatusError | undefined> | string | StatusError | undefined

const rules: Record<string, Rule> = {
  async pods(node, request, lookup) {
    const { operation, info } = request
    const q = quote(node)
    if (info.subresource === '') {
      if (operation === 'CREATE') return admitMirrorPod(node, request.object as Pod, lookup)
      if (operation !== 'DELETE')
        return `unexpected operation ${quote(operation)}, node ${q} can only create and delete mirror pods`
      const pod = await lookup.pod(info.namespace, info.name)
      if (!pod) return notFound(resources.pods, info.name)
      if (pod.spec.nodeName !== node) return `node ${q} can only delete pods with spec.nodeName set to itself`
      return undefined
    }
    if (info.subresource === 'status') {
      if (operation !== 'UPDATE') return `unexpected operation ${quote(operation)}`
      const before = request.oldObject as Pod
      if (before.spec.nodeName !== node)
        return `node ${q} can only update pod status for pods with spec.nodeName set to itself`
      if (changedLabels(before, request.object).length > 0) return `node ${q} cannot update labels through pod status`
      return undefined
    }
    if (info.subresource === 'eviction') {
      if (operation !== 'CREATE') return `unexpected operation ${operation}`
      const name = info.name || request.object?.metadata.name
      if (!name) return 'could not determine pod from request data'
      const pod = await lookup.pod(info.namespace, name)
      if (!pod) return notFound(resources.pods, name)
      if (pod.spec.nodeName !== node) return `node ${node} can only evict pods with spec.nodeName set to itself`
      return undefined
    }
    return `unexpected pod subresource ${quote(info.subresource)}, only 'status' and 'eviction' are allowed`
  },

  nodes(node, { operation, info, object, oldObject }) {
    const name = info.name || (object?.metadata.name ?? '')
    if (name !== node) return `node ${quote(node)} is not allowed to modify node ${quote(name)}`
    if (operation === 'CREATE') {
      const labels = forbiddenLabels(changedLabels(undefined, object))
      if (labels.length > 0)
        return `node ${quote(node)} is not allowed to set the following labels: ${labels.join(', ')}`
    }
    if (operation === 'UPDATE') {
      const taints = (of: KubeObject | undefined) => JSON.stringify((of as Node | undefined)?.spec?.taints ?? [])
      if (taints(object) !== taints(oldObject)) return `node ${quote(node)} is not allowed to modify taints`
      const labels = forbiddenLabels(changedLabels(oldObject, object))
      if (labels.length > 0) return `is not allowed to modify labels: ${labels.join(', ')}`
    }
    return undefined
  },

  async serviceaccounts(node, { operation, info, object }, lookup) {
    if (operation !== 'CREATE' || info.subresource !== 'token') return undefined
    const ref = (object as TokenRequest | undefined)?.spec?.boundObjectRef
    if (ref?.apiVersion !== 'v1' || ref.kind !== 'Pod' || !ref.name) return 'node requested token not bound to a pod'
    if (!ref.uid) return 'node requested token with a pod binding without a uid'
    const pod = await lookup.pod(info.namespace, ref.name)
    if (!pod) return notFound(resources.pods, ref.name)
    if (ref.uid !== pod.metadata.uid)
      return `the UID in the bound object reference (${ref.uid}) does not match the UID in record. The object might have been deleted and then recreated`
    if (pod.spec.nodeName !== node) return 'node requested token bound to a pod scheduled on a different node'
    return undefined
  },

  'leases.coordination.k8s.io'(node, { operation, info, object }) {
    if (info.namespace !== nodeLeases) return `can only access leases in the ${quote(nodeLeases)} system namespace`
    const name = operation === 'CREATE' ? object?.metadata.name : info.name
    return name === node ? undefined : 'can only access node lease with the same name as the requesting node'
  },
}

async function admitMirrorPod(
  node: string,
  pod: Pod,
  lookup: NodeRestrictionLookup,
): Promise<string | StatusError | undefined> {
  const q = quote(node)
  if (pod.metadata.annotations?.[mirror] === undefined)
    return `pod does not have ${quote(mirror)} annotation, node ${q} can only create mirror pods`
  if (pod.spec.nodeName !== node) return `node ${q} can only create pods with spec.nodeName set to itself`
  const owners = pod.metadata.ownerReferences ?? []
  if (owners.length > 1) return `node ${q} can only create pods with a single owner reference set to itself`
  const owner = owners[0]
  if (owner?.apiVersion !== 'v1' || owner.kind !== 'Node' || owner.name !== node)
    return `node ${q} can only create pods with an owner reference set to itself`
  if (!owner.controller) return `node ${q} can only create pods with a controller owner reference set to itself`
  if (owner.blockOwnerDeletion) return `node ${q} must not set blockOwnerDeletion on an owner reference`
  const own = await lookup.node(node)
  if (!own) return notFound(resources.nodes, node)
  if (own.metadata.uid !== owner.uid) return `node ${node} UID mismatch: expected ${owner.uid} got ${own.metadata.uid}`
  if (pod.spec.serviceAccountName) return `node ${q} can not create pods that reference a service account`
  const text = JSON.stringify(pod.spec)
  if (/"secret(Ref|KeyRef|Name)"|"imagePullSecrets":\[\{/.test(text))
    return `node ${q} can not create pods that reference secrets`
  if (/"configMap(Ref|KeyRef)?"/.test(text)) return `node ${q} can not create pods that reference configmaps`
  if ((pod.spec.volumes ?? []).some(volume => volume.persistentVolumeClaim))
    return `node ${q} can not create pods that reference persistentvolumeclaims`
  return undefined
}

function changedLabels(before: KubeObject | undefined, after: KubeObject | undefined): string[] {
  const old = before?.metadata.labels ?? {}
  const now = after?.metadata.labels ?? {}
  return [...new Set([...Object.keys(old), ...Object.keys(now)])].filter(key => old[key] !== now[key])
}

// kubeletapis.IsKubeletLabel: what a kubelet says of itself.
const kubeletLabels = new Set([
  'kubernetes.io/hostname',
  'topology.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region',
  'node.kubernetes.io/instance-type',
  'beta.kubernetes.io/instance-type',
  'kubernetes.io/os',
  'kubernetes.io/arch',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/arch',
  'node.kubernetes.io/windows-build',
])
const within = (namespace: string, domain: string) => namespace === domain || namespace.endsWith(`.${domain}`)

function forbiddenLabels(labels: readonly string[]): string[] {
  return labels
    .filter(label => {
      const namespace = label.includes('/') ? label.slice(0, label.indexOf('/')) : ''
      if (within(namespace, 'node-restriction.kubernetes.io')) return true
      if (!within(namespace, 'kubernetes.io') && !within(namespace, 'k8s.io')) return false
      return !(
        kubeletLabels.has(label) ||
        within(namespace, 'kubelet.kubernetes.io') ||
        within(namespace, 'node.kubernetes.io')
      )
    })
    .sort()
}
