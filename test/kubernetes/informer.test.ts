import { once } from 'node:events'
import t from 'tap'
import { systemClock } from '#clock.ts'
import { createAuthenticator } from '#kubernetes/authn.ts'
import { createInformer } from '#kubernetes/informer.ts'
import { resources } from '#kubernetes/resources.ts'
import { expired, failure } from '#kubernetes/status.ts'
import type { Pod } from '#kubernetes/types.ts'
import { memoryBundle } from '#tls/bundle.ts'
import { FakeApi } from './fake-api.ts'
import { clientOf, type Issued, startServer, type Teardown, throwawayCa } from './ground.ts'

const ca = await throwawayCa()
const rogue = await throwawayCa('rogue')
const admin = await ca.issue('admin')

const pod = (name: string, node?: string): Pod => ({
  metadata: { name, namespace: 'default' },
  spec: { containers: [], ...(node ? { nodeName: node } : {}) },
})

async function start(t: Teardown, cert: Issued = admin) {
  const api = new FakeApi()
  const { url, server } = await startServer(t, ca, {
    authenticator: createAuthenticator({
      clock: systemClock,
      voice: 'go1.24',
      clientCa: memoryBundle(ca.cert),
      anonymous: false,
    }),
    routes: ({ app }) => api.routes(app),
  })
  const { client, log, errors, lines } = clientOf(t, ca, url, cert)
  const pods = createInformer({
    client,
    log,
    resource: resources.pods,
    indexers: { node: object => (object.spec.nodeName ? [object.spec.nodeName] : []) },
  })
  const seen: string[] = []
  pods.on('add', object => seen.push(`add ${object.metadata.name}`))
  pods.on('update', (object, old) =>
    seen.push(`update ${object.metadata.name} ${old.spec.nodeName} ${object.spec.nodeName}`),
  )
  pods.on('delete', object => seen.push(`delete ${object.metadata.name}`))
  t.teardown(() => pods.stop())
  return { api, pods, seen, errors, lines, server, url }
}

const until = async (condition: () => boolean) => {
  while (!condition()) await new Promise(resolve => setTimeout(resolve, 2))
}

t.test('an informer has what is there when it has synced, and follows', async t => {
  const { api, pods, seen } = await start(t)
  api.put(resources.pods, pod('a'))
  api.put(resources.pods, pod('b', 'n1'))
  pods.start()
  await pods.synced
  t.equal(pods.hasSynced, true)
  t.strictSame(seen, ['add a', 'add b'])
  const update = once(pods, 'update')
  api.put(resources.pods, pod('a', 'n1'))
  await update
  const deleted = once(pods, 'delete')
  api.remove(resources.pods, 'default', 'b')
  await deleted
  t.strictSame(seen.slice(2), ['update a undefined n1', 'delete b'])
  t.strictSame(
    pods.list().map(object => object.metadata.name),
    ['a'],
  )
  t.strictSame(
    pods.by('node', 'n1').map(object => object.metadata.name),
    ['a'],
  )
  t.equal(pods.get('default/a')?.spec.nodeName, 'n1')
})

t.test('a watch that ends is taken up where it was, without a new list', async t => {
  const { api, pods, seen } = await start(t)
  pods.start()
  await pods.synced
  await until(() => api.watchers === 1)
  const added = once(pods, 'add')
  api.put(resources.pods, pod('a'))
  await added
  api.endWatches()
  api.put(resources.pods, pod('b'))
  await until(() => seen.length === 2)
  t.strictSame(seen, ['add a', 'add b'])
  t.equal(api.requests.filter(line => !line.includes('watch=true')).length, 1)
})

t.test('a bookmark moves the place on', async t => {
  const { api, pods } = await start(t)
  pods.start()
  await until(() => api.watchers === 1)
  api.version = 40
  api.bookmark(resources.pods)
  await until(() => pods.resourceVersion === '41')
  t.pass()
})

t.test('after a 410 it lists anew, and tells what was missed', async t => {
  const { api, pods, seen } = await start(t)
  api.put(resources.pods, pod('a'))
  api.put(resources.pods, pod('b'))
  pods.start()
  await until(() => api.watchers === 1)
  api.breakWatches(expired('too old resource version: 2 (9)').status)
  api.remove(resources.pods, 'default', 'a')
  api.put(resources.pods, pod('c'))
  await until(() => seen.length === 4)
  t.strictSame(seen.slice(2).sort(), ['add c', 'delete a'])
  t.strictSame(
    pods.list().map(object => object.metadata.name),
    ['b', 'c'],
  )
})

t.test("a refused list is logged in client-go's words, and tried again", async t => {
  const { pods, errors, lines } = await start(t, await rogue.issue('admin'))
  pods.start()
  await once(pods, 'trouble')
  await once(pods, 'trouble')
  t.equal(errors()[0], 'Failed to watch: failed to list *v1.Pod: Unauthorized')
  t.match(lines.find(({ level }) => level === 'error')?.fields, {
    reflector: 'k8s.io/client-go/informers/factory.go:160',
    type: '*v1.Pod',
  })
  t.equal(pods.hasSynced, false)
})

t.test('a handler that throws stops nothing', async t => {
  const { api, pods, errors, seen } = await start(t)
  pods.prependListener('add', () => {
    throw new Error('mine')
  })
  api.put(resources.pods, pod('a'))
  api.put(resources.pods, pod('b'))
  pods.start()
  await pods.synced
  t.strictSame(errors(), ['Observed a panic: mine', 'Observed a panic: mine'])
  t.equal(pods.size, 2)
  t.strictSame(seen, [])
})

t.test('an error in the stream that is not about the version makes it list anew, too', async t => {
  const { api, pods } = await start(t)
  pods.start()
  await until(() => api.watchers === 1)
  api.breakWatches(failure(500, 'InternalError', 'etcd is gone'))
  await until(() => api.watchers === 1 && api.requests.filter(line => !line.includes('watch=true')).length === 2)
  t.pass()
})

t.test('it stops when it is told to', async t => {
  const { api, pods } = await start(t)
  pods.start()
  await until(() => api.watchers === 1)
  await pods.stop()
  await until(() => api.watchers === 0)
  t.pass()
})

t.test('a server that goes away and comes back is followed from where it was', async t => {
  const { api, pods, seen, server } = await start(t)
  pods.start()
  await until(() => api.watchers === 1)
  const { port } = server.address
  await server.close()
  api.put(resources.pods, pod('meanwhile'))
  await startServer(t, ca, { port, routes: ({ app }) => api.routes(app) })
  await until(() => seen.length === 1)
  t.strictSame(seen, ['add meanwhile'])
})

t.test("a server that comes back with a certificate of another CA is told of in client-go's words", async t => {
  const { api, pods, errors, server, url } = await start(t)
  pods.start()
  await until(() => api.watchers === 1)
  const { port } = server.address
  await server.close()
  await startServer(t, rogue, { port, routes: ({ app }) => api.routes(app) })
  // before it is back, nobody listens
  const told = () => errors().find(line => line.includes('x509'))
  await until(() => told() !== undefined)
  t.equal(
    told(),
    `Failed to watch: failed to list *v1.Pod: Get "${url}/api/v1/pods?limit=500&resourceVersion=0": tls: failed to verify certificate: x509: certificate signed by unknown authority`,
  )
})
