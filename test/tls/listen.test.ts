import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { connect as tlsConnect } from 'node:tls'
import { fastify } from 'fastify'
import t from 'tap'
import { request } from 'undici'
import { WebSocket, WebSocketServer } from 'ws'
import { memoryIdentity } from '#tls/identity.ts'
import { judgeClient } from '#tls/judge.ts'
import { peerOf } from '#tls/peer.ts'
import { joinHandshakes } from '#tls/records.ts'
import { serverFactory } from '#tls/serve.ts'
import type { Refusal } from '#tls/types.ts'
import { dialerTo, httpApp, type IssueOptions, startListener, throwawayPki } from './mesh.ts'

const pki = throwawayPki()
const day = 86_400_000
const rogue = pki.other.issue('rogue')

t.test('in request mode a bad certificate passes TLS, and the verdict is there for HTTP', async t => {
  const { listener, records } = await startListener(t, pki, { clientAuth: 'request', serve: httpApp })
  const seen = once(listener, 'connection')
  const { dialer } = dialerTo(t, pki, { cert: rogue })
  const { statusCode, body } = await request(`https://127.0.0.1:${listener.address.port}/`, {
    dispatcher: dialer.agent,
  })
  t.equal(statusCode, 200)
  t.strictSame(await body.json(), { user: 'rogue' })
  const [, peer] = await seen
  t.match(peer.verdict, {
    verdict: 'reject',
    reason: 'unknown-authority',
    message: 'x509: certificate signed by unknown authority',
  })
  t.match(records.records, [{ outcome: 'ok', peer: [{ subject: 'CN=rogue', issuer: 'CN=other' }] }])
})

t.test('who requires a certificate and was given no bundle trusts nobody', async t => {
  const judge = { voice: 'go1.24', now: new Date(), tlsVersion: 'TLSv1.3', bundle: undefined } as const
  const chain = [new X509Certificate(pki.client.cert).raw]
  t.match(judgeClient(chain, { ...judge, clientAuth: 'require' }), {
    refused: { reason: 'unknown-authority', message: /certificate signed by unknown authority/ },
  })
  t.equal(judgeClient(chain, { ...judge, clientAuth: 'request' }).refused, undefined, 'HTTP judges it')
})

t.test('in request mode no certificate is no verdict', async t => {
  const { listener } = await startListener(t, pki, { clientAuth: 'request', serve: httpApp })
  const seen = once(listener, 'connection')
  const { dialer } = dialerTo(t, pki, { cert: null })
  await (await request(`https://127.0.0.1:${listener.address.port}/`, { dispatcher: dialer.agent })).body.dump()
  const [, peer] = await seen
  t.strictSame(peer.certificates, [])
  t.equal(peer.verdict, undefined)
})

t.test('a client is not asked for a certificate that nobody wants', async t => {
  const { listener, records } = await startListener(t, pki, { clientAuth: 'none', serve: httpApp })
  const { dialer } = dialerTo(t, pki)
  await (await request(`https://127.0.0.1:${listener.address.port}/`, { dispatcher: dialer.agent })).body.dump()
  t.equal(records.records[0]?.peer, undefined)
})

t.test('what the HTTP layer records supersedes what TLS recorded', async t => {
  const { listener, records } = await startListener(t, pki, {
    clientAuth: 'request',
    serve(listener) {
      const app = fastify({ serverFactory: serverFactory(listener, { http2: true }), forceCloseConnections: true })
      app.get('/', async (req, reply) => {
        peerOf(req.raw.socket).record({
          outcome: 'refused',
          refusedBy: 'server',
          layer: 'authentication',
          reason: 'unauthorized',
          http: { status: 401 },
        })
        return reply.code(401).send('Unauthorized')
      })
      return app
    },
  })
  const { dialer, records: clientRecords } = dialerTo(t, pki, { cert: rogue, alpn: ['h2'] })
  await (await request(`https://127.0.0.1:${listener.address.port}/`, { dispatcher: dialer.agent })).body.dump()
  const [joined] = joinHandshakes([...clientRecords.records, ...records.records])
  t.match(joined, {
    client: { outcome: 'ok', from: 'kube-apiserver', to: 'etcd' },
    server: {
      outcome: 'refused',
      layer: 'authentication',
      reason: 'unauthorized',
      peer: [{ subject: 'CN=rogue' }],
      tls: { alpn: 'h2' },
    },
  })
})

t.test('websockets are upgraded on a listener', async t => {
  const { listener } = await startListener(t, pki, {
    serve(listener) {
      const app = httpApp(listener)
      const sockets = new WebSocketServer({ noServer: true })
      app.server.on('upgrade', (req, socket, head) => {
        sockets.handleUpgrade(req, socket, head, ws => ws.send(peerOf(req.socket).certificates[0]!.subject.commonName))
      })
      return app
    },
  })
  const { dialer } = dialerTo(t, pki)
  const socket = await dialer.connect(listener.address)
  const ws = new WebSocket(`wss://127.0.0.1:${listener.address.port}/`, { createConnection: () => socket })
  const [message] = await once(ws, 'message')
  t.equal(String(message), 'client')
  ws.close()
  await once(ws, 'close')
})

for (const alpn of ['http/1.1', 'h2']) {
  t.test(`closing ends idle connections and streams (${alpn})`, async t => {
    const { listener, app } = await startListener(t, pki, {
      serve(listener) {
        const app = httpApp(listener)
        app.get('/watch', (_, reply) => {
          reply.raw.writeHead(200)
          reply.raw.write('first')
        })
        return app
      },
    })
    const { dialer } = dialerTo(t, pki, { alpn: [alpn] })
    const url = `https://127.0.0.1:${listener.address.port}`
    const { body } = await request(`${url}/watch`, { dispatcher: dialer.agent })
    await (await request(`${url}/`, { dispatcher: dialer.agent })).body.dump()
    await once(body, 'readable')
    const ended = new Promise(resolve => body.on('error', resolve).on('end', resolve))
    body.resume()
    await app?.close()
    await listener.close()
    await ended
    const error = await dialerTo(t, pki)
      .dialer.connect(listener.address)
      .catch((e: Error) => e)
    t.match(error, { name: 'UnreachableError' })
  })
}

t.test('only the connections that a filter takes are closed', async t => {
  const { listener } = await startListener(t, pki, { clientAuth: 'request', serve: httpApp })
  const accepted = async (cert: typeof rogue) => {
    const there = once(listener, 'connection')
    const socket = await dialerTo(t, pki, { cert }).dialer.connect(listener.address)
    await there
    return socket
  }
  const good = await accepted(pki.client)
  const bad = await accepted(rogue)
  bad.resume()
  listener.closeConnections(peer => peer.verdict?.verdict === 'reject')
  await once(bad, 'close')
  good.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  t.match(String((await once(good, 'data'))[0]), 'HTTP/1.1 200 OK')
})

t.test('a kept-alive connection outlives a changed bundle, a new one does not', async t => {
  const { listener, clientCa } = await startListener(t, pki, { serve: httpApp })
  const kept = await dialerTo(t, pki).dialer.connect(listener.address)
  const ask = async () => {
    kept.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    return String((await once(kept, 'data'))[0])
  }
  const url = `https://127.0.0.1:${listener.address.port}/`
  t.match(await ask(), 'HTTP/1.1 200 OK')
  clientCa.set(pki.other.cert)
  t.match(await ask(), 'HTTP/1.1 200 OK', 'as in Go')
  t.match(await request(url, { dispatcher: dialerTo(t, pki).dialer.agent }).catch(e => e), {
    message: /unknown certificate authority/,
  })
  const { statusCode, body } = await request(url, { dispatcher: dialerTo(t, pki, { cert: rogue }).dialer.agent })
  t.equal(statusCode, 200, 'and the new bundle holds')
  await body.dump()
})

t.test('a certificate that expires while its verdict is remembered is refused at once', async t => {
  const clock = { now: () => new Date(Date.now() + offset) }
  let offset = 0
  const { listener, records } = await startListener(t, pki, { clock, serve: httpApp })
  const { dialer } = dialerTo(t, pki)
  await dialer.connect(listener.address)
  offset = 366 * day
  await dialer.connect(listener.address).catch(() => {})
  t.match(await records.find(record => record.outcome === 'refused'), { reason: 'expired' })
})

t.test('a new identity is served from the next handshake on', async t => {
  const { listener, identity } = await startListener(t, pki, { serve: httpApp })
  const { dialer, records } = dialerTo(t, pki)
  await dialer.connect(listener.address)
  const renewed = pki.ca.issue('renewed', { ip: ['127.0.0.1'] })
  identity.set(renewed.cert, renewed.key)
  await dialer.connect(listener.address)
  t.match(records.records, [{ peer: [{ subject: 'CN=server' }] }, { peer: [{ subject: 'CN=renewed' }] }])
})

t.test('by SNI another certificate is served, with a wildcard for one label', async t => {
  const [one, wild] = [
    pki.ca.issue('one', { dnsNames: ['one.example'] }),
    pki.ca.issue('wild', { dnsNames: ['*.wild.example'] }),
  ]
  const { listener, records } = await startListener(t, pki, {
    sni: [
      { names: ['one.example'], identity: memoryIdentity(one.cert, one.key) },
      { names: ['*.wild.example'], identity: memoryIdentity(wild.cert, wild.key) },
    ],
    serve: httpApp,
  })
  const subjectFor = async (servername: string) => {
    const { dialer, records } = dialerTo(t, pki, { servername })
    await dialer.connect(listener.address).catch(() => {})
    return records.records[0]?.peer?.[0]?.subject
  }
  t.equal(await subjectFor('one.example'), 'CN=one')
  t.equal(await subjectFor('a.wild.example'), 'CN=wild')
  t.equal(await subjectFor('a.b.wild.example'), 'CN=server')
  t.equal(await subjectFor('127.0.0.1'), 'CN=server')
  t.match(records.records[0], { name: 'one.example' })
})

t.test('which certificate it is for a name follows Go', async t => {
  const issue = (name: string, options: IssueOptions) => {
    const { cert, key } = pki.ca.issue(name, options)
    return memoryIdentity(cert, key)
  }
  const changing = issue('own.example', { dnsNames: ['a.example'] })
  const { listener } = await startListener(t, pki, {
    sni: [
      { identity: changing },
      { identity: issue('shadowed', { dnsNames: ['a.example', '*.other.example', 'given.example'] }) },
      { names: ['given.example', '*.a.example'], identity: issue('given', { dnsNames: ['hidden.example'] }) },
      { names: ['*'], identity: issue('any', {}) },
      { names: ['127.0.0.1'], identity: issue('address', { ip: ['127.0.0.1'] }) },
    ],
  })
  const servedFor = async (servername: string) => {
    const { dialer, records } = dialerTo(t, pki, { servername })
    await dialer.connect(listener.address).catch(() => {})
    return records.records[0]?.peer?.[0]?.subject
  }
  const rows: [servername: string, served: string, why: string][] = [
    ['a.example', 'CN=own.example', 'the first of two with the same name in the certificate'],
    ['own.example', 'CN=own.example', 'the CN counts'],
    ['GIVEN.example', 'CN=given', 'names of the flag before names in certificates, upper or lower case'],
    ['b.other.example', 'CN=shadowed', 'a wildcard in the certificate'],
    ['b.a.example', 'CN=given', 'a wildcard of the flag'],
    ['hidden.example', 'CN=given', 'a certificate that is good for it, though the flag has other names'],
    ['localhost', 'CN=any', 'one label under a bare star, before the default that is good for it'],
    ['nobody.example', 'CN=server', 'the default'],
    ['127.0.0.1', 'CN=address', 'no name is sent, and that address was dialled'],
  ]
  for (const [servername, served, why] of rows) t.equal(await servedFor(servername), served, `${servername}: ${why}`)
  const renewed = pki.ca.issue('renewed', { dnsNames: ['new.example'] })
  changing.set(renewed.cert, renewed.key)
  t.equal(await servedFor('new.example'), 'CN=renewed')
  t.equal(await servedFor('a.example'), 'CN=shadowed', 'the name that it had is free for the next')
})

t.test('a revoked serial is refused after the handshake, without an alert', async t => {
  const revoked = pki.ca.issue('revoked', { serialNumber: 0x03e9n })
  const { listener, records } = await startListener(t, pki, {
    crl: () => ({ has: serial => serial === 0x03e9n }),
    serve: httpApp,
  })
  const { dialer } = dialerTo(t, pki, { cert: revoked })
  const error = await request(`https://127.0.0.1:${listener.address.port}/`, { dispatcher: dialer.agent }).catch(e => e)
  t.match(error, { name: 'RefusedError', message: 'EOF' })
  t.match(records.records, [
    { outcome: 'refused', reason: 'revoked', message: 'transport: certificate serial 03e9 revoked' },
  ])
  t.equal(records.records[0]?.alert, undefined)
})

t.test('sessions are not resumed by a Node client that would', async t => {
  const { listener, records } = await startListener(t, pki, { serve: httpApp })
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    let session: Buffer | undefined
    for (let i = 0; i < 2; i++) {
      const socket = tlsConnect({
        ...listener.address,
        ca: pki.ca.cert,
        cert: pki.client.cert,
        key: pki.client.key,
        maxVersion,
        ...(session ? { session } : {}),
      })
      socket.on('session', given => {
        session = given
      })
      await once(socket, 'secureConnect')
      t.notOk(socket.isSessionReused())
      session ??= socket.getSession()
      socket.end('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
      socket.resume()
      await once(socket, 'close')
    }
  }
  t.notOk(records.records.some(record => record.tls?.resumed))
})

t.test('an identity that cannot be loaded any more is an internal error, as in etcd', async t => {
  const broken = memoryIdentity(pki.server.cert, pki.server.key)
  const identity = {
    ...broken,
    current: () => {
      throw new Error('tls: private key does not match public key')
    },
  }
  const { listener, records } = await startListener(t, pki, { identity, serve: httpApp })
  const { dialer } = dialerTo(t, pki)
  t.match(await dialer.connect(listener.address).catch(e => e), {
    message: 'remote error: tls: internal error',
    alert: { code: 80 },
  })
  t.match(records.records, [
    { outcome: 'refused', refusedBy: 'server', message: 'tls: private key does not match public key' },
  ])
})

t.test('what is no handshake ends, and the listener goes on', async t => {
  const { listener, records } = await startListener(t, pki, { handshakeTimeoutMs: 300, serve: httpApp })
  const refusals: Refusal[] = []
  listener.on('refused', refusal => refusals.push(refusal))
  const hello = Buffer.from('16030102000100', 'hex')
  const attempts: [string, (Buffer | string)[], RegExp][] = [
    ['nothing', [], /i\/o timeout/],
    ['one byte', [Buffer.from([0x16])], /i\/o timeout/],
    ['a ClientHello that never ends', [hello], /i\/o timeout/],
    ['a record longer than any', [Buffer.from('160301ffff01', 'hex')], /oversized|too long|length/i],
    ['garbage', [Buffer.from('garbage garbage garbage')], /first record does not look like a TLS handshake/],
    ['an alert', [Buffer.from('15030100020228', 'hex')], /remote error: tls: handshake failure|EOF|alert/],
    ['a ClientHello of zeros', [Buffer.concat([Buffer.from('1603010100010000fc', 'hex'), Buffer.alloc(252)])], /./],
  ]
  for (const [name, writes, message] of attempts) {
    const told = once(listener, 'refused')
    const socket = connectTcp(listener.address)
    socket.on('error', () => {})
    socket.resume()
    for (const data of writes) socket.write(data)
    const [refusal] = await told
    t.match(refusal.message, message, name)
    await new Promise(resolve => (socket.closed ? resolve(undefined) : socket.once('close', resolve)))
  }
  // gone before anything was said: a port scan
  const told = once(listener, 'refused')
  connectTcp(listener.address).end()
  t.match(await told, [{ message: 'EOF' }])
  t.equal(refusals.length, attempts.length + 1)
  t.ok(records.records.every(record => record.outcome === 'refused'))
  await dialerTo(t, pki).dialer.connect(listener.address)
})
