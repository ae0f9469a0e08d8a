/** The roles and bindings that a kube-apiserver makes at its start, and those that kubeadm adds: objects, ready to be stored. */
import { type ClusterRoleRow, clusterRoleRows } from './cluster-role-rows.ts'
import { controllerRoleRows, namespacedRoleRows } from './controller-role-rows.ts'
import { ruleOf, words } from './policy-rows.ts'
import type { ClusterRole, ClusterRoleBinding, ObjectMeta, PolicyRule, Role, RoleBinding, Subject } from './types.ts'

const apiGroup = 'rbac.authorization.k8s.io'
const apiVersion = `${apiGroup}/v1`

const metadata = (name: string, labels: Record<string, string> = {}, namespace?: string): ObjectMeta => ({
  name,
  ...(namespace ? { namespace } : {}),
  annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'true' },
  labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults', ...labels },
})

const aggregateTo = (role: string) => `${apiGroup}/aggregate-to-${role}`
const users = (names: string): Subject[] => words(names).map(name => ({ kind: 'User', apiGroup, name }))
const groups = (names: string): Subject[] => words(names).map(name => ({ kind: 'Group', apiGroup, name }))
const serviceAccounts = (names: string): Subject[] =>
  words(names).map(name => ({ kind: 'ServiceAccount', namespace: 'kube-system', name }))

function clusterRole(row: ClusterRoleRow): ClusterRole {
  const own = row.name === 'cluster-admin' ? [{ nonResourceURLs: ['*'], verbs: ['*'] }] : []
  return {
    apiVersion,
    kind: 'ClusterRole',
    metadata: metadata(row.name, row.partOf ? { [aggregateTo(row.partOf)]: 'true' } : {}),
    ...(row.aggregates
      ? { aggregationRule: { clusterRoleSelectors: [{ matchLabels: { [aggregateTo(row.aggregates)]: 'true' } }] } }
      : {}),
    rules: row.aggregates ? aggregated(row.aggregates) : [...row.rules.map(ruleOf), ...own],
  }
}

/** What the aggregation controller would write into `admin`, `edit` and `view`. */
const aggregated = (role: string): PolicyRule[] =>
  clusterRoleRows
    .filter(({ partOf }) => partOf === role)
    .flatMap(part => (part.aggregates ? aggregated(part.aggregates) : part.rules.map(ruleOf)))

const clusterRoleBinding = (
  name: string,
  role: string,
  subjects: Subject[],
  meta = metadata(name),
): ClusterRoleBinding => ({
  apiVersion,
  kind: 'ClusterRoleBinding',
  metadata: meta,
  roleRef: { apiGroup, kind: 'ClusterRole', name: role },
  ...(subjects.length > 0 ? { subjects } : {}),
})

/** Role and binding of one name, and who has it. */
const defaultBindings: readonly (readonly [role: string, subjects: Subject[]])[] = [
  ['cluster-admin', groups('system:masters')],
  ['system:monitoring', groups('system:monitoring')],
  ['system:discovery', groups('system:authenticated')],
  ['system:basic-user', groups('system:authenticated')],
  ['system:public-info-viewer', groups('system:authenticated system:unauthenticated')],
  ['system:node-proxier', users('system:kube-proxy')],
  ['system:kube-controller-manager', users('system:kube-controller-manager')],
  ['system:kube-dns', serviceAccounts('kube-dns')],
  ['system:kube-scheduler', users('system:kube-scheduler')],
  ['system:volume-scheduler', users('system:kube-scheduler')],
  ['system:service-account-issuer-discovery', groups('system:serviceaccounts')],
  // Nobody: nodes are the Node authorizer's.
  ['system:node', []],
]

export const bootstrapPolicy: {
  clusterRoles: ClusterRole[]
  clusterRoleBindings: ClusterRoleBinding[]
  roles: Role[]
  roleBindings: RoleBinding[]
} = {
  clusterRoles: [
    ...clusterRoleRows.map(clusterRole),
    ...Object.entries(controllerRoleRows).map(([name, rules]) =>
      clusterRole({ name: `system:controller:${name}`, rules }),
    ),
  ],
  clusterRoleBindings: [
    ...defaultBindings.map(([role, subjects]) => clusterRoleBinding(role, role, subjects)),
    ...Object.keys(controllerRoleRows).map(name =>
      clusterRoleBinding(`system:controller:${name}`, `system:controller:${name}`, serviceAccounts(name)),
    ),
  ],
  roles: namespacedRoleRows.map(({ namespace, name, rules }) => ({
    apiVersion,
    kind: 'Role',
    metadata: metadata(name, {}, namespace),
    rules: rules.map(ruleOf),
  })),
  roleBindings: namespacedRoleRows.map(row => ({
    apiVersion,
    kind: 'RoleBinding',
    metadata: metadata(row.binding ?? row.name, {}, row.namespace),
    roleRef: { apiGroup, kind: 'Role', name: row.name },
    subjects: [
      ...(row.users ? users(row.users) : []),
      ...(row.serviceAccounts ? serviceAccounts(row.serviceAccounts) : []),
    ],
  })),
}

const csrRole = 'system:certificates.k8s.io:certificatesigningrequests'
const bootstrappers = groups('system:bootstrappers:kubeadm:default-node-token')

/** `kubeadm init`'s own. */
export const kubeadmBindings: readonly ClusterRoleBinding[] = (
  [
    // KEP-4214: admin.conf since 1.29
    ['kubeadm:cluster-admins', 'cluster-admin', groups('kubeadm:cluster-admins')],
    [
      'kubeadm:node-proxier',
      'system:node-proxier',
      [...serviceAccounts('kube-proxy'), ...groups('system:node-proxier')],
    ],
    ['kubeadm:kubelet-bootstrap', 'system:node-bootstrapper', bootstrappers],
    ['kubeadm:node-autoapprove-bootstrap', `${csrRole}:nodeclient`, bootstrappers],
    ['kubeadm:node-autoapprove-certificate-rotation', `${csrRole}:selfnodeclient`, groups('system:nodes')],
    // since that certificate lost its O (kubernetes/kubeadm#3310)
    ['kubeadm:apiserver-kubelet-client', 'system:kubelet-api-admin', users('kube-apiserver-kubelet-client')],
  ] as const
).map(([name, role, subjects]) => clusterRoleBinding(name, role, [...subjects], { name }))

/** The rules of system:node, for the Node authorizer. */
export const nodeRules: readonly PolicyRule[] =
  bootstrapPolicy.clusterRoles.find(({ metadata: { name } }) => name === 'system:node')?.rules ?? []
