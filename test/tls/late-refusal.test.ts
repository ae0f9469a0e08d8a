import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { createSecureContext, TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { request } from 'undici'
import { refusalOf } from '#tls/errors.ts'
import { dialerTo, httpApp, startListener, throwawayPki } from './mesh.ts'

const pki = throwawayPki()
const rogue = pki.other.issue('rogue')

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  )

for (const http2 of [false, true]) {
  const alpn = http2 ? ['h2'] : ['http/1.1']
  t.test(`an alert after our handshake is the error of every request in flight (${alpn})`, async t => {
    const { listener } = await startListener(t, pki, { serve: httpApp })
    const { dialer, records } = dialerTo(t, pki, { cert: rogue, alpn })
    const url = `https://127.0.0.1:${listener.address.port}/`
    const errors = await Promise.all([1, 2, 3].map(() => failure(request(url, { dispatcher: dialer.agent }))))
    for (const error of errors) {
      t.match(refusalOf(error), {
        refusedBy: 'server',
        layer: 'tls',
        reason: 'unknown-authority',
        message: 'remote error: tls: unknown certificate authority',
        alert: { code: 48, name: 'unknown_ca', direction: 'received' },
      })
    }
    const byHandshake = Map.groupBy(records.records, record => record.handshake)
    for (const seen of byHandshake.values()) {
      t.strictSame(
        seen.map(({ outcome }) => outcome),
        ['ok', 'refused'],
        'our side was done, and then superseded',
      )
    }
  })

  t.test(`a close before the first byte of an answer is a refusal without a reason (${alpn})`, async t => {
    const port = await closingServer(t, alpn)
    const { dialer, records } = dialerTo(t, pki, { alpn })
    const error = await failure(request(`https://127.0.0.1:${port}/`, { dispatcher: dialer.agent }))
    t.match(refusalOf(error), { refusedBy: 'server', layer: 'tls', message: 'EOF' })
    t.equal(refusalOf(error)?.reason, undefined)
    t.match(records.records.at(-1), { outcome: 'refused', message: 'EOF' })
  })
}

t.test('a connection that was answered and then closed is no refusal', async t => {
  const { listener } = await startListener(t, pki, { serve: httpApp })
  const { dialer, records } = dialerTo(t, pki)
  const socket = await dialer.connect(listener.address)
  socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  socket.resume()
  await once(socket, 'close')
  t.strictSame(
    records.records.map(({ outcome }) => outcome),
    ['ok'],
  )
})

t.test('a connection that nobody used and the server closed is no refusal', async t => {
  const { listener } = await startListener(t, pki, { serve: httpApp })
  const { dialer, records } = dialerTo(t, pki)
  const accepted = once(listener, 'connection')
  const socket = await dialer.connect(listener.address)
  socket.resume()
  await accepted
  listener.closeConnections()
  await once(socket, 'close')
  t.strictSame(
    records.records.map(({ outcome }) => outcome),
    ['ok'],
  )
})

t.test('what connect() gave away hears of the refusal, too', async t => {
  const { listener } = await startListener(t, pki, { serve: httpApp })
  const { dialer } = dialerTo(t, pki, { cert: rogue })
  const socket = await dialer.connect(listener.address)
  socket.resume()
  const [error] = await once(socket, 'error')
  t.match(refusalOf(error), { alert: { code: 48 } })
})

/** Finishes the handshake and closes at the first byte, as etcd does with a revoked certificate. */
async function closingServer(t: Test, alpn: string[]): Promise<number> {
  const context = createSecureContext({ cert: pki.server.cert, key: pki.server.key })
  const server = createServer(raw => {
    const socket = new TLSSocket(raw, { isServer: true, secureContext: context, ALPNProtocols: alpn })
    socket.on('error', () => {})
    socket.on('data', () => socket.end())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}
