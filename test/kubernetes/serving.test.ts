import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { connect as connectTcp } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t from 'tap'
import { systemClock } from '#clock.ts'
import { Audit } from '#kubernetes/audit.ts'
import { createAuthenticator } from '#kubernetes/authn.ts'
import { alwaysDeny, privilegedGroups } from '#kubernetes/authz.ts'
import { Metrics } from '#kubernetes/metrics.ts'
import { kubeletRefusals } from '#kubernetes/refusals.ts'
import { notFound } from '#kubernetes/status.ts'
import { memoryBundle } from '#tls/bundle.ts'
import { ask, startServer, throwawayCa } from './ground.ts'

const ca = await throwawayCa()
const admin = await ca.issue([{ O: ['system:masters'] }, { CN: ['admin'] }])
const bob = await ca.issue('bob')
const authenticator = createAuthenticator({
  clock: systemClock,
  voice: 'go1.24',
  clientCa: memoryBundle(ca.cert),
  anonymous: true,
})

t.test('health: ok, verbose, excluded, one check, unknown names, failing', async t => {
  let well = true
  const { url, lines } = await startServer(t, ca, {
    checks: [
      {
        name: 'etcd',
        check() {
          if (!well) throw new Error('dial tcp: refused')
        },
      },
      { name: 'informer-sync', check: async () => {}, in: ['readyz'] },
    ],
  })
  const get = async (path: string) => {
    const { status, text, headers } = await ask(t, ca, url + path)
    t.equal(headers['content-type'], 'text/plain; charset=utf-8')
    t.equal(headers['x-content-type-options'], 'nosniff')
    return [status, text]
  }
  t.strictSame(await get('/readyz'), [200, 'ok'])
  t.strictSame(await get('/livez?verbose'), [200, '[+]ping ok\n[+]log ok\n[+]etcd ok\nlivez check passed\n'])
  t.strictSame(await get('/readyz?verbose=1&exclude=etcd'), [
    200,
    '[+]ping ok\n[+]log ok\n[+]etcd excluded: ok\n[+]informer-sync ok\nreadyz check passed\n',
  ])
  t.strictSame(await get('/healthz?verbose&exclude=foo'), [
    200,
    '[+]ping ok\n[+]log ok\n[+]etcd ok\nwarn: some health checks cannot be excluded: no matches for "foo"\nhealthz check passed\n',
  ])
  t.strictSame(await get('/readyz/etcd'), [200, 'ok'])
  t.strictSame(await get('/livez/informer-sync'), [404, '404 page not found\n'])
  well = false
  t.strictSame(await get('/readyz'), [
    500,
    '[+]ping ok\n[+]log ok\n[-]etcd failed: reason withheld\n[+]informer-sync ok\nreadyz check failed\n',
  ])
  t.ok(lines.some(({ message }) => message === 'etcd check failed: readyz\n[-]etcd failed: dial tcp: refused\n'))
  t.strictSame(await get('/readyz?exclude=etcd'), [200, 'ok'])
  t.strictSame(await get('/readyz/etcd'), [500, 'internal server error: dial tcp: refused\n'])
})

t.test("metrics have the originals' names", async t => {
  const metrics = new Metrics()
  const { url } = await startServer(t, ca, {
    metrics,
    authenticator,
    authorizer: privilegedGroups(),
    requestMetrics: 'apiserver',
  })
  await ask(t, ca, `${url}/readyz`, { cert: admin })
  await ask(t, ca, `${url}/api/v1/namespaces/a/pods`, { cert: bob })
  const { text, headers, status } = await ask(t, ca, `${url}/metrics`, { cert: admin })
  t.equal(status, 200)
  t.match(headers['content-type'], /^text\/plain; version=0\.0\.4/)
  t.match(text, /^# TYPE authentication_attempts counter$/m)
  t.match(text, /^authentication_attempts\{result="success"\} 3$/m)
  t.match(text, /^authenticated_user_requests\{username="admin"\} 2$/m)
  t.match(text, /^kubernetes_healthcheck\{name="ping",type="readyz"\} 1$/m)
  t.match(
    text,
    /^apiserver_request_total\{verb="LIST",dry_run="",group="",version="v1",resource="pods",subresource="",scope="namespace",component="apiserver",code="403"\} 1$/m,
  )
  t.match(text, /^authentication_duration_seconds_bucket\{result="success",le="\+Inf"\} 3$/m)
  t.match(text, /^authentication_duration_seconds_count\{result="success"\} 3$/m)
})

t.test('a histogram counts what fell under each bound', async t => {
  const metrics = new Metrics()
  for (const value of [-5, 0, 1, 1800, 1801, 99_999_999])
    metrics.observe('apiserver_client_certificate_expiration_seconds', value)
  const { body } = await metrics.text()
  t.match(body, /_bucket\{le="0"\} 2\n.*_bucket\{le="1800"\} 4\n.*_bucket\{le="3600"\} 5\n/)
  t.match(body, /_bucket\{le="\+Inf"\} 6\n.*_sum 100003596\n.*_count 6\n/)
})

t.test('what a route throws is its answer; what nobody expected is a 500 that stops nothing', async t => {
  const { url, errors } = await startServer(t, ca, {
    routes({ app }) {
      app.get('/missing', () => {
        throw notFound({ group: '', resource: 'pods' }, 'x')
      })
      app.get('/broken', async () => {
        throw new Error('boom')
      })
      app.post('/body', (request, reply) => reply.send(request.body))
    },
  })
  const missing = await ask(t, ca, `${url}/missing`)
  t.equal(missing.status, 404)
  t.equal(missing.headers['content-type'], 'application/json')
  t.match(JSON.parse(missing.text), { reason: 'NotFound' })
  const broken = await ask(t, ca, `${url}/broken`)
  t.equal(broken.status, 500)
  t.match(JSON.parse(broken.text), { message: 'Internal error occurred: boom', reason: 'InternalError' })
  t.strictSame(errors(), ['Observed a panic: boom'])
  t.equal((await ask(t, ca, `${url}/nosuch`)).text, '404 page not found\n')
  t.equal((await ask(t, ca, `${url}/missing`)).status, 404)
})

t.test('a body of any type is bytes, up to 3 MiB', async t => {
  const { url } = await startServer(t, ca, {
    routes: ({ app }) =>
      app.post('/size', (request, reply) => reply.send(Buffer.from(String((request.body as Buffer).length)))),
  })
  const post = (body: string, headers: Record<string, string>) =>
    ask(t, ca, `${url}/size`, { method: 'POST', body, headers })
  t.equal((await post('{"a":', { 'content-type': 'application/json' })).text, '5')
  t.equal((await post('abc', { 'content-type': 'application/vnd.kubernetes.protobuf' })).text, '3')
  t.equal((await post('abc', {})).text, '3')
  const large = await post('x'.repeat(3 * 1024 * 1024 + 1), {})
  t.equal(large.status, 413)
  t.match(JSON.parse(large.text), {
    reason: 'RequestEntityTooLarge',
    message: 'Request entity too large: limit is 3145728',
    code: 413,
  })
})

t.test("every answer names its audit id, and takes the client's", async t => {
  const { url } = await startServer(t, ca)
  t.match((await ask(t, ca, `${url}/healthz`)).headers['audit-id'], /^[0-9a-f-]{36}$/)
  t.equal((await ask(t, ca, `${url}/healthz`, { headers: { 'Audit-ID': 'mine' } })).headers['audit-id'], 'mine')
})

t.test('a kubelet says it in plain text', async t => {
  const strict = createAuthenticator({
    clock: systemClock,
    voice: 'go1.24',
    clientCa: memoryBundle(ca.cert),
    anonymous: false,
  })
  const { url } = await startServer(t, ca, {
    authenticator: strict,
    authorizer: alwaysDeny,
    refusals: kubeletRefusals,
    alwaysAllowPaths: [],
    attributes: (user, info) =>
      ['pods', 'proxy'].map(subresource => ({
        ...info,
        user,
        isResourceRequest: true,
        resource: 'nodes',
        subresource,
      })),
  })
  const anonymous = await ask(t, ca, `${url}/pods`)
  t.equal(anonymous.status, 401)
  t.equal(anonymous.text, 'Unauthorized')
  const forbidden = await ask(t, ca, `${url}/pods`, { cert: bob })
  t.equal(forbidden.status, 403)
  t.equal(forbidden.text, 'Forbidden (user=bob, verb=get, resource=nodes, subresource(s)=[pods proxy])\n')
  t.match(forbidden.headers['content-type'], 'text/plain')
  t.equal(forbidden.headers['audit-id'], undefined)
})

t.test('an authorizer that cannot decide is a 500, and one that can after it is asked', async t => {
  const { url, errors } = await startServer(t, ca, {
    authenticator,
    authorizer: async () => ({ decision: 'no-opinion', reason: '', error: 'apiserver is away' }),
  })
  const answer = await ask(t, ca, `${url}/metrics`, { cert: bob })
  t.equal(answer.status, 500)
  t.equal(answer.text, 'Internal Server Error: "/metrics": apiserver is away\n')
  t.strictSame(errors(), ['Authorization error: apiserver is away'])
})

t.test('the record says who it was, once for each change of mind', async t => {
  const { url, records } = await startServer(t, ca, { authenticator, authorizer: privilegedGroups() })
  await ask(t, ca, `${url}/metrics`, { cert: bob })
  const last = records.records.at(-1)
  t.match(last, {
    outcome: 'refused',
    layer: 'authorization',
    reason: 'forbidden',
    message: 'forbidden: User "bob" cannot get path "/metrics"',
    user: { name: 'bob', groups: ['system:authenticated'] },
    http: { status: 403, method: 'GET', path: '/metrics' },
  })
  await ask(t, ca, `${url}/healthz?verbose`, { cert: admin })
  t.match(records.records.at(-1), {
    outcome: 'ok',
    user: { name: 'admin', groups: ['system:masters', 'system:authenticated'] },
    http: { status: 200, path: '/healthz' },
  })
  t.equal(records.records.length, 4)
})

t.test('HTTP/2 is served on the same port, with the same filters', async t => {
  const { url, records } = await startServer(t, ca, {
    authenticator,
    authorizer: privilegedGroups(),
    routes: ({ app }) => app.get('/whoami', (request, reply) => reply.send(Buffer.from(request.user.username))),
  })
  const session = connectHttp2(url, { ca: ca.cert, cert: admin.cert, key: admin.key, servername: 'localhost' })
  t.teardown(() => session.close())
  const get = async (path: string) => {
    const stream = session.request({ ':path': path })
    const [headers] = (await once(stream, 'response')) as [Record<string, unknown>]
    let text = ''
    for await (const chunk of stream) text += String(chunk)
    return [headers[':status'], text]
  }
  t.strictSame(await get('/whoami'), [200, 'admin'])
  t.strictSame(await Promise.all([get('/healthz'), get('/whoami')]), [
    [200, 'ok'],
    [200, 'admin'],
  ])
  t.match(records.records.at(-1), { user: { name: 'admin' }, tls: { alpn: 'h2' } })
})

t.test('an upgrade passes the filters, too', async t => {
  const { server, url } = await startServer(t, ca, {
    authenticator,
    authorizer: privilegedGroups(),
    routes: started =>
      started.onUpgrade(({ socket, user, info }) => {
        socket.end(
          `HTTP/1.1 101 Switching Protocols\r\nupgrade: test\r\nconnection: upgrade\r\n\r\n${user.username} ${info.verb} ${info.subresource}`,
        )
      }),
  })
  const upgrade = async (cert: typeof admin) => {
    const socket = connectTls({
      port: server.address.port,
      host: '127.0.0.1',
      ca: ca.cert,
      cert: cert.cert,
      key: cert.key,
      servername: 'localhost',
      ALPNProtocols: ['http/1.1'],
    })
    await once(socket, 'secureConnect')
    socket.write(
      'GET /api/v1/namespaces/a/pods/p/exec HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: test\r\n\r\n',
    )
    let text = ''
    for await (const chunk of socket) text += String(chunk)
    return text
  }
  t.match(await upgrade(admin), /^HTTP\/1\.1 101 .*admin get exec$/s)
  t.match(
    await upgrade(bob),
    /^HTTP\/1\.1 403 Forbidden\r\n.*pods \\"p\\" is forbidden: User \\"bob\\" cannot get resource \\"pods\/exec\\"/s,
  )
  t.equal((await ask(t, ca, `${url}/healthz`)).status, 200)
})

t.test('plain HTTP is told that this is HTTPS, as Go does', async t => {
  const { server } = await startServer(t, ca)
  const socket = connectTcp(server.address.port, '127.0.0.1')
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  t.match(text, /^HTTP\/1\.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server\.\n$/)
})

t.test('a request that is no HTTP ends its connection and nothing else', async t => {
  const { server, url } = await startServer(t, ca)
  const socket = connectTls({ port: server.address.port, host: '127.0.0.1', ca: ca.cert, servername: 'localhost' })
  await once(socket, 'secureConnect')
  socket.on('error', () => {})
  socket.resume()
  socket.write('\x00\x01garbage\r\n\r\n')
  await once(socket, 'close')
  t.equal((await ask(t, ca, `${url}/healthz`)).status, 200)
})

t.test('it closes although someone watches', async t => {
  let watching: () => void = () => {}
  const begun = new Promise<void>(resolve => {
    watching = resolve
  })
  const { server, url } = await startServer(t, ca, {
    routes: ({ app }) =>
      app.get('/watch', (_request, reply) => {
        reply.hijack()
        reply.raw.writeHead(200)
        reply.raw.write('x')
        watching()
      }),
  })
  const answer = ask(t, ca, `${url}/watch`).catch(error => error)
  await begun
  await server.close()
  t.ok((await answer) instanceof Error)
})

t.test('the audit log tells stages, user, object and decision, in the order of the type', async t => {
  const events: Record<string, unknown>[] = []
  const audit = new Audit({
    clock: systemClock,
    policy: {
      rules: [
        { level: 'None', nonResourceURLs: ['/healthz*'] },
        { level: 'Request', verbs: ['create'], resources: [{ group: '', resources: ['pods'] }] },
        { level: 'Metadata' },
      ],
    },
    sink: { write: line => void events.push(JSON.parse(line)), close: async () => {} },
  })
  const { url } = await startServer(t, ca, {
    authenticator,
    authorizer: privilegedGroups(),
    audit,
    routes({ app }) {
      app.post('/api/v1/namespaces/a/pods', (request, reply) => {
        if (request.audit) {
          request.audit.requestObject = JSON.parse((request.body as Buffer).toString())
          request.audit.objectName = 'p'
        }
        return reply.code(201).send(Buffer.from('{}'))
      })
    },
  })
  await ask(t, ca, `${url}/healthz`, { cert: admin })
  await ask(t, ca, `${url}/api/v1/namespaces/a/pods?dryRun=All`, {
    cert: admin,
    method: 'POST',
    body: '{"kind":"Pod"}',
    headers: { 'user-agent': 'me' },
  })
  await ask(t, ca, `${url}/api/v1/nodes/n1`, { cert: bob })
  audit.flush()
  t.strictSame(
    events.map(({ stage, verb }) => `${stage} ${verb}`),
    ['RequestReceived create', 'ResponseComplete create', 'RequestReceived get', 'ResponseComplete get'],
  )
  const [, created, , refused] = events
  t.strictSame(Object.keys(created!), [
    'kind',
    'apiVersion',
    'level',
    'auditID',
    'stage',
    'requestURI',
    'verb',
    'user',
    'sourceIPs',
    'userAgent',
    'objectRef',
    'responseStatus',
    'requestObject',
    'requestReceivedTimestamp',
    'stageTimestamp',
    'annotations',
  ])
  t.match(created, {
    level: 'Request',
    requestURI: '/api/v1/namespaces/a/pods?dryRun=All',
    user: { username: 'admin' },
    sourceIPs: ['127.0.0.1'],
    userAgent: 'me',
    objectRef: { resource: 'pods', namespace: 'a', name: 'p', apiVersion: 'v1' },
    responseStatus: { metadata: {}, code: 201 },
    requestObject: { kind: 'Pod' },
    requestReceivedTimestamp: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/,
    annotations: { 'authorization.k8s.io/decision': 'allow', 'authorization.k8s.io/reason': '' },
  })
  t.match(refused, {
    level: 'Metadata',
    user: { username: 'bob' },
    responseStatus: { status: 'Failure', reason: 'Forbidden', code: 403 },
    annotations: { 'authorization.k8s.io/decision': 'forbid' },
  })
})
