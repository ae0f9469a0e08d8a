/** What a new cluster has from the start: namespaces, roles and bindings, local APIServices, kubeadm's own. */
import { bootstrapPolicy, kubeadmBindings } from '#kubernetes/bootstrap-policy.ts'
import type { KubeObject, Unstructured } from '#kubernetes/types.ts'
import { apiServiceName, localGroups } from '../discovery/groups.ts'

const namespace = (name: string): Unstructured => ({
  kind: 'Namespace',
  apiVersion: 'v1',
  metadata: { name, labels: { 'kubernetes.io/metadata.name': name } },
  spec: { finalizers: ['kubernetes'] },
  status: { phase: 'Active' },
})

const systemNamespaces = ['default', 'kube-system', 'kube-public', 'kube-node-lease']

/** Each in the group and resource that it belongs to. */
export interface Wanted {
  group: string
  resource: string
  objects: readonly Unstructured[]
}

const plain = (objects: readonly KubeObject[]) => objects as unknown as readonly Unstructured[]
const rbac = 'rbac.authorization.k8s.io'

/** kube-aggregator's autoregistration of what this process serves itself. */
const localApiServices = (since: string): Unstructured[] =>
  localGroups.map(({ group, version, groupPriorityMinimum, versionPriority }) => ({
    kind: 'APIService',
    apiVersion: 'apiregistration.k8s.io/v1',
    metadata: {
      name: apiServiceName({ group, version }),
      labels: { 'kube-aggregator.kubernetes.io/automanaged': 'onstart' },
    },
    spec: { ...(group ? { group } : {}), version, groupPriorityMinimum, versionPriority },
    status: {
      conditions: [
        {
          type: 'Available',
          status: 'True',
          lastTransitionTime: since,
          reason: 'Local',
          message: 'Local APIServices are always available',
        },
      ],
    },
  }))

export const wantedObjects = (now: string): readonly Wanted[] => [
  { group: '', resource: 'namespaces', objects: systemNamespaces.map(namespace) },
  { group: rbac, resource: 'clusterroles', objects: plain(bootstrapPolicy.clusterRoles) },
  {
    group: rbac,
    resource: 'clusterrolebindings',
    objects: plain([...bootstrapPolicy.clusterRoleBindings, ...kubeadmBindings]),
  },
  { group: rbac, resource: 'roles', objects: plain(bootstrapPolicy.roles) },
  { group: rbac, resource: 'rolebindings', objects: plain(bootstrapPolicy.roleBindings) },
  { group: 'apiregistration.k8s.io', resource: 'apiservices', objects: localApiServices(now) },
]
