import { fastify } from 'fastify'
import t from 'tap'
import { request } from 'undici'
import { peerOf } from '#tls/peer.ts'
import { serverFactory } from '#tls/serve.ts'
import { dialerTo, startListener, throwawayPki } from './mesh.ts'

const pki = throwawayPki()

for (const http2 of [false, true]) {
  t.test(`fastify serves on a listener, ${http2 ? 'HTTP/2 by ALPN' : 'HTTP/1.1'}, and knows its peer`, async t => {
    const { listener, records } = await startListener(t, pki, {
      clientAuth: 'require',
      serve(listener) {
        const app = fastify({ serverFactory: serverFactory(listener, { http2: true }), forceCloseConnections: true })
        app.get('/', async req => ({
          version: req.raw.httpVersion,
          subject: peerOf(req.raw.socket).certificates[0]?.subject.toString(),
          verdict: peerOf(req.raw.socket).verdict?.verdict,
        }))
        return app
      },
    })
    const { dialer, records: clientRecords } = dialerTo(t, pki, { alpn: http2 ? ['h2'] : ['http/1.1'] })
    const { statusCode, body } = await request(`https://127.0.0.1:${listener.address.port}/`, {
      dispatcher: dialer.agent,
    })
    t.equal(statusCode, 200)
    t.strictSame(await body.json(), {
      version: http2 ? '2.0' : '1.1',
      subject: 'CN=client',
      verdict: 'accept',
    })
    t.equal(records.records.length, 1)
    t.equal(clientRecords.records.length, 1)
    t.equal(records.records[0]!.handshake, clientRecords.records[0]!.handshake)
    t.match(records.records[0]!.handshake, /^[0-9a-f]{64}$/)
  })
}

t.test('fastify may do the listening, and its close ends the listener', async t => {
  const { listener, app } = await startListener(t, pki, {
    listens: false,
    serve: listener =>
      fastify({ serverFactory: serverFactory(listener, { http2: true }), forceCloseConnections: true }),
  })
  app?.get('/', async () => 'ok')
  const url = await app?.listen({ host: '127.0.0.1', port: 0 })
  t.match(url, `127.0.0.1:${listener.address.port}`)
  const { dialer } = dialerTo(t, pki)
  const { body } = await request(`https://127.0.0.1:${listener.address.port}/`, { dispatcher: dialer.agent })
  t.equal(await body.text(), 'ok')
  await app?.close()
  t.match(
    await dialerTo(t, pki)
      .dialer.connect({ host: '127.0.0.1', port: listener.address.port })
      .catch(e => e),
    {
      name: 'UnreachableError',
    },
  )
})

t.test('a port that is taken is an error of whoever listens', async t => {
  const { listener } = await startListener(t, pki)
  const { listener: second } = await startListener(t, pki, { listens: false, port: listener.address.port })
  await t.rejects(second.listen(), { code: 'EADDRINUSE' } as unknown as Error)
})
