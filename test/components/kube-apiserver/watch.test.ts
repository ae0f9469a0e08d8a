/** Watches: from a revision, by selectors, from the present state, and when their past is gone. */
import t from 'tap'
import { Etcd } from '#components/kube-apiserver/storage/etcd.ts'
import { WatchHub } from '#components/kube-apiserver/storage/watch.ts'
import { fileBundle } from '#tls/bundle.ts'
import { createDialer } from '#tls/dial.ts'
import { fileIdentity } from '#tls/identity.ts'
import { configMap, configMaps, startApi } from './api.ts'

t.test('watches', async t => {
  const api = await startApi(t)
  const { call, watch } = api

  t.test('what happened after a revision comes, then what happens', async t => {
    const { body: list } = await call('GET', configMaps)
    const made = await call('POST', configMaps, configMap('seen'))
    const events = await watch(`${configMaps}?watch=true&resourceVersion=${list.metadata.resourceVersion}`)
    t.strictSame(await events.next(), { type: 'ADDED', object: made.body })
    const changed = await call('PUT', `${configMaps}/seen`, { ...made.body, data: { a: 'b' } })
    t.strictSame(await events.next(), { type: 'MODIFIED', object: changed.body })
    await call('DELETE', `${configMaps}/seen`)
    const { type, object } = await events.next()
    t.equal(type, 'DELETED')
    t.ok(
      Number(object.metadata.resourceVersion) > Number(changed.body.metadata.resourceVersion),
      'with the revision of its deletion',
    )
    events.stop()
  })

  t.test('an object that begins to match a selector is ADDED, one that ceases to is DELETED', async t => {
    const { body } = await call('POST', configMaps, configMap('turning'))
    const events = await watch(
      `${configMaps}?watch=true&resourceVersion=${body.metadata.resourceVersion}&labelSelector=on`,
    )
    const type = { 'content-type': 'application/merge-patch+json' }
    await call('PATCH', `${configMaps}/turning`, { metadata: { labels: { on: '' } } }, type)
    t.equal((await events.next()).type, 'ADDED')
    await call('PATCH', `${configMaps}/turning`, { data: { a: 'b' } }, type)
    t.equal((await events.next()).type, 'MODIFIED')
    await call('PATCH', `${configMaps}/turning`, { metadata: { labels: { on: null } } }, type)
    t.equal((await events.next()).type, 'DELETED')
    events.stop()
  })

  t.test('without a revision, what is there comes as ADDED; sendInitialEvents marks its end', async t => {
    const events = await watch('/api/v1/namespaces?watch=true')
    t.equal((await events.next()).type, 'ADDED')
    events.stop()
    const query = 'watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true'
    const marked = await watch(`/api/v1/namespaces?${query}`)
    const types: string[] = []
    for (;;) {
      const { type, object } = await marked.next()
      types.push(type)
      if (type !== 'BOOKMARK') continue
      t.equal(object.metadata.annotations?.['k8s.io/initial-events-end'], 'true')
      break
    }
    t.strictSame(types, ['ADDED', 'ADDED', 'ADDED', 'ADDED', 'BOOKMARK'])
    marked.stop()
  })

  t.test('one object is watched by its name', async t => {
    const { body } = await call('GET', configMaps)
    const events = await watch(
      `${configMaps}?watch=true&resourceVersion=${body.metadata.resourceVersion}&fieldSelector=metadata.name%3Dmine`,
    )
    await call('POST', configMaps, configMap('mine-not'))
    await call('POST', configMaps, configMap('mine'))
    t.equal((await events.next()).object.metadata.name, 'mine')
    events.stop()
  })

  t.test('a watch ends by itself after timeoutSeconds', async t => {
    const events = await watch(
      `${configMaps}?watch=true&resourceVersion=1&timeoutSeconds=1&fieldSelector=metadata.name%3Dnone`,
    )
    await t.rejects(events.next(), /has ended/)
  })

  t.test('a revision that etcd has compacted is answered with 410 Expired', async t => {
    const { cluster } = api
    const { body } = await call('POST', configMaps, configMap('last'))
    const identity = fileIdentity({
      certFile: cluster.file('pki/apiserver-etcd-client.crt'),
      keyFile: cluster.file('pki/apiserver-etcd-client.key'),
      reload: 'start',
      log: cluster.context.log,
    })
    const roots = fileBundle({
      file: cluster.file('pki/etcd/ca.crt'),
      reader: 'etcd',
      reload: 'start',
      log: cluster.context.log,
    })
    const dialer = createDialer({ ...cluster.context, component: 'test', from: 'test', to: 'etcd', identity, roots })
    t.teardown(() => dialer.close())
    const record = cluster.records.records.find(({ to, end }) => to === 'etcd' && end === 'client')
    const { statusCode } = await dialer.agent.request({
      origin: `https://${record!.address}`,
      path: '/v3/kv/compaction',
      method: 'POST',
      body: JSON.stringify({ revision: body.metadata.resourceVersion }),
    })
    t.equal(statusCode, 200)
    // The apiserver of this cluster has seen everything since revision 1; one that starts now has not.
    const etcd = new Etcd({ dispatcher: dialer.agent, endpoints: [`https://${record!.address}`] })
    const hub = new WatchHub({ etcd, root: '/registry/', log: cluster.context.log })
    t.teardown(() => hub.stop())
    hub.start((await etcd.range({ key: '/registry/health' })).revision)
    await new Promise<void>(onExpired => hub.subscribe('/registry/configmaps/', 1, { onEvent() {}, onExpired }))
    const list = await call('GET', `${configMaps}?resourceVersion=1&resourceVersionMatch=Exact`)
    t.match(list.body, { code: 410, reason: 'Expired' })
  })
})
