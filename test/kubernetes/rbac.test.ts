import t from 'tap'
import { type Attributes, attributesOf, requestInfo } from '#kubernetes/attributes.ts'
import { bootstrapPolicy, kubeadmBindings } from '#kubernetes/bootstrap-policy.ts'
import { RbacStore, ruleAllows } from '#kubernetes/rbac.ts'
import type { PolicyRule, UserInfo } from '#kubernetes/types.ts'

const user = (username: string, ...groups: string[]): UserInfo => ({
  username,
  groups: [...groups, 'system:authenticated'],
})
const ask = (who: UserInfo, method: string, url: string): Attributes => attributesOf(who, requestInfo(method, url))

const { clusterRoles, clusterRoleBindings, roles, roleBindings } = bootstrapPolicy
const everything = [...clusterRoles, ...clusterRoleBindings, ...roles, ...roleBindings, ...kubeadmBindings]
const defaults = () => {
  const store = new RbacStore()
  for (const object of everything) store.put(object)
  return store
}

const rules: [name: string, rule: PolicyRule, method: string, url: string, allowed: boolean][] = [
  ['a verb', { verbs: ['get'], apiGroups: [''], resources: ['pods'] }, 'GET', '/api/v1/namespaces/a/pods/p', true],
  ['another verb', { verbs: ['get'], apiGroups: [''], resources: ['pods'] }, 'GET', '/api/v1/pods', false],
  ['every verb', { verbs: ['*'], apiGroups: [''], resources: ['pods'] }, 'DELETE', '/api/v1/namespaces/a/pods/p', true],
  ['another group', { verbs: ['*'], apiGroups: ['apps'], resources: ['pods'] }, 'GET', '/api/v1/pods', false],
  [
    'every group',
    { verbs: ['*'], apiGroups: ['*'], resources: ['deployments'] },
    'GET',
    '/apis/apps/v1/deployments',
    true,
  ],
  [
    'a subresource',
    { verbs: ['get'], apiGroups: [''], resources: ['pods/log'] },
    'GET',
    '/api/v1/namespaces/a/pods/p/log',
    true,
  ],
  [
    'the resource alone not its subresource',
    { verbs: ['get'], apiGroups: [''], resources: ['pods'] },
    'GET',
    '/api/v1/namespaces/a/pods/p/log',
    false,
  ],
  [
    '*/scale',
    { verbs: ['get'], apiGroups: ['*'], resources: ['*/scale'] },
    'GET',
    '/apis/apps/v1/namespaces/a/deployments/d/scale',
    true,
  ],
  [
    '*/scale not the object',
    { verbs: ['get'], apiGroups: ['*'], resources: ['*/scale'] },
    'GET',
    '/apis/apps/v1/namespaces/a/deployments/d',
    false,
  ],
  [
    'every resource, subresources too',
    { verbs: ['get'], apiGroups: [''], resources: ['*'] },
    'GET',
    '/api/v1/namespaces/a/pods/p/log',
    true,
  ],
  [
    'a name',
    { verbs: ['get'], apiGroups: [''], resources: ['pods'], resourceNames: ['p'] },
    'GET',
    '/api/v1/namespaces/a/pods/p',
    true,
  ],
  [
    'another name',
    { verbs: ['get'], apiGroups: [''], resources: ['pods'], resourceNames: ['q'] },
    'GET',
    '/api/v1/namespaces/a/pods/p',
    false,
  ],
  [
    'names and a list',
    { verbs: ['list'], apiGroups: [''], resources: ['pods'], resourceNames: ['q'] },
    'GET',
    '/api/v1/pods',
    false,
  ],
  ['a path', { verbs: ['get'], nonResourceURLs: ['/healthz'] }, 'GET', '/healthz', true],
  ['a longer path', { verbs: ['get'], nonResourceURLs: ['/healthz'] }, 'GET', '/healthz/etcd', false],
  ['a path with *', { verbs: ['get'], nonResourceURLs: ['/healthz/*'] }, 'GET', '/healthz/etcd', true],
  ['a path rule not a resource', { verbs: ['*'], nonResourceURLs: ['*'] }, 'GET', '/api/v1/pods', false],
  ['a resource rule not a path', { verbs: ['*'], apiGroups: ['*'], resources: ['*'] }, 'GET', '/healthz', false],
]
for (const [name, rule, method, url, allowed] of rules) {
  t.test(`a rule ${allowed ? 'allows' : 'does not allow'}: ${name}`, async t => {
    t.equal(ruleAllows(ask(user('u'), method, url), rule), allowed)
  })
}

const decisions: [who: UserInfo, method: string, url: string, allowed: boolean][] = [
  [user('kubernetes-admin', 'kubeadm:cluster-admins'), 'GET', '/api/v1/secrets', true],
  [user('admin', 'system:masters'), 'DELETE', '/api/v1/nodes/n1', true],
  [user('bob', 'dev'), 'GET', '/api/v1/namespaces', false],
  [user('bob'), 'GET', '/apis', true],
  [user('bob'), 'POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', true],
  [{ username: 'system:anonymous', groups: ['system:unauthenticated'] }, 'GET', '/version', true],
  [{ username: 'system:anonymous', groups: ['system:unauthenticated'] }, 'GET', '/api', false],
  [user('system:kube-scheduler'), 'GET', '/api/v1/nodes', true],
  [user('system:kube-scheduler'), 'POST', '/api/v1/namespaces/a/pods/p/binding', true],
  [
    user('system:kube-scheduler'),
    'GET',
    '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler',
    true,
  ],
  [user('system:kube-scheduler'), 'GET', '/api/v1/secrets', false],
  [
    user('system:kube-scheduler'),
    'GET',
    '/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication',
    true,
  ],
  [user('system:kube-controller-manager'), 'GET', '/api/v1/secrets', true],
  [user('system:kube-controller-manager'), 'POST', '/api/v1/namespaces/kube-system/serviceaccounts/x/token', true],
  [
    user('system:kube-controller-mgr'),
    'GET',
    '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-controller-manager',
    false,
  ],
  [user('system:kube-proxy', 'system:node-proxier'), 'GET', '/api/v1/services', true],
  [user('system:kube-proxy'), 'GET', '/apis/discovery.k8s.io/v1/endpointslices?watch=true', true],
  [user('kube-apiserver-kubelet-client'), 'GET', '/api/v1/nodes/n1/proxy', true],
  [user('kube-apiserver-kubelet-client'), 'GET', '/api/v1/secrets', false],
  [user('monitoring', 'system:monitoring'), 'GET', '/metrics', true],
  [user('monitoring', 'system:monitoring'), 'GET', '/api/v1/nodes/n1/metrics', true],
  [user('monitoring', 'system:monitoring'), 'GET', '/api/v1/nodes', false],
  [
    user('system:serviceaccount:kube-system:deployment-controller'),
    'POST',
    '/apis/apps/v1/namespaces/a/replicasets',
    true,
  ],
  [user('system:serviceaccount:kube-system:replicaset-controller'), 'POST', '/api/v1/namespaces/a/pods', true],
  [user('system:serviceaccount:default:replicaset-controller'), 'POST', '/api/v1/namespaces/a/pods', false],
  [
    user('system:bootstrap:abcdef', 'system:bootstrappers:kubeadm:default-node-token'),
    'POST',
    '/apis/certificates.k8s.io/v1/certificatesigningrequests',
    true,
  ],
]
for (const [who, method, url, allowed] of decisions) {
  t.test(`by default ${who.username} ${allowed ? 'may' : 'may not'} ${method} ${url}`, async t => {
    t.equal(defaults().authorize(ask(who, method, url)).decision, allowed ? 'allow' : 'no-opinion')
  })
}

t.test('the reason names binding, role and subject, as the audit log of a real apiserver does', async t => {
  const anonymous = { username: 'system:anonymous', groups: ['system:unauthenticated'] }
  t.equal(
    defaults().authorize(ask(anonymous, 'GET', '/healthz')).reason,
    'RBAC: allowed by ClusterRoleBinding "system:public-info-viewer" of ClusterRole "system:public-info-viewer" to Group "system:unauthenticated"',
  )
})

t.test('a RoleBinding grants in its namespace only, and a ClusterRole may be bound so', async t => {
  const store = defaults()
  store.put({
    metadata: { name: 'devs', namespace: 'a' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
    subjects: [{ kind: 'ServiceAccount', name: 'ci' }],
  })
  const ci = user('system:serviceaccount:a:ci')
  const answer = store.authorize(ask(ci, 'GET', '/api/v1/namespaces/a/pods'))
  t.strictSame(answer, {
    decision: 'allow',
    reason: 'RBAC: allowed by RoleBinding "devs/a" of ClusterRole "view" to ServiceAccount "ci/a"',
  })
  t.equal(store.authorize(ask(ci, 'GET', '/api/v1/namespaces/b/pods')).decision, 'no-opinion')
  t.equal(store.authorize(ask(ci, 'GET', '/api/v1/pods')).decision, 'no-opinion')
  t.equal(store.authorize(ask(ci, 'GET', '/api/v1/namespaces/a/secrets')).decision, 'no-opinion')
})

t.test('a binding to a role that is not there says so', async t => {
  const store = new RbacStore()
  store.put({
    metadata: { name: 'b' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'gone' },
    subjects: [{ kind: 'User', name: 'bob' }],
  })
  t.equal(
    store.authorize(ask(user('bob'), 'GET', '/api/v1/pods')).reason,
    'RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found',
  )
})

t.test('what changes is known at once, whatever was asked before', async t => {
  const store = defaults()
  const bob = user('bob')
  const attributes = ask(bob, 'GET', '/api/v1/pods')
  t.equal(store.authorize(attributes).decision, 'no-opinion')
  const binding = {
    metadata: { name: 'b' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
    subjects: [{ kind: 'User', name: 'bob' }],
  }
  store.put(binding)
  t.equal(store.authorize(attributes).decision, 'allow')
  store.remove(binding)
  t.equal(store.authorize(attributes).decision, 'no-opinion')
})

t.test('an aggregated role has the rules of those that are labelled for it', async t => {
  const store = defaults()
  const bob = user('bob')
  store.put({
    metadata: { name: 'b', namespace: 'a' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
    subjects: [{ kind: 'User', name: 'bob' }],
  })
  const attributes = ask(bob, 'GET', '/apis/metrics.k8s.io/v1beta1/namespaces/a/pods')
  t.equal(store.authorize(attributes).decision, 'no-opinion')
  store.put({
    metadata: { name: 'metrics', labels: { 'rbac.authorization.k8s.io/aggregate-to-view': 'true' } },
    rules: [{ verbs: ['get', 'list'], apiGroups: ['metrics.k8s.io'], resources: ['pods'] }],
  })
  t.equal(store.authorize(attributes).decision, 'allow')
})

t.test('the tables name every object once, and every binding a role that is there', async t => {
  const names = everything.map(({ kind, metadata: { namespace, name } }) => `${kind}/${namespace ?? ''}/${name}`)
  t.equal(new Set(names).size, names.length)
  const known = new Set([
    ...clusterRoles.map(role => `ClusterRole/${role.metadata.name}`),
    ...roles.map(role => `Role/${role.metadata.namespace}/${role.metadata.name}`),
  ])
  for (const { roleRef, metadata } of [...clusterRoleBindings, ...roleBindings, ...kubeadmBindings]) {
    t.ok(
      known.has(roleRef.kind === 'Role' ? `Role/${metadata.namespace}/${roleRef.name}` : `ClusterRole/${roleRef.name}`),
      metadata.name ?? '',
    )
  }
})
