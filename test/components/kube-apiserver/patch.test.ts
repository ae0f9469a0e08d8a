/** The four kinds of patch: pure functions first, then over HTTP with managers and conflicts. */
import t from 'tap'
import { applyJsonPatch } from '#components/kube-apiserver/patch/json.ts'
import { applyMergePatch } from '#components/kube-apiserver/patch/merge.ts'
import { applyStrategicPatch } from '#components/kube-apiserver/patch/strategic.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import { configMap, configMaps, startApi } from './api.ts'

const kind = { group: '', version: 'v1', kind: 'Pod' }
const podOf = (spec: object): Unstructured => ({ metadata: { name: 'p' }, spec })
const container = (name: string, image = 'a') => ({ name, image })

t.test('merge patches follow RFC 7396', async t => {
  t.strictSame(applyMergePatch({ a: 'b', c: { d: 'e', f: 'g' } }, { a: 'z', c: { f: null } }), {
    a: 'z',
    c: { d: 'e' },
  })
  t.strictSame(applyMergePatch({ a: [1, 2] }, { a: [3] }), { a: [3] })
})

t.test('JSON patches follow RFC 6902', async t => {
  const object = { metadata: {}, list: [1, 2], map: { 'a/b': 1 } } as unknown as Unstructured
  t.strictSame(
    applyJsonPatch(object, [
      { op: 'add', path: '/list/-', value: 3 },
      { op: 'remove', path: '/list/0' },
      { op: 'replace', path: '/map/a~1b', value: 2 },
      { op: 'copy', from: '/list', path: '/copied' },
      { op: 'move', from: '/map', path: '/moved' },
      { op: 'test', path: '/moved/a~1b', value: 2 },
    ]),
    { metadata: {}, list: [2, 3], copied: [2, 3], moved: { 'a/b': 2 } },
  )
  t.throws(() => applyJsonPatch(object, [{ op: 'test', path: '/list/0', value: 9 }]), { code: 422 })
  t.throws(() => applyJsonPatch(object, [{ op: 'remove', path: '/nothing' }]), { code: 422 })
  t.strictSame(object, { metadata: {}, list: [1, 2], map: { 'a/b': 1 } }, 'the object itself is left alone')
})

const strategic: [what: string, before: object, patch: object, after: object][] = [
  [
    'containers are merged by name',
    { containers: [container('a'), container('b')] },
    { containers: [{ name: 'b', image: 'c' }] },
    { containers: [container('a'), container('b', 'c')] },
  ],
  [
    'a new container is added',
    { containers: [container('a')] },
    { containers: [container('b')] },
    { containers: [container('a'), container('b')] },
  ],
  [
    '$patch: delete takes one',
    { containers: [container('a'), container('b')] },
    { containers: [{ $patch: 'delete', name: 'a' }] },
    { containers: [container('b')] },
  ],
  [
    '$setElementOrder orders them',
    { containers: [container('a'), container('b')] },
    {
      $setElementOrder: 0,
      '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }],
      containers: [{ name: 'a', image: 'x' }],
    },
    { containers: [container('b'), container('a', 'x')] },
  ],
  [
    'a list without a merge key is replaced',
    { tolerations: [{ key: 'a' }] },
    { tolerations: [{ key: 'b' }] },
    { tolerations: [{ key: 'b' }] },
  ],
  ['null takes a field', { nodeName: 'n', hostname: 'h' }, { nodeName: null }, { hostname: 'h' }],
  [
    '$retainKeys keeps only those',
    { volumes: [{ name: 'v', emptyDir: {} }] },
    { volumes: [{ name: 'v', $retainKeys: ['name', 'hostPath'], hostPath: { path: '/' } }] },
    { volumes: [{ name: 'v', hostPath: { path: '/' } }] },
  ],
]
for (const [what, before, patch, after] of strategic) {
  t.test(`strategic merge: ${what}`, async t => {
    const { $setElementOrder: _, ...rest } = patch as Record<string, unknown>
    t.strictSame(applyStrategicPatch(podOf(before), { spec: rest }, kind), podOf(after))
  })
}

t.test('strategic merge: finalizers are united, $deleteFromPrimitiveList takes some', async t => {
  const object: Unstructured = { metadata: { name: 'p', finalizers: ['a', 'b'] } }
  const patch = { metadata: { finalizers: ['c'], '$deleteFromPrimitiveList/finalizers': ['a'] } }
  t.strictSame(applyStrategicPatch(object, patch, kind).metadata.finalizers?.sort(), ['b', 'c'])
})

t.test('patches over HTTP', async t => {
  const { call } = await startApi(t)
  const apply = (name: string, manager: string, data: object, more = '', metadata: object = {}) =>
    call(
      'PATCH',
      `${configMaps}/${name}?fieldManager=${manager}${more}`,
      JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...metadata }, data }),
      { 'content-type': 'application/apply-patch+yaml' },
    )

  t.test('an unknown patch type is 415, with those that there are', async t => {
    await call('POST', configMaps, configMap('x'))
    const { status, body } = await call('PATCH', `${configMaps}/x`, '{}', { 'content-type': 'application/json' })
    t.equal(status, 415)
    t.match(body.message, /accepted media types include: application\/json-patch\+json, application\/merge-patch\+json/)
  })

  t.test('a patch may not change the kind, nor leave nonsense', async t => {
    const type = { 'content-type': 'application/merge-patch+json' }
    t.equal((await call('PATCH', `${configMaps}/x`, { kind: 'Secret' }, type)).status, 400)
    t.equal((await call('PATCH', `${configMaps}/x`, { metadata: null }, type)).status, 400)
    t.equal((await call('PATCH', `${configMaps}/x`, '{"a', type)).status, 400)
  })

  t.test('apply creates, and says who set what', async t => {
    const { status, body } = await apply('applied', 'one', { a: '1', b: '1' })
    t.equal(status, 201)
    t.match(body.metadata.managedFields, [
      {
        manager: 'one',
        operation: 'Apply',
        apiVersion: 'v1',
        fieldsType: 'FieldsV1',
        fieldsV1: { 'f:data': { 'f:a': {}, 'f:b': {} } },
      },
    ])
    const again = await apply('applied', 'one', { a: '1', b: '1' })
    t.equal(again.body.metadata.resourceVersion, body.metadata.resourceVersion, 'the same once more is no write')
  })

  t.test('what a manager applies no more is taken out, what is another’s stays', async t => {
    await apply('applied', 'two', { c: '2' })
    const { body } = await apply('applied', 'one', { a: '1' })
    t.strictSame(body.data, { a: '1', c: '2' })
  })

  t.test('another value for another’s field is a conflict, until it is forced', async t => {
    const { status, body } = await apply('applied', 'two', { a: '9', c: '2' })
    t.equal(status, 409)
    t.equal(body.message, 'Apply failed with 1 conflict: conflict with "one": .data.a')
    t.strictSame(body.details.causes, [
      { reason: 'FieldManagerConflict', message: 'conflict with "one"', field: '.data.a' },
    ])
    const forced = await apply('applied', 'two', { a: '9', c: '2' }, '&force=true')
    t.strictSame(forced.body.data, { a: '9', c: '2' })
    t.strictSame(
      forced.body.metadata.managedFields.map(({ manager }: { manager: string }) => manager),
      ['two'],
    )
  })

  t.test('an update of an applied object takes its fields over', async t => {
    await call(
      'PATCH',
      `${configMaps}/applied?fieldManager=kubectl-edit`,
      { data: { a: '5' } },
      { 'content-type': 'application/merge-patch+json' },
    )
    const { body } = await apply('applied', 'two', { a: '9', c: '2' })
    t.equal(body.message, 'Apply failed with 1 conflict: conflict with "kubectl-edit" using v1: .data.a')
  })

  t.test('apply needs a manager', async t => {
    const { body } = await call('PATCH', `${configMaps}/applied`, '{}', {
      'content-type': 'application/apply-patch+yaml',
    })
    t.match(body.message, /fieldManager: Required value: is required for apply patch/)
  })
})
