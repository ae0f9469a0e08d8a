import t from 'tap'
import { attributesOf, forbiddenFor, requestInfo } from '#kubernetes/attributes.ts'

const bob = { username: 'bob', groups: ['dev'] }

// Cases of apiserver's requestinfo_test.go and of real kubectl requests.
const resourceCases: [method: string, url: string, expected: Record<string, string>][] = [
  ['GET', '/api/v1/namespaces', { verb: 'list', apiPrefix: 'api', apiVersion: 'v1', resource: 'namespaces' }],
  ['GET', '/api/v1/namespaces/other', { verb: 'get', namespace: 'other', resource: 'namespaces', name: 'other' }],
  ['GET', '/api/v1/namespaces/other/pods', { verb: 'list', namespace: 'other', resource: 'pods', name: '' }],
  ['GET', '/api/v1/namespaces/other/pods/foo', { verb: 'get', namespace: 'other', resource: 'pods', name: 'foo' }],
  ['HEAD', '/api/v1/namespaces/other/pods/foo', { verb: 'get', name: 'foo' }],
  ['GET', '/api/v1/pods', { verb: 'list', namespace: '', resource: 'pods' }],
  ['GET', '/api/v1/pods?watch=true', { verb: 'watch', resource: 'pods' }],
  ['GET', '/api/v1/pods?watch=1', { verb: 'watch' }],
  ['GET', '/api/v1/pods?watch=false', { verb: 'list' }],
  ['GET', '/api/v1/watch/namespaces/other/pods', { verb: 'watch', namespace: 'other', resource: 'pods' }],
  ['GET', '/api/v1/namespaces/other/pods/foo/log', { verb: 'get', subresource: 'log', name: 'foo' }],
  ['POST', '/api/v1/namespaces/other/pods/foo/binding', { verb: 'create', subresource: 'binding' }],
  [
    'PUT',
    '/api/v1/namespaces/other/finalize',
    { verb: 'update', resource: 'namespaces', name: 'other', subresource: 'finalize' },
  ],
  [
    'PATCH',
    '/api/v1/namespaces/other/status',
    { verb: 'patch', resource: 'namespaces', name: 'other', subresource: 'status' },
  ],
  ['DELETE', '/api/v1/namespaces/other/pods', { verb: 'deletecollection', resource: 'pods' }],
  ['DELETE', '/api/v1/namespaces/other/pods/foo', { verb: 'delete', name: 'foo' }],
  ['POST', '/api/v1/namespaces/other/pods', { verb: 'create', resource: 'pods' }],
  ['GET', '/api/v1/proxy/namespaces/other/pods/foo', { verb: 'proxy', resource: 'pods', name: 'foo', subresource: '' }],
  [
    'GET',
    '/apis/apps/v1/namespaces/default/deployments/x/scale',
    { apiGroup: 'apps', apiVersion: 'v1', resource: 'deployments', name: 'x', subresource: 'scale' },
  ],
  [
    'GET',
    '/api/v1/nodes?fieldSelector=metadata.name%3Dn1&watch=true',
    { verb: 'watch', name: 'n1', fieldSelector: 'metadata.name=n1' },
  ],
  [
    'GET',
    '/api/v1/pods?fieldSelector=spec.nodeName%3Dn1',
    { verb: 'list', name: '', fieldSelector: 'spec.nodeName=n1' },
  ],
  [
    'GET',
    '/api/v1/namespaces/other/services/https%3Aweb%3A/proxy/a/b',
    { resource: 'services', name: 'https:web:', subresource: 'proxy' },
  ],
]

for (const [method, url, expected] of resourceCases) {
  t.test(`${method} ${url} is a resource request`, async t => {
    const info = requestInfo(method, url)
    t.equal(info.isResourceRequest, true)
    t.match(info, expected)
  })
}

const otherPaths = [
  '/',
  '/api',
  '/api/v1',
  '/apis',
  '/apis/apps',
  '/apis/apps/v1',
  '/healthz',
  '/version',
  '/metrics',
  '/api/v1/',
  '/openapi/v3/api/v1',
  '/logs/kube',
]
for (const path of otherPaths) {
  t.test(`GET ${path} is no resource request`, async t => {
    t.match(requestInfo('GET', path), { isResourceRequest: false, verb: 'get', path, resource: '' })
  })
}

t.test('a path that cannot be decoded is a 400', async t => {
  t.throws(() => requestInfo('GET', '/api/v1/pods/%zz'), { code: 400, reason: 'BadRequest' })
})

const sentences: [method: string, url: string, message: string, details: object][] = [
  [
    'GET',
    '/api/v1/namespaces/default/pods/p',
    'pods "p" is forbidden: User "bob" cannot get resource "pods" in API group "" in the namespace "default"',
    { name: 'p', kind: 'pods' },
  ],
  [
    'GET',
    '/api/v1/namespaces/default/pods/p/log',
    'pods "p" is forbidden: User "bob" cannot get resource "pods/log" in API group "" in the namespace "default"',
    { name: 'p', kind: 'pods' },
  ],
  [
    'GET',
    '/apis/apps/v1/namespaces/default/deployments/x',
    'deployments.apps "x" is forbidden: User "bob" cannot get resource "deployments" in API group "apps" in the namespace "default"',
    { name: 'x', group: 'apps', kind: 'deployments' },
  ],
  ['GET', '/', 'forbidden: User "bob" cannot get path "/"', {}],
  ['GET', '/<b>', 'forbidden: User "bob" cannot get path "/&lt;b&gt;"', {}],
]
for (const [method, url, message, details] of sentences) {
  t.test(`a 403 for ${method} ${url} says what was asked for`, async t => {
    const { status } = forbiddenFor(attributesOf(bob, requestInfo(method, url)))
    t.equal(status.message, message)
    t.strictSame(status.details, details)
    t.strictSame(Object.keys(status), [
      'kind',
      'apiVersion',
      'metadata',
      'status',
      'message',
      'reason',
      'details',
      'code',
    ])
  })
}

t.test('a reason comes after the sentence', async t => {
  const error = forbiddenFor(
    attributesOf(bob, requestInfo('GET', '/api/v1/namespaces/x/secrets/s')),
    'no relationship found',
  )
  t.match(error.message, /in the namespace "x": no relationship found$/)
})
