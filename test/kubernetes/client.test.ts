import { once } from 'node:events'
import { createServer } from 'node:net'
import t from 'tap'
import { systemClock } from '#clock.ts'
import { createAuthenticator } from '#kubernetes/authn.ts'
import { resources } from '#kubernetes/resources.ts'
import { isConflict, isExpired, isNotFound, StatusError } from '#kubernetes/status.ts'
import { RequestError } from '#kubernetes/transport.ts'
import type { Pod } from '#kubernetes/types.ts'
import { memoryBundle } from '#tls/bundle.ts'
import { FakeApi } from './fake-api.ts'
import { clientOf, startServer, type Teardown, throwawayCa } from './ground.ts'

const ca = await throwawayCa()
const rogue = await throwawayCa('rogue')
const admin = await ca.issue([{ O: ['system:masters'] }, { CN: ['admin'] }])

async function start(t: Teardown) {
  const api = new FakeApi()
  const { url, records } = await startServer(t, ca, {
    authenticator: createAuthenticator({
      clock: systemClock,
      voice: 'go1.24',
      clientCa: memoryBundle(ca.cert),
      anonymous: false,
    }),
    routes: ({ app }) => api.routes(app),
  })
  return { api, url, records }
}

const pod = (name: string): Pod => ({
  metadata: { name, namespace: 'default' },
  spec: { containers: [{ name: 'c', image: 'i' }] },
})

t.test('objects are created, read, changed, listed and deleted', async t => {
  const { url, api } = await start(t)
  const { client } = clientOf(t, ca, url, admin)
  const created = await client.create(resources.pods, pod('web'))
  t.match(created, { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web', namespace: 'default' } })
  const read = await client.get(resources.pods, { namespace: 'default', name: 'web' })
  t.strictSame(read, created)
  const changed = await client.update(resources.pods, { ...read, spec: { ...read.spec, nodeName: 'n1' } })
  t.equal(changed.spec.nodeName, 'n1')
  await t.rejects(client.update(resources.pods, read), {
    message:
      'Operation cannot be fulfilled on pods "web": the object has been modified; please apply your changes to the latest version and try again',
  })
  await client.update(resources.pods, read).catch(error => t.ok(isConflict(error)))
  const list = await client.list(resources.pods, { namespace: 'default', labelSelector: 'app=web' })
  t.equal(list.items.length, 1)
  t.match(api.requests.at(-1), /^GET \/api\/v1\/namespaces\/default\/pods\?labelSelector=app%3Dweb$/)
  t.match(await client.delete(resources.pods, { namespace: 'default', name: 'web' }), { status: 'Success' })
  const gone = await client.get(resources.pods, { namespace: 'default', name: 'web' }).catch(error => error)
  t.ok(isNotFound(gone))
  t.match(gone, { code: 404, reason: 'NotFound', message: 'pods "web" not found' })
})

t.test("an answer that is no Status gets client-go's generic words", async t => {
  const { url } = await start(t)
  const { client } = clientOf(t, ca, url, admin)
  const nowhere = { ...resources.pods, group: 'nowhere.io' }
  await t.rejects(client.list(nowhere), {
    code: 404,
    message: 'the server could not find the requested resource (get pods.nowhere.io)',
  })
})

t.test("a 401 is a StatusError, and supersedes the handshake's record at both ends", async t => {
  const { url, records: served } = await start(t)
  const { client, records } = clientOf(t, ca, url, await rogue.issue('admin'))
  await t.rejects(client.list(resources.nodes), { code: 401, reason: 'Unauthorized', message: 'Unauthorized' })
  const mine = records.records.at(-1)
  const theirs = served.records.at(-1)
  t.match(mine, {
    end: 'client',
    from: 'kubectl',
    to: 'kube-apiserver',
    outcome: 'refused',
    refusedBy: 'server',
    layer: 'authentication',
    reason: 'unauthorized',
    http: { status: 401, method: 'GET', path: '/api/v1/nodes' },
  })
  t.match(theirs, {
    end: 'server',
    outcome: 'refused',
    refusedBy: 'server',
    layer: 'authentication',
    reason: 'unknown-authority',
    message:
      /^verifying certificate SN=\d+, SKID=, AKID=([0-9A-F]{2}:)+[0-9A-F]{2} failed: x509: certificate signed by unknown authority$/,
    http: { status: 401 },
  })
  t.equal(mine?.handshake, theirs?.handshake)
  t.equal(records.records[0]?.outcome, 'ok', 'the handshake itself went well')
})

t.test("a refused server certificate is a RequestError in client-go's words", async t => {
  const { url } = await start(t)
  const { client } = clientOf(t, rogue, url, admin)
  const error = await client.list(resources.nodes).catch(error => error)
  t.ok(error instanceof RequestError)
  t.equal(
    error.message,
    `Get "${url}/api/v1/nodes": tls: failed to verify certificate: x509: certificate signed by unknown authority`,
  )
  t.equal((error.cause as Error).name, 'RefusedError')
})

t.test("nobody there is a RequestError in client-go's words", async t => {
  const free = createServer().listen(0, '127.0.0.1')
  await once(free, 'listening')
  const { port } = free.address() as { port: number }
  free.close()
  await once(free, 'close')
  const { client } = clientOf(t, ca, `https://127.0.0.1:${port}`, admin)
  await t.rejects(client.create(resources.pods, pod('x')), {
    message: `Post "https://127.0.0.1:${port}/api/v1/namespaces/default/pods": dial tcp 127.0.0.1:${port}: connect: connection refused`,
  })
})

t.test('a watch gives events until it is told to stop', async t => {
  const { url, api } = await start(t)
  const { client } = clientOf(t, ca, url, admin)
  api.put(resources.pods, pod('a'))
  const stop = new AbortController()
  const seen: string[] = []
  for await (const { type, object } of client.watch(resources.pods, { resourceVersion: '0', signal: stop.signal })) {
    seen.push(`${type} ${object.metadata.name ?? ''}`)
    if (seen.length === 1) api.put(resources.pods, pod('b'))
    if (seen.length === 2) api.put(resources.pods, pod('b'))
    if (seen.length === 3) api.remove(resources.pods, 'default', 'a')
    if (seen.length === 4) api.bookmark(resources.pods)
    if (seen.length === 5) stop.abort()
  }
  t.strictSame(seen, ['ADDED a', 'ADDED b', 'MODIFIED b', 'DELETED a', 'BOOKMARK '])
  t.match(api.requests.at(-1), 'allowWatchBookmarks=true')
})

t.test('a watch from a version that is gone throws 410, before and in the stream', async t => {
  const { url, api } = await start(t)
  const { client } = clientOf(t, ca, url, admin)
  api.compactedBelow = 5
  const refused = await client
    .watch(resources.pods, { resourceVersion: '1' })
    .next()
    .catch(error => error)
  t.ok(isExpired(refused))
  t.equal(refused.message, 'too old resource version: 1 (5)')
  const stream = client.watch(resources.pods, { resourceVersion: '7' })
  const first = stream.next().catch(error => error)
  while (api.watchers === 0) await new Promise(setImmediate)
  api.breakWatches(new StatusError(refused.status).status)
  t.ok(isExpired(await first))
})

t.test('kept-alive connections are used again, and end when they are told to', async t => {
  const { url, records } = await start(t)
  const { client } = clientOf(t, ca, url, admin)
  await client.list(resources.pods)
  await client.list(resources.pods)
  const handshakes = () => new Set(records.records.map(record => record.handshake)).size
  t.equal(handshakes(), 1)
  client.closeConnections()
  await client.list(resources.pods)
  t.equal(handshakes(), 2)
})

t.test('renewed connections lose no request that is on its way', async t => {
  const answers: (() => void)[] = []
  const arrived = Promise.withResolvers<void>()
  const { url } = await startServer(t, ca, {
    routes({ app }) {
      app.get('/slow', (_, reply) => {
        answers.push(() => reply.send(Buffer.from('late')))
        if (answers.length === 3) arrived.resolve()
      })
      app.get('/version', (_, reply) => reply.send(Buffer.from('{}')))
    },
  })
  const { client, records } = clientOf(t, ca, url, admin)
  const handshakes = () => new Set(records.records.map(record => record.handshake)).size
  const slow = [1, 2, 3].map(async () => (await client.raw({ path: '/slow' })).text())
  await arrived.promise
  const before = handshakes()
  client.renewConnections()
  await (await client.raw({ path: '/version' })).text()
  t.equal(handshakes(), before + 1, 'what comes next has a connection of its own')
  for (const answer of answers) answer()
  t.strictSame(await Promise.all(slow), ['late', 'late', 'late'])
})

t.test('a request that waits for its turn can be given up', async t => {
  const { url } = await startServer(t, ca, { routes: ({ app }) => app.get('/slow', () => new Promise(() => {})) })
  const { client } = clientOf(t, ca, url, admin)
  const stop = new AbortController()
  // more than are made at once
  const all = Array.from({ length: 12 }, () => client.raw({ path: '/slow', signal: stop.signal }))
  stop.abort(new Error('no more'))
  for (const one of all) await t.rejects(one, { message: 'no more' })
})

t.test('requests say who makes them', async t => {
  const agents: (string | undefined)[] = []
  const { url } = await startServer(t, ca, {
    routes: ({ app }) =>
      app.get('/version', (request, reply) => {
        agents.push(request.headers['user-agent'], request.headers.authorization)
        return reply.send(Buffer.from('{}'))
      }),
  })
  const { client } = clientOf(t, ca, url, admin, 'secret')
  await client.raw({ path: '/version' })
  t.match(agents[0], /^kubectl\/v1\.\d+\.\d+ \([a-z]+\/[a-z0-9]+\) kubernetes\/trustplane$/)
  t.equal(agents[1], 'Bearer secret')
})

t.test('ready() waits until the server is', async t => {
  let asked = 0
  const { url } = await startServer(t, ca, {
    checks: [
      {
        name: 'slow',
        check() {
          if (++asked < 4) throw new Error('not yet')
        },
      },
    ],
  })
  const { client } = clientOf(t, ca, url, admin)
  await client.ready()
  t.equal(asked, 4)
})

t.test('a Retry-After is obeyed', async t => {
  let asked = 0
  const { url } = await startServer(t, ca, {
    routes: ({ app }) =>
      app.get('/busy', (_request, reply) =>
        ++asked === 1
          ? reply.code(429).header('retry-after', '0.001').send(Buffer.from('{}'))
          : reply.send(Buffer.from('{}')),
      ),
  })
  const { client } = clientOf(t, ca, url, admin)
  t.equal((await client.raw({ path: '/busy' })).status, 200)
  t.equal(asked, 2)
})
