/** Who may what: tokens, reviews, nodes, certificate signing requests. */
import 'reflect-metadata'
import { webcrypto as crypto } from 'node:crypto'
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509'
import t from 'tap'
import { configMap, configMaps, pod, pods, serviceAccount, startApi } from './api.ts'

const csrs = '/apis/certificates.k8s.io/v1/certificatesigningrequests'
const accounts = '/api/v1/namespaces/default/serviceaccounts'

async function request(subject: string): Promise<string> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const csr = await Pkcs10CertificateRequestGenerator.create({
    name: subject,
    keys,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
  })
  return Buffer.from(`${csr.toString('pem')}\n`).toString('base64')
}

t.test('identity', async t => {
  const { call, as, cluster } = await startApi(t)
  const asNode = as(cluster.client('kubelet.conf'))
  const { status: nodeName } = await asNode('GET', '/healthz')
  t.equal(nodeName, 200)

  t.test('a token of a service account is good for as long as the account lives', async t => {
    await call('POST', accounts, serviceAccount('robot'))
    const made = await call('POST', `${accounts}/robot/token`, {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {},
    })
    t.equal(made.status, 201)
    t.match(made.body, {
      kind: 'TokenRequest',
      spec: { expirationSeconds: 3600 },
      status: { token: /^ey/, expirationTimestamp: /Z$/ },
    })
    const review = (token: string) =>
      call('POST', '/apis/authentication.k8s.io/v1/tokenreviews', {
        kind: 'TokenReview',
        apiVersion: 'authentication.k8s.io/v1',
        spec: { token },
      })
    const known = await review(made.body.status.token)
    t.match(known.body.status, {
      authenticated: true,
      user: {
        username: 'system:serviceaccount:default:robot',
        groups: ['system:serviceaccounts', 'system:serviceaccounts:default', 'system:authenticated'],
      },
      audiences: ['https://kubernetes.default.svc.cluster.local'],
    })
    t.match((await review('nonsense')).body.status, { error: /invalid bearer token/ })
    const short = await call('POST', `${accounts}/robot/token`, {
      kind: 'TokenRequest',
      apiVersion: 'authentication.k8s.io/v1',
      spec: { expirationSeconds: 60 },
    })
    t.match(short.body.message, /may not specify a duration less than 10 minutes/)
    t.equal(
      (
        await call('POST', `${accounts}/nobody/token`, {
          kind: 'TokenRequest',
          apiVersion: 'authentication.k8s.io/v1',
          spec: {},
        })
      ).status,
      404,
    )
  })

  t.test('who am I, what may I', async t => {
    const self = await call('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', {
      kind: 'SelfSubjectReview',
      apiVersion: 'authentication.k8s.io/v1',
    })
    t.match(self.body.status.userInfo, {
      username: 'kubernetes-super-admin',
      groups: ['system:masters', 'system:authenticated'],
    })
    const access = (user: string, verb: string) =>
      call('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', {
        kind: 'SubjectAccessReview',
        apiVersion: 'authorization.k8s.io/v1',
        spec: {
          user,
          groups: ['system:authenticated'],
          resourceAttributes: { verb, resource: 'pods', namespace: 'default' },
        },
      })
    t.equal((await access('system:kube-scheduler', 'list')).body.status.allowed, true)
    t.equal((await access('jane', 'list')).body.status.allowed, false)
    const rules = await asNode('POST', '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews', {
      kind: 'SelfSubjectRulesReview',
      apiVersion: 'authorization.k8s.io/v1',
      spec: { namespace: 'default' },
    })
    t.ok(
      rules.body.status.resourceRules.some(({ resources }: { resources: string[] }) =>
        resources.includes('selfsubjectaccessreviews'),
      ),
    )
  })

  t.test('a role that is bound takes effect, one that is taken away no longer', async t => {
    const path = '/apis/rbac.authorization.k8s.io/v1/namespaces/default'
    const jane = { 'impersonate-user': 'jane' }
    const may = async () => (await call('GET', configMaps, undefined, jane)).status
    t.equal(await may(), 403)
    await call('POST', `${path}/roles`, {
      kind: 'Role',
      apiVersion: 'rbac.authorization.k8s.io/v1',
      metadata: { name: 'reader' },
      rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['list'] }],
    })
    const bound = await call('POST', `${path}/rolebindings`, {
      kind: 'RoleBinding',
      apiVersion: 'rbac.authorization.k8s.io/v1',
      metadata: { name: 'reader' },
      roleRef: { kind: 'Role', name: 'reader' },
      subjects: [{ kind: 'User', name: 'jane' }],
    })
    t.match(bound.body, {
      roleRef: { apiGroup: 'rbac.authorization.k8s.io' },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io' }],
    })
    while ((await may()) !== 200) await new Promise(setImmediate)
    const moved = await call('PUT', `${path}/rolebindings/reader`, {
      ...bound.body,
      roleRef: { ...bound.body.roleRef, name: 'other' },
    })
    t.match(moved.body.message, /roleRef: Invalid value: .*: cannot change roleRef/)
    await call('DELETE', `${path}/rolebindings/reader`)
    while ((await may()) !== 403) await new Promise(setImmediate)
  })

  t.test('a node reads the secrets of its own pods and of no others', async t => {
    const node = cluster.client('kubelet.conf')
    const self = as(node)
    const who = await self('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', {
      kind: 'SelfSubjectReview',
      apiVersion: 'authentication.k8s.io/v1',
    })
    const name = who.body.status.userInfo.username.slice('system:node:'.length)
    await call('POST', accounts, serviceAccount())
    for (const secret of ['mine', 'other'])
      await call('POST', '/api/v1/namespaces/default/secrets', {
        kind: 'Secret',
        apiVersion: 'v1',
        metadata: { name: secret },
      })
    await call('POST', pods, pod('p', { nodeName: name, volumes: [{ name: 'v', secret: { secretName: 'mine' } }] }))
    const read = async (secret: string) => (await self('GET', `/api/v1/namespaces/default/secrets/${secret}`)).status
    while ((await read('mine')) !== 200) await new Promise(setImmediate)
    t.equal(await read('other'), 403)
    const foreign = await self('POST', '/api/v1/nodes', {
      kind: 'Node',
      apiVersion: 'v1',
      metadata: { name: 'somebody-else' },
    })
    t.equal(foreign.status, 403)
    t.match(
      foreign.body.message,
      new RegExp(`nodes "somebody-else" is forbidden: node "${name}" is not allowed to modify node "somebody-else"`),
    )
    t.equal((await self('POST', '/api/v1/nodes', { kind: 'Node', apiVersion: 'v1', metadata: { name } })).status, 201)
  })

  t.test('a signing request says who asked, and is approved by who may', async t => {
    const csr = async (name: string, subject: string) => ({
      kind: 'CertificateSigningRequest',
      apiVersion: 'certificates.k8s.io/v1',
      metadata: { name },
      spec: {
        request: await request(subject),
        signerName: 'kubernetes.io/kube-apiserver-client',
        usages: ['client auth'],
        username: 'somebody',
      },
    })
    const made = await call('POST', csrs, await csr('jane', 'CN=jane'))
    t.match(made.body.spec, { username: 'kubernetes-super-admin', groups: ['system:masters', 'system:authenticated'] })
    const approve = (body: object, headers = {}) => call('PUT', `${csrs}/jane/approval`, body, headers)
    const approved = { ...made.body, status: { conditions: [{ type: 'Approved', status: 'True', reason: 'Test' }] } }
    await call('POST', '/apis/rbac.authorization.k8s.io/v1/clusterroles', {
      kind: 'ClusterRole',
      apiVersion: 'rbac.authorization.k8s.io/v1',
      metadata: { name: 'approver' },
      rules: [
        { apiGroups: ['certificates.k8s.io'], resources: ['certificatesigningrequests/approval'], verbs: ['update'] },
      ],
    })
    await call('POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
      kind: 'ClusterRoleBinding',
      apiVersion: 'rbac.authorization.k8s.io/v1',
      metadata: { name: 'approver' },
      roleRef: { kind: 'ClusterRole', name: 'approver' },
      subjects: [{ kind: 'User', name: 'bob' }],
    })
    let refused = await approve(approved, { 'impersonate-user': 'bob' })
    while (/cannot update resource/.test(refused.body.message))
      refused = await approve(approved, { 'impersonate-user': 'bob' })
    t.match(
      refused.body.message,
      /user not permitted to approve requests with signerName "kubernetes.io\/kube-apiserver-client"/,
    )
    const done = await approve(approved)
    t.match(done.body.status.conditions, [{ type: 'Approved', lastUpdateTime: /Z$/ }])
    const undone = await approve({ ...done.body, status: {} })
    t.match(undone.body.message, /updates may not remove a condition of type "Approved"/)
    const masters = await call('POST', csrs, await csr('masters', 'CN=x, O=system:masters'))
    t.match(
      masters.body.message,
      /use of kubernetes.io\/kube-apiserver-client signer with system:masters group is not allowed/,
    )
  })

  t.test('what is in no request of a CSR is refused with every problem at once', async t => {
    const { status, body } = await call('POST', csrs, {
      kind: 'CertificateSigningRequest',
      apiVersion: 'certificates.k8s.io/v1',
      metadata: { name: 'bad' },
      spec: { request: 'AAAA', signerName: 'x', usages: ['flying'] },
    })
    t.equal(status, 422)
    t.equal(body.details.causes.length, 3)
  })

  t.test('a write by somebody else than its owner is impersonated or refused, never half done', async t => {
    const { status } = await call('POST', configMaps, configMap('x'), { 'impersonate-user': 'jane' })
    t.equal(status, 403)
    t.equal((await call('GET', `${configMaps}/x`)).status, 404)
  })
})
