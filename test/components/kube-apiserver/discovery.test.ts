/** What is served: the table of resources, discovery in its three forms, OpenAPI in both versions, Tables. */
import t from 'tap'
import { resourceTable } from '#components/kube-apiserver/resources/table.ts'
import { idOfKind } from '#components/kube-apiserver/schema/load.ts'
import { configMap, configMaps, startApi } from './api.ts'

t.test('the table of resources names each once, and each has a type', async t => {
  const names = resourceTable.map(({ group, version, resource }) => `${group}/${version}/${resource}`)
  t.equal(new Set(names).size, names.length)
  for (const row of resourceTable) {
    if (row.virtual && row.resource === 'bindings') continue
    t.ok(idOfKind(row), `${row.kind} of ${row.group || 'core'} is in the schema`)
    t.ok(row.columns.length > 0)
  }
  const prefixes = resourceTable
    .filter(row => !row.conversion)
    .map(({ registry, virtual }) => (virtual ? undefined : registry))
  const stored = prefixes.filter(Boolean)
  t.equal(new Set(stored).size, stored.length, 'no two share a place in etcd')
})

t.test('discovery', async t => {
  const { call, watch } = await startApi(t)
  const v2 = (version: string) => `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`

  for (const version of ['v2', 'v2beta1']) {
    t.test(`aggregated ${version} echoes what was asked for in its Content-Type`, async t => {
      const { headers, body } = await call('GET', '/apis', undefined, { accept: `${v2(version)},application/json` })
      t.equal(headers['content-type'], v2(version))
      t.equal(body.apiVersion, `apidiscovery.k8s.io/${version}`)
      const apps = body.items.find(({ metadata }: { metadata: { name: string } }) => metadata.name === 'apps')
      const deployments = apps.versions[0].resources.find(
        ({ resource }: { resource: string }) => resource === 'deployments',
      )
      t.match(deployments, {
        responseKind: { group: 'apps', version: 'v1', kind: 'Deployment' },
        scope: 'Namespaced',
        shortNames: ['deploy'],
        subresources: [{ subresource: 'scale' }, { subresource: 'status' }],
      })
    })
  }

  t.test('unaggregated: groups, a group, its resources', async t => {
    t.match((await call('GET', '/api')).body, { kind: 'APIVersions', versions: ['v1'] })
    t.match((await call('GET', '/apis/apps')).body, {
      kind: 'APIGroup',
      name: 'apps',
      preferredVersion: { groupVersion: 'apps/v1' },
    })
    const { body } = await call('GET', '/api/v1')
    t.ok(body.resources.some(({ name }: { name: string }) => name === 'pods/exec'))
    t.equal((await call('GET', '/apis/nothing')).status, 404)
  })

  t.test('OpenAPI v3: an index, and a document a group version with patch strategies', async t => {
    const { body } = await call('GET', '/openapi/v3')
    t.match(body.paths['apis/apps/v1'].serverRelativeURL, /^\/openapi\/v3\/apis\/apps\/v1\?hash=/)
    const document = (await call('GET', body.paths['api/v1'].serverRelativeURL)).body
    t.match(document.components.schemas['io.k8s.api.core.v1.PodSpec'].properties.containers, {
      type: 'array',
      'x-kubernetes-patch-merge-key': 'name',
      'x-kubernetes-patch-strategy': 'merge',
    })
    const refs = new Set(JSON.stringify(document).match(/#\/components\/schemas\/[\w.-]+/g))
    for (const ref of refs) t.ok(document.components.schemas[ref.slice('#/components/schemas/'.length)], ref)
  })

  t.test('OpenAPI v2: JSON, and protobuf for the kubectls that read that', async t => {
    const { body } = await call('GET', '/openapi/v2')
    const refs = new Set(JSON.stringify(body).match(/#\/definitions\/[\w.-]+/g))
    for (const ref of refs) t.ok(body.definitions[ref.slice('#/definitions/'.length)], ref)
    const bytes = await call('GET', '/openapi/v2', undefined, {
      accept: 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf',
    })
    t.match(bytes.headers['content-type'], /protobuf/)
    t.ok(bytes.text.startsWith('\n\x032.0'))
  })

  t.test('/version says which release it stands in for', async t => {
    t.match((await call('GET', '/version')).body, { major: '1', gitVersion: /^v1\./, platform: /\// })
  })

  t.test('Tables have columns of two widths, and the metadata of their objects', async t => {
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json'
    const { body } = await call('GET', '/api/v1/namespaces', undefined, { accept })
    t.equal(body.kind, 'Table')
    t.strictSame(
      body.columnDefinitions.map(({ name }: { name: string }) => name),
      ['Name', 'Status', 'Age'],
    )
    t.match(body.rows[0], {
      cells: ['default', 'Active', /s$/],
      object: { kind: 'PartialObjectMetadata', metadata: { name: 'default' } },
    })
    t.equal(body.rows.length, 4)
    const bare = await call('GET', '/api/v1/namespaces?includeObject=None', undefined, { accept })
    t.equal(bare.body.rows[0].object, undefined)
    const nodes = await call('GET', '/api/v1/nodes', undefined, { accept })
    t.ok(
      nodes.body.columnDefinitions.some(
        ({ name, priority }: { name: string; priority: number }) => name === 'Internal-IP' && priority === 1,
      ),
    )
  })

  t.test('metadata alone, and YAML', async t => {
    await call('POST', configMaps, configMap('shown', { a: 'b' }))
    const partial = await call('GET', `${configMaps}/shown`, undefined, {
      accept: 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1',
    })
    t.strictSame(Object.keys(partial.body), ['kind', 'apiVersion', 'metadata'])
    const list = await call('GET', configMaps, undefined, {
      accept: 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1',
    })
    t.equal(list.body.kind, 'PartialObjectMetadataList')
    const yaml = await call('GET', `${configMaps}/shown`, undefined, { accept: 'application/yaml' })
    t.match(yaml.text, /^kind: ConfigMap\napiVersion: v1\n/)
  })

  t.test('events are the same in core/v1 and in events.k8s.io/v1', async t => {
    const event = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: 'e.1' },
      involvedObject: { kind: 'Pod', name: 'p', namespace: 'default' },
      message: 'said',
      reason: 'Test',
      type: 'Normal',
      count: 2,
    }
    const events = await watch('/apis/events.k8s.io/v1/namespaces/default/events?watch=true')
    await call('POST', '/api/v1/namespaces/default/events', event)
    t.match(await events.next(), {
      type: 'ADDED',
      object: { apiVersion: 'events.k8s.io/v1', note: 'said', regarding: { name: 'p' }, deprecatedCount: 2 },
    })
    const { body } = await call('GET', '/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dp')
    t.equal(body.items.length, 1)
    events.stop()
  })
})
