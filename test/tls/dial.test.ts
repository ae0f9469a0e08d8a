import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { request } from 'undici'
import { RefusedError, refusalOf, UnreachableError } from '#tls/errors.ts'
import { joinHandshakes } from '#tls/records.ts'
import type { DialOptions, ListenOptions } from '#tls/types.ts'
import { dialerTo, httpApp, secp256k1, startListener, throwawayCa, throwawayPki } from './mesh.ts'

const pki = throwawayPki()

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  )

/** A TCP server that does what it is told with every connection. */
async function tcpServer(t: Test, handle: (socket: Socket) => void): Promise<{ host: string; port: number }> {
  const server = createServer(socket => {
    socket.on('error', () => {})
    t.teardown(() => socket.destroy())
    handle(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port }
}

t.test('nobody there: in the words of Go, and recorded', async t => {
  const gone = await tcpServer(t, () => {})
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  const { dialer, records } = dialerTo(t, pki)
  const error = await failure(dialer.connect({ host: '127.0.0.1', port }))
  t.ok(error instanceof UnreachableError)
  t.equal((error as Error).message, `dial tcp 127.0.0.1:${port}: connect: connection refused`)
  t.match(records.records, [
    {
      outcome: 'unreachable',
      reason: 'unreachable',
      end: 'client',
      from: 'kube-apiserver',
      to: 'etcd',
      address: `127.0.0.1:${port}`,
      handshake: '',
    },
  ])
  t.match(await failure(dialer.connect({ host: 'no-such-host.invalid', port: gone.port })), {
    message: /^dial tcp: lookup no-such-host\.invalid: (no such host|Temporary failure in name resolution)$/,
  })
})

const strangers: [string, (socket: Socket) => void, object][] = [
  [
    'speaks HTTP',
    socket => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'),
    { name: 'UnreachableError', message: 'tls: first record does not look like a TLS handshake' },
  ],
  ['closes at once', socket => socket.end(), { name: 'RefusedError', message: 'EOF', refusedBy: 'server' }],
  [
    'says an alert',
    socket => socket.end(Buffer.from('15030100020246', 'hex')),
    { name: 'RefusedError', reason: 'protocol-version', message: 'remote error: tls: protocol version not supported' },
  ],
  ['says nothing', () => {}, { name: 'UnreachableError', message: 'net/http: TLS handshake timeout' }],
]
for (const [name, handle, expected] of strangers) {
  t.test(`a server that ${name}`, async t => {
    const target = await tcpServer(t, handle)
    const { dialer, records } = dialerTo(t, pki, { handshakeTimeoutMs: 200 })
    t.match(await failure(dialer.connect(target)), expected)
    // what happens to the connection after that is nobody's news
    await new Promise(resolve => setTimeout(resolve, 50))
    t.equal(records.records.length, 1)
  })
}

const mismatches: {
  name: string
  server: Partial<ListenOptions>
  client: Partial<DialOptions>
  reason: string
  serverWords: string
  alert: number
}[] = [
  {
    name: 'versions',
    server: { minVersion: 'TLSv1.3' },
    client: { maxVersion: 'TLSv1.2' },
    reason: 'protocol-version',
    serverWords: 'tls: client offered only unsupported versions: [303 302 301]',
    alert: 70,
  },
  {
    name: 'cipher suites',
    server: { maxVersion: 'TLSv1.2', cipherSuites: ['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'] },
    client: { maxVersion: 'TLSv1.2', cipherSuites: ['TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305'] },
    reason: 'cipher-mismatch',
    serverWords: 'tls: no cipher suite supported by both client and server',
    alert: 40,
  },
  {
    name: 'application protocols',
    server: { alpn: ['h2'] },
    client: { alpn: ['foo'] },
    reason: 'cipher-mismatch',
    serverWords: 'tls: client requested unsupported application protocols ([foo])',
    alert: 120,
  },
]
for (const { name, server, client, reason, serverWords, alert } of mismatches) {
  t.test(`${name} that have nothing in common: both ends' records are one handshake`, async t => {
    const { listener, records } = await startListener(t, pki, { ...server, serve: httpApp })
    const { dialer, records: clientRecords } = dialerTo(t, pki, client)
    const error = await failure(dialer.connect(listener.address))
    t.ok(error instanceof RefusedError)
    t.match(error, {
      refusedBy: 'server',
      alert: { code: alert, direction: 'received' },
      message: /^remote error: tls: /,
    })
    await records.find(record => record.outcome === 'refused')
    const joined = joinHandshakes([...clientRecords.records, ...records.records])
    t.equal(joined.length, 1)
    t.match(joined[0], {
      handshake: /^[0-9a-f]{64}$/,
      client: { outcome: 'refused', refusedBy: 'server' },
      server: {
        outcome: 'refused',
        refusedBy: 'server',
        reason,
        message: serverWords,
        alert: { code: alert, direction: 'sent' },
      },
    })
    t.equal(joined[0]?.client?.handshake, joined[0]?.server?.handshake)
  })
}

t.test('the name that is checked is the host, or the servername that was given', async t => {
  const { listener, records } = await startListener(t, pki, { serve: httpApp })
  const { port } = listener.address
  await dialerTo(t, pki).dialer.connect({ host: 'localhost', port })
  await dialerTo(t, pki, { servername: 'server' }).dialer.connect({ host: '127.0.0.1', port })
  t.match(await failure(dialerTo(t, pki, { servername: 'elsewhere' }).dialer.connect({ host: '127.0.0.1', port })), {
    reason: 'name-mismatch',
    message: 'tls: failed to verify certificate: x509: certificate is valid for localhost, server, not elsewhere',
  })
  await records.find(({ name }) => name === 'elsewhere')
  t.strictSame(
    records.records.map(({ name }) => name),
    ['localhost', 'server', 'elsewhere'],
    'and it is told as SNI',
  )
})

t.test('an IP is not told as SNI', async t => {
  const { listener, records } = await startListener(t, pki, { serve: httpApp })
  await dialerTo(t, pki).dialer.connect(listener.address)
  t.equal(records.records[0]?.name, undefined)
})

t.test('a chain through an intermediate is verified, in either direction', async t => {
  const intermediate = pki.ca.sub('intermediate')
  const [server, client] = [intermediate.issue('server', { ip: ['127.0.0.1'] }), intermediate.issue('client')]
  for (const leaf of [server, client]) leaf.cert += intermediate.cert
  const { listener, records } = await startListener(t, pki, { cert: server, serve: httpApp })
  const { dialer, records: clientRecords } = dialerTo(t, pki, { cert: client })
  const { statusCode, body } = await request(`https://127.0.0.1:${listener.address.port}/`, {
    dispatcher: dialer.agent,
  })
  t.equal(statusCode, 200)
  await body.dump()
  t.match(records.records, [{ peer: [{ subject: 'CN=client' }, { subject: 'CN=intermediate' }] }])
  t.match(clientRecords.records, [{ peer: [{ subject: 'CN=server' }, { subject: 'CN=intermediate' }] }])
})

t.test('insecureSkipVerify takes any server, and the record says so', async t => {
  const { listener } = await startListener(t, pki, { cert: pki.other.issue('x'), serve: httpApp })
  const { dialer, records } = dialerTo(t, pki, { insecureSkipVerify: true })
  await dialer.connect(listener.address)
  t.match(records.records, [{ outcome: 'ok', message: /insecure-skip-tls-verify/ }])
})

t.test('one CA of two with the same name and different keys: the right one is found', async t => {
  const [first, second] = [throwawayCa('ca'), throwawayCa('ca')]
  const { listener } = await startListener(t, pki, { trusts: first.cert + second.cert, serve: httpApp })
  for (const ca of [first, second]) {
    const { dialer } = dialerTo(t, pki, { cert: ca.issue('client') })
    const { statusCode, body } = await request(`https://127.0.0.1:${listener.address.port}/`, {
      dispatcher: dialer.agent,
    })
    t.equal(statusCode, 200)
    await body.dump()
  }
})

t.test('a server that hides behind a secp256k1 CA is refused, and nothing dies', async t => {
  // Node 24.21 ends in SIGSEGV when it links such a chain for getPeerCertificate(true)
  const odd = throwawayCa('odd', { keys: secp256k1() })
  const [server, client] = [odd.issue('server', { ip: ['127.0.0.1'] }), odd.issue('client')]
  for (const leaf of [server, client]) leaf.cert += odd.cert
  const { listener, records } = await startListener(t, pki, { cert: server, serve: httpApp })
  const { dialer } = dialerTo(t, pki)
  t.match(await failure(dialer.connect(listener.address)), {
    refusedBy: 'client',
    reason: 'malformed',
    message: /unsupported elliptic curve/,
  })
  const good = await startListener(t, pki, { serve: httpApp })
  const rogue = dialerTo(t, pki, { cert: client })
  const error = await failure(
    request(`https://127.0.0.1:${good.listener.address.port}/`, { dispatcher: rogue.dialer.agent }),
  )
  t.match(refusalOf(error), { refusedBy: 'server', alert: { code: 42 } })
  t.match(good.records.records, [
    { reason: 'malformed', message: 'tls: failed to parse client certificate: x509: unsupported elliptic curve' },
  ])
  t.match(records.records, [{ outcome: 'refused', refusedBy: 'client' }])
})

for (const alpn of ['http/1.1', 'h2'])
  t.test(`closeConnections lets the next request shake hands anew, with the identity of then (${alpn})`, async t => {
    const { listener, records } = await startListener(t, pki, { serve: httpApp })
    const { dialer, identity } = dialerTo(t, pki, { alpn: [alpn] })
    const url = `https://127.0.0.1:${listener.address.port}/`
    await (await request(url, { dispatcher: dialer.agent })).body.dump()
    const renewed = pki.ca.issue('renewed')
    identity?.set(renewed.cert, renewed.key)
    dialer.closeConnections()
    const { body } = await request(url, { dispatcher: dialer.agent })
    t.strictSame(await body.json(), { user: 'renewed' })
    t.equal(records.records.length, 2)
  })

t.test('closing a dialer ends what it is still dialing, and records nothing of it', async t => {
  const target = await tcpServer(t, () => {})
  const { dialer, records } = dialerTo(t, pki)
  const attempt = failure(dialer.connect(target))
  const late = failure(new Promise(resolve => setTimeout(resolve, 20)).then(() => dialer.connect(target)))
  await new Promise(resolve => setTimeout(resolve, 10))
  await dialer.close()
  t.match(await attempt, { name: 'UnreachableError', message: /operation was canceled$/ })
  t.match(await late, { name: 'UnreachableError', message: /operation was canceled$/ })
  t.strictSame(records.records, [])
})

t.test('an own pair that cannot be used any more is a refusal of our own', async t => {
  const { listener } = await startListener(t, pki, { serve: httpApp })
  const { identity } = dialerTo(t, pki)
  const broken = {
    ...identity!,
    current: () => {
      throw new Error('tls: private key does not match public key')
    },
  }
  const { dialer, records } = dialerTo(t, pki, { identity: broken })
  const error = await failure(request(`https://127.0.0.1:${listener.address.port}/`, { dispatcher: dialer.agent }))
  t.match(refusalOf(error), {
    refusedBy: 'client',
    reason: 'key-mismatch',
    message: 'tls: private key does not match public key',
  })
  t.equal(records.records.length, 1)
})
