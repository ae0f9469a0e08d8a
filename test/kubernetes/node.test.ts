import t from 'tap'
import { attributesOf, forbiddenFor, requestInfo } from '#kubernetes/attributes.ts'
import type { AuthorizationResult } from '#kubernetes/authz.ts'
import { nodeRules } from '#kubernetes/bootstrap-policy.ts'
import { NodeGraph, nodeAuthorizer } from '#kubernetes/node-authorizer.ts'
import { type AdmissionRequest, nodeRestriction } from '#kubernetes/node-restriction.ts'
import type { KubeObject, Node, Pod, UserInfo } from '#kubernetes/types.ts'

const n1: UserInfo = { username: 'system:node:n1', groups: ['system:nodes', 'system:authenticated'] }

const pod = (
  name: string,
  node: string,
  spec: Partial<Pod['spec']> = {},
  annotations?: Record<string, string>,
): Pod => ({
  metadata: { name, namespace: 'default', uid: `uid-${name}`, ...(annotations ? { annotations } : {}) },
  spec: { nodeName: node, containers: [{ name: 'c' }], ...spec },
})

const graph = new NodeGraph()
const authorize = nodeAuthorizer(graph, nodeRules)
graph.putPod(
  pod('web', 'n1', {
    serviceAccountName: 'ci',
    imagePullSecrets: [{ name: 'pull' }],
    volumes: [
      { name: 'a', secret: { secretName: 'volume' } },
      { name: 'b', projected: { sources: [{ secret: { name: 'projected' } }, { configMap: { name: 'projected' } }] } },
      { name: 'c', persistentVolumeClaim: { claimName: 'claim' } },
    ],
    containers: [
      {
        name: 'c',
        env: [{ name: 'E', valueFrom: { secretKeyRef: { name: 'env', key: 'k' } } }],
        envFrom: [{ configMapRef: { name: 'from' } }],
      },
    ],
    initContainers: [{ name: 'i', envFrom: [{ secretRef: { name: 'init' } }] }],
  }),
)
graph.putPod(pod('db', 'n2', { volumes: [{ name: 'a', secret: { secretName: 'other' } }] }))
graph.putPod(
  pod(
    'mirror',
    'n1',
    { volumes: [{ name: 'a', secret: { secretName: 'mirrored' } }] },
    { 'kubernetes.io/config.mirror': 'x' },
  ),
)

const ask = (method: string, url: string, user = n1) =>
  authorize(attributesOf(user, requestInfo(method, url))) as AuthorizationResult
const secrets = '/api/v1/namespaces/default/secrets'
const leases = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases'
const noRelation = "no relationship found between node 'n1' and this object"

const cases: [method: string, url: string, allowed: boolean, reason?: string][] = [
  ...['volume', 'projected', 'env', 'init', 'pull'].map(
    name => ['GET', `${secrets}/${name}`, true] as [string, string, boolean],
  ),
  ['GET', `${secrets}/other`, false, noRelation],
  ['GET', `${secrets}/mirrored`, false, noRelation],
  ['GET', '/api/v1/namespaces/kube-system/secrets/volume', false, noRelation],
  ['GET', secrets, false, 'No Object name found'],
  ['GET', `${secrets}?fieldSelector=metadata.name%3Dvolume&watch=true`, true],
  ['DELETE', `${secrets}/volume`, false, 'can only read resources of this type'],
  [
    'GET',
    '/api/v1/secrets?fieldSelector=metadata.name%3Dvolume',
    false,
    'can only read namespaced object of this type',
  ],
  ['GET', '/api/v1/namespaces/default/configmaps/from', true],
  ['GET', '/api/v1/namespaces/default/persistentvolumeclaims/claim', true],
  ['GET', '/api/v1/namespaces/default/persistentvolumeclaims', false, 'can only get individual resources of this type'],
  ['POST', '/api/v1/namespaces/default/serviceaccounts/ci/token', true],
  ['POST', '/api/v1/namespaces/default/serviceaccounts/other/token', false, noRelation],
  [
    'GET',
    '/api/v1/namespaces/default/serviceaccounts/ci',
    false,
    'can only create tokens for individual service accounts',
  ],
  ['POST', leases, true],
  ['PUT', `${leases}/n1`, true],
  ['PUT', `${leases}/n2`, false, 'can only access node lease with the same name as the requesting node'],
  [
    'PUT',
    '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/n1',
    false,
    'can only access leases in the "kube-node-lease" system namespace',
  ],
  ['GET', leases, false, 'can only get, create, update, patch, or delete a node lease'],
  ['GET', '/api/v1/nodes/n1', true],
  ['GET', '/api/v1/nodes?fieldSelector=metadata.name%3Dn1&watch=true', true],
  ['GET', '/api/v1/nodes', false, "node 'n1' cannot read all nodes, only its own Node object"],
  ['GET', '/api/v1/nodes/n2', false, "node 'n1' cannot read 'n2', only its own Node object"],
  ['POST', '/api/v1/nodes', true],
  ['PATCH', '/api/v1/nodes/n1/status', true],
  ['DELETE', '/api/v1/nodes/n1', false],
  ['GET', '/api/v1/pods?fieldSelector=spec.nodeName%3Dn1&watch=true', true],
  [
    'GET',
    '/api/v1/pods?fieldSelector=spec.nodeName%3Dn2',
    false,
    'can only list/watch pods with spec.nodeName field selector',
  ],
  ['GET', '/api/v1/pods', false, 'can only list/watch pods with spec.nodeName field selector'],
  ['GET', '/api/v1/namespaces/default/pods/web', true],
  ['GET', '/api/v1/namespaces/default/pods/db', false, noRelation],
  ['PATCH', '/api/v1/namespaces/default/pods/web/status', true],
  ['GET', '/api/v1/services', true],
  ['POST', '/apis/certificates.k8s.io/v1/certificatesigningrequests', true],
  ['POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', true],
  ['POST', '/api/v1/namespaces/default/events', true],
  ['DELETE', '/api/v1/namespaces/default', false],
]
for (const [method, url, allowed, reason] of cases) {
  t.test(`a node ${allowed ? 'may' : 'may not'} ${method} ${url}`, async t => {
    const result = ask(method, url)
    t.equal(result.decision, allowed ? 'allow' : 'no-opinion')
    if (reason !== undefined) t.equal(result.reason, reason)
  })
}

t.test('a kubelet without a node name, or without the group, is told so or left to RBAC', async t => {
  const nameless = { username: 'system:node:', groups: ['system:nodes'] }
  t.equal(ask('POST', '/api/v1/nodes', nameless).reason, 'unknown node for user "system:node:"')
  t.strictSame(ask('POST', '/api/v1/nodes', { username: 'system:node:n1', groups: [] }), {
    decision: 'no-opinion',
    reason: '',
  })
  t.strictSame(ask('GET', '/api/v1/nodes/n1', { username: 'bob', groups: ['system:nodes'] }), {
    decision: 'no-opinion',
    reason: '',
  })
})

t.test('the 403 for a foreign secret is the one of a real apiserver', async t => {
  const attributes = attributesOf(n1, requestInfo('GET', '/api/v1/namespaces/x/secrets/s'))
  const { reason } = authorize(attributes) as AuthorizationResult
  t.equal(
    forbiddenFor(attributes, reason).message,
    `secrets "s" is forbidden: User "system:node:n1" cannot get resource "secrets" in API group "" in the namespace "x": ${noRelation}`,
  )
})

t.test('what a pod referred to is out of reach when the pod has gone or moved', async t => {
  const own = new NodeGraph()
  const may = nodeAuthorizer(own, nodeRules)
  const read = () => (may(attributesOf(n1, requestInfo('GET', `${secrets}/s`))) as AuthorizationResult).decision
  const a = pod('a', 'n1', { volumes: [{ name: 'v', secret: { secretName: 's' } }] })
  const b = pod('b', 'n1', { volumes: [{ name: 'v', secret: { secretName: 's' } }] })
  own.putPod(a)
  own.putPod(b)
  own.removePod(a)
  t.equal(read(), 'allow', 'another pod still needs it')
  own.putPod({ ...b, spec: { ...b.spec, nodeName: 'n2' } })
  t.equal(read(), 'no-opinion')
})

const bound = pod('web', 'n1')
const lookup = {
  pod: (_namespace: string, name: string) => (name === 'web' ? bound : name === 'db' ? pod('db', 'n2') : undefined),
  node: (name: string): Node | undefined => (name === 'n1' ? { metadata: { name, uid: 'node-uid' } } : undefined),
}
const mirror = (change: (object: Pod) => void = () => {}) => {
  const object = pod('static', 'n1', {}, { 'kubernetes.io/config.mirror': 'x' })
  object.metadata.ownerReferences = [{ apiVersion: 'v1', kind: 'Node', name: 'n1', uid: 'node-uid', controller: true }]
  change(object)
  return object
}
const node = (name: string, rest: Partial<Node> = {}, labels?: Record<string, string>): Node => ({
  metadata: { name, ...(labels ? { labels } : {}) },
  ...rest,
})
const token = (ref: object | null): KubeObject => ({ metadata: {}, spec: { boundObjectRef: ref } }) as KubeObject

const admissions: [
  name: string,
  operation: AdmissionRequest['operation'],
  url: string,
  object: KubeObject | undefined,
  oldObject: KubeObject | undefined,
  message: string | undefined,
][] = [
  ['its own node', 'CREATE', '/api/v1/nodes', node('n1'), undefined, undefined],
  [
    'another node',
    'CREATE',
    '/api/v1/nodes',
    node('b'),
    undefined,
    'nodes "b" is forbidden: node "n1" is not allowed to modify node "b"',
  ],
  [
    'the status of another node',
    'UPDATE',
    '/api/v1/nodes/b/status',
    node('b'),
    node('b'),
    'nodes "b" is forbidden: node "n1" is not allowed to modify node "b"',
  ],
  [
    'labels that a kubelet has',
    'CREATE',
    '/api/v1/nodes',
    node('n1', {}, { 'kubernetes.io/os': 'linux', mine: 'x', 'node.kubernetes.io/x': 'y' }),
    undefined,
    undefined,
  ],
  [
    'labels that it may not have',
    'CREATE',
    '/api/v1/nodes',
    node('n1', {}, { 'node-role.kubernetes.io/control-plane': '', 'node-restriction.kubernetes.io/x': 'y' }),
    undefined,
    'nodes "n1" is forbidden: node "n1" is not allowed to set the following labels: node-restriction.kubernetes.io/x, node-role.kubernetes.io/control-plane',
  ],
  [
    'a changed label',
    'UPDATE',
    '/api/v1/nodes/n1',
    node('n1', {}, { 'node-role.kubernetes.io/x': 'b' }),
    node('n1', {}, { 'node-role.kubernetes.io/x': 'a' }),
    'nodes "n1" is forbidden: is not allowed to modify labels: node-role.kubernetes.io/x',
  ],
  [
    'taints',
    'UPDATE',
    '/api/v1/nodes/n1',
    node('n1'),
    node('n1', { spec: { taints: [{ key: 'k', effect: 'NoSchedule' }] } }),
    'nodes "n1" is forbidden: node "n1" is not allowed to modify taints',
  ],
  [
    'an ordinary pod',
    'CREATE',
    '/api/v1/namespaces/default/pods',
    pod('x', 'n1'),
    undefined,
    'pods "x" is forbidden: pod does not have "kubernetes.io/config.mirror" annotation, node "n1" can only create mirror pods',
  ],
  ['a mirror pod', 'CREATE', '/api/v1/namespaces/default/pods', mirror(), undefined, undefined],
  [
    'a mirror pod elsewhere',
    'CREATE',
    '/api/v1/namespaces/default/pods',
    mirror(object => {
      object.spec.nodeName = 'n2'
    }),
    undefined,
    'pods "static" is forbidden: node "n1" can only create pods with spec.nodeName set to itself',
  ],
  [
    'a mirror pod with a secret',
    'CREATE',
    '/api/v1/namespaces/default/pods',
    mirror(object => {
      object.spec.volumes = [{ name: 'v', secret: { secretName: 's' } }]
    }),
    undefined,
    'pods "static" is forbidden: node "n1" can not create pods that reference secrets',
  ],
  [
    'a mirror pod with an account',
    'CREATE',
    '/api/v1/namespaces/default/pods',
    mirror(object => {
      object.spec.serviceAccountName = 's'
    }),
    undefined,
    'pods "static" is forbidden: node "n1" can not create pods that reference a service account',
  ],
  [
    'a mirror pod of another node object',
    'CREATE',
    '/api/v1/namespaces/default/pods',
    mirror(object => {
      object.metadata.ownerReferences![0]!.uid = 'x'
    }),
    undefined,
    'pods "static" is forbidden: node n1 UID mismatch: expected x got node-uid',
  ],
  ['the deletion of its pod', 'DELETE', '/api/v1/namespaces/default/pods/web', undefined, undefined, undefined],
  [
    'the deletion of another pod',
    'DELETE',
    '/api/v1/namespaces/default/pods/db',
    undefined,
    undefined,
    'pods "db" is forbidden: node "n1" can only delete pods with spec.nodeName set to itself',
  ],
  [
    'the deletion of a pod that is gone',
    'DELETE',
    '/api/v1/namespaces/default/pods/no',
    undefined,
    undefined,
    'pods "no" not found',
  ],
  ['the status of its pod', 'UPDATE', '/api/v1/namespaces/default/pods/web/status', bound, bound, undefined],
  [
    'the status of another pod',
    'UPDATE',
    '/api/v1/namespaces/default/pods/db/status',
    pod('db', 'n2'),
    pod('db', 'n2'),
    'pods "db" is forbidden: node "n1" can only update pod status for pods with spec.nodeName set to itself',
  ],
  [
    'its lease',
    'CREATE',
    '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases',
    { metadata: { name: 'n1' } },
    undefined,
    undefined,
  ],
  [
    'another lease',
    'CREATE',
    '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases',
    { metadata: { name: 'n2' } },
    undefined,
    'leases.coordination.k8s.io "n2" is forbidden: can only access node lease with the same name as the requesting node',
  ],
  [
    'a token for its pod',
    'CREATE',
    '/api/v1/namespaces/default/serviceaccounts/ci/token',
    token({ apiVersion: 'v1', kind: 'Pod', name: 'web', uid: 'uid-web' }),
    undefined,
    undefined,
  ],
  [
    'a token for nothing',
    'CREATE',
    '/api/v1/namespaces/default/serviceaccounts/ci/token',
    token(null),
    undefined,
    'serviceaccounts "ci" is forbidden: node requested token not bound to a pod',
  ],
  [
    'a token for another pod',
    'CREATE',
    '/api/v1/namespaces/default/serviceaccounts/ci/token',
    token({ apiVersion: 'v1', kind: 'Pod', name: 'db', uid: 'uid-db' }),
    undefined,
    'serviceaccounts "ci" is forbidden: node requested token bound to a pod scheduled on a different node',
  ],
]
const methods = { CREATE: 'POST', UPDATE: 'PUT', DELETE: 'DELETE', CONNECT: 'GET' }
for (const [name, operation, url, object, oldObject, message] of admissions) {
  t.test(`NodeRestriction ${message ? 'refuses' : 'admits'} ${name}`, async t => {
    const info = requestInfo(methods[operation], url)
    const error = await nodeRestriction(
      { user: n1, operation, info, ...(object ? { object } : {}), ...(oldObject ? { oldObject } : {}) },
      lookup,
    )
    t.equal(error?.message, message)
  })
}

t.test('NodeRestriction says nothing of who is no node', async t => {
  const request = {
    user: { username: 'bob', groups: [] },
    operation: 'CREATE' as const,
    info: requestInfo('POST', '/api/v1/nodes'),
    object: node('b'),
  }
  t.equal(await nodeRestriction(request, lookup), undefined)
})
