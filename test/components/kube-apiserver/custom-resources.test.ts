/** CustomResourceDefinitions: what they make the apiserver serve, how their objects are pruned, defaulted and judged, and that they go with them. */
import t from 'tap'
import { parseJsonPath } from '#components/kube-apiserver/custom-resources/json-path.ts'
import { fillDefaults, prune, validate } from '#components/kube-apiserver/custom-resources/schema.ts'
import type { StructuralSchema } from '#components/kube-apiserver/custom-resources/types.ts'
import { startApi } from './api.ts'

t.test('paths of printer columns', async t => {
  const object = {
    spec: { names: ['a', 'b'] },
    status: {
      conditions: [
        { type: 'Issuing', status: 'False' },
        { type: 'Ready', status: 'True' },
      ],
    },
    metadata: { labels: { 'a.b/c': 'd' } },
  }
  for (const [path, value] of [
    ['.spec.names[1]', 'b'],
    ['.spec.names', ['a', 'b']],
    ['.status.conditions[?(@.type == "Ready")].status', 'True'],
    ["$.status.conditions[?(@.type=='Issuing')].status", 'False'],
    ['.metadata.labels.a\\.b/c', 'd'],
    ["['metadata'].labels['a.b/c']", 'd'],
    ['.spec.nothing.here', undefined],
    ['.spec.names[*]', 'a'],
  ] as const) {
    t.strictSame(parseJsonPath(path)?.(object), value, path)
  }
  for (const bad of ['.spec[', '.a[?(@.b > 3)]', 'spec']) t.equal(parseJsonPath(bad), undefined, bad)
})

const schema: StructuralSchema = {
  type: 'object',
  required: ['spec'],
  properties: {
    spec: {
      type: 'object',
      required: ['size'],
      properties: {
        size: { type: 'integer', minimum: 1, maximum: 9 },
        colour: { type: 'string', enum: ['red', 'blue'], default: 'red' },
        name: { type: 'string', pattern: '^[a-z]+$', maxLength: 5 },
        parts: {
          type: 'array',
          maxItems: 2,
          items: { type: 'object', properties: { port: { 'x-kubernetes-int-or-string': true } } },
        },
        free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
        labels: { type: 'object', additionalProperties: { type: 'string' } },
      },
    },
    status: { type: 'object', properties: { phase: { type: 'string' } } },
  },
}

t.test('a structural schema prunes, fills in and judges', async t => {
  const object = {
    spec: { size: 1, wrong: 2, parts: [{ port: 'http', more: 1 }], free: { any: { thing: 1 } } },
    other: 1,
  }
  t.strictSame(prune(object, schema), ['spec.wrong', 'spec.parts[0].more', 'other'])
  fillDefaults(object, schema)
  t.strictSame(object, { spec: { size: 1, parts: [{ port: 'http' }], free: { any: { thing: 1 } }, colour: 'red' } })
  t.strictSame(validate(object, schema), [])
  const errors = validate(
    { spec: { size: 'big', colour: 'green', name: 'UPPERCASE', parts: [1, 2, 3], labels: { a: 1 } } },
    schema,
  )
  t.strictSame(
    errors.map(({ type, field, detail }) => `${type} ${field} ${detail}`),
    [
      'invalid spec.size spec.size in body must be of type integer: "string"',
      'notSupported spec.colour supported values: "red", "blue"',
      "invalid spec.name spec.name in body should match '^[a-z]+$'",
      'invalid spec.name spec.name in body should be at most 5 chars long',
      'invalid spec.parts spec.parts in body should have at most 2 items',
      'invalid spec.parts[0] spec.parts[0] in body must be of type object: "integer"',
      'invalid spec.parts[1] spec.parts[1] in body must be of type object: "integer"',
      'invalid spec.parts[2] spec.parts[2] in body must be of type object: "integer"',
      'invalid spec.labels.a spec.labels.a in body must be of type string: "integer"',
    ],
  )
  t.match(validate({}, schema), [{ type: 'required', field: 'spec' }])
})

const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
const widgets = '/apis/example.test/v1/namespaces/default/widgets'
const definition = (more: object = {}) => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.example.test' },
  spec: {
    group: 'example.test',
    scope: 'Namespaced',
    names: { plural: 'widgets', kind: 'Widget', shortNames: ['wd'], categories: ['all'] },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: schema },
        subresources: { status: {} },
        additionalPrinterColumns: [
          { name: 'Size', type: 'integer', jsonPath: '.spec.size' },
          { name: 'Colour', type: 'string', priority: 1, jsonPath: '.spec.colour' },
          { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
        ],
      },
      { name: 'v1alpha1', served: true, storage: false, schema: { openAPIV3Schema: schema } },
    ],
    ...more,
  },
})
const widget = (name: string, spec: object = { size: 3 }) => ({
  apiVersion: 'example.test/v1',
  kind: 'Widget',
  metadata: { name },
  spec,
})

t.test('an apiserver serves what is defined', async t => {
  const { call, watch } = await startApi(t)
  t.equal((await call('GET', widgets)).status, 404)
  const established = await watch(`${crds}?watch=1`)
  const created = await call('POST', crds, definition())
  t.equal(created.status, 201, created.text)
  t.match(created.body.spec.names, { singular: 'widget', listKind: 'WidgetList' })
  for (;;) {
    const { object } = await established.next()
    const { conditions = [] } = object.status as { conditions?: { type: string; status: string }[] }
    if (conditions.some(({ type, status }) => type === 'Established' && status === 'True')) break
  }
  established.stop()

  await t.test('in discovery and OpenAPI', async t => {
    const group = (await call('GET', '/apis/example.test')).body
    t.match(group, {
      kind: 'APIGroup',
      preferredVersion: { version: 'v1' },
      versions: [{ version: 'v1' }, { version: 'v1alpha1' }],
    })
    t.match((await call('GET', '/apis/example.test/v1')).body.resources, [
      {
        name: 'widgets',
        singularName: 'widget',
        namespaced: true,
        kind: 'Widget',
        shortNames: ['wd'],
        categories: ['all'],
      },
      { name: 'widgets/status', kind: 'Widget' },
    ])
    t.ok((await call('GET', '/apis')).body.groups.some(({ name }: { name: string }) => name === 'example.test'))
    const index = (await call('GET', '/openapi/v3')).body.paths
    const { serverRelativeURL } = index['apis/example.test/v1']
    const { components, paths } = (await call('GET', serverRelativeURL)).body
    t.equal(components.schemas['test.example.v1.Widget'].properties.spec.properties.size.type, 'integer')
    const { patch } = paths['/apis/example.test/v1/namespaces/{namespace}/widgets/{name}']
    t.strictSame(
      Object.keys(patch.requestBody.content).filter(type => type.includes('strategic')),
      [],
      'kubectl must not try a strategic patch',
    )
    t.ok((await call('GET', '/openapi/v2')).body.definitions['test.example.v1.Widget'])
  })

  await t.test('its objects, pruned, defaulted and judged', async t => {
    const { status, body } = await call('POST', widgets, { ...widget('one'), status: { phase: 'mine' } })
    t.equal(status, 201)
    t.strictSame(body.spec, { size: 3, colour: 'red' })
    t.notOk(body.status, 'the status has a subresource of its own')
    t.equal(body.metadata.generation, 1)
    const bad = await call('POST', widgets, widget('two', { colour: 'red' }))
    t.equal(bad.status, 422)
    t.equal(bad.body.message, 'Widget.example.test "two" is invalid: spec.size: Required value')
    const strict = await call('POST', `${widgets}?fieldValidation=Strict`, widget('two', { size: 1, sise: 2 }))
    t.match(strict.body, { code: 400, message: /strict decoding error: unknown field "spec\.sise"/ })
    const warned = await call('POST', `${widgets}?fieldValidation=Warn`, widget('two', { size: 1, sise: 2 }))
    t.match(warned.headers.warning, 'unknown field \\"spec.sise\\"')
    t.notOk('sise' in warned.body.spec)
  })

  await t.test('in both versions, as a table, and by watch', async t => {
    const table = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json' }
    const { body } = await call('GET', widgets, undefined, table)
    t.match(
      body.columnDefinitions.map(({ name, type, priority }: Record<string, unknown>) => `${name} ${type} ${priority}`),
      ['Name string 0', 'Size integer 0', 'Colour string 1', 'Age date 0'],
    )
    t.match(body.rows[0].cells, ['one', 3, 'red', /^\d+s$/])
    const old = (await call('GET', widgets.replace('/v1/', '/v1alpha1/'))).body
    t.match(old, {
      kind: 'WidgetList',
      apiVersion: 'example.test/v1alpha1',
      items: [{ apiVersion: 'example.test/v1alpha1' }, {}],
    })
    const seen = await watch(`${widgets}?watch=1&resourceVersion=${old.metadata.resourceVersion}`)
    await call('PUT', `${widgets}/one/status`, { ...widget('one', { size: 9 }), status: { phase: 'Ready' } })
    t.match(await seen.next(), {
      type: 'MODIFIED',
      object: { spec: { size: 3 }, status: { phase: 'Ready' }, metadata: { generation: 1 } },
    })
    seen.stop()
  })

  await t.test('patched by merge and apply, not strategically', async t => {
    const patch = (type: string, body: object, query = '') =>
      call('PATCH', `${widgets}/one${query}`, body, { 'content-type': type })
    t.match(await patch('application/strategic-merge-patch+json', { spec: { size: 4 } }), { status: 415 })
    const merged = await patch('application/merge-patch+json', { spec: { size: 4, colour: null } })
    t.match(merged.body, { spec: { size: 4, colour: 'red' }, metadata: { generation: 2 }, status: { phase: 'Ready' } })
    const applied = await patch(
      'application/apply-patch+yaml',
      widget('one', { size: 5 }),
      '?fieldManager=me&force=true',
    )
    t.match(applied.body, {
      spec: { size: 5 },
      metadata: { managedFields: [{ manager: 'me', fieldsV1: { 'f:spec': { 'f:size': {} } } }] },
    })
    const conflict = await patch('application/apply-patch+yaml', widget('one', { size: 6 }), '?fieldManager=other')
    t.match(conflict.body, { code: 409, message: /conflict with "me": \.spec\.size/ })
  })

  await t.test('definitions that cannot be served are refused, or say why', async t => {
    const named = { ...definition(), metadata: { name: 'gadgets.example.test' } }
    t.match(
      (await call('POST', crds, named)).body.message,
      'metadata.name: Invalid value: "gadgets.example.test": must be spec.names.plural+"."+spec.group',
    )
    const immutable = await call(
      'PATCH',
      `${crds}/widgets.example.test`,
      { spec: { scope: 'Cluster' } },
      { 'content-type': 'application/merge-patch+json' },
    )
    t.match(immutable.body, { code: 422, message: /spec\.scope: Invalid value: "Cluster": field is immutable/ })
    const names = { plural: 'gizmos', kind: 'Widget' }
    const rival = await watch(`${crds}?watch=1&fieldSelector=metadata.name=gizmos.example.test`)
    await call('POST', crds, { ...definition({ names }), metadata: { name: 'gizmos.example.test' } })
    for (;;) {
      const { object } = await rival.next()
      const { conditions = [] } = object.status as { conditions?: { type: string; reason: string; message: string }[] }
      if (conditions.length === 0) continue
      t.match(conditions[0], { type: 'NamesAccepted', reason: 'NameConflict', message: '"Widget" is already in use' })
      break
    }
    rival.stop()
    await call('DELETE', `${crds}/gizmos.example.test`)
  })

  await t.test('until the definition goes, and its objects with it', async t => {
    const gone = await watch(`${widgets}?watch=1&fieldSelector=metadata.name=one`)
    t.match(await gone.next(), { type: 'ADDED' })
    t.equal((await call('DELETE', `${crds}/widgets.example.test`)).status, 200)
    t.match(await gone.next(), { type: 'DELETED' })
    t.equal((await call('GET', widgets)).status, 404)
    t.equal((await call('GET', '/apis/example.test')).status, 404)
  })
})
