/**
 * The order of events that our alerts rest on, which Node does not document: seen on the wire, byte by byte.
 * CI runs this on every Node that is supported.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { createSecureContext, TLSSocket, connect as tlsConnect } from 'node:tls'
import t, { type Test } from 'tap'
import { refusalOf } from '#tls/errors.ts'
import { dialerTo, type Issued, startListener, throwawayPki } from './mesh.ts'

const pki = throwawayPki()
const rogue = pki.other.issue('rogue', { ip: ['127.0.0.1'] })

interface Wire {
  port: number
  /** Records (type, length, body) from each end, in order. */
  records(from: 'client' | 'server'): { type: number; body: Buffer }[]
  /** Resolves when `end` has ended, and says how. */
  ended(end: 'client' | 'server'): Promise<'fin' | 'rst'>
}

/** A TCP proxy that keeps what goes through it. */
async function wireTo(t: Test, port: number): Promise<Wire> {
  const bytes = { client: [] as Buffer[], server: [] as Buffer[] }
  const ends = { client: Promise.withResolvers<'fin' | 'rst'>(), server: Promise.withResolvers<'fin' | 'rst'>() }
  const proxy = createServer({ allowHalfOpen: true }, client => {
    const server = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    for (const [name, from, to] of [
      ['client', client, server],
      ['server', server, client],
    ] as const) {
      from.on('data', chunk => {
        bytes[name].push(chunk)
        to.write(chunk)
      })
      from.on('end', () => {
        ends[name].resolve('fin')
        to.end()
      })
      from.on('error', () => {
        ends[name].resolve('rst')
        to.destroy()
      })
    }
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  t.teardown(() => proxy.close())
  return {
    port: (proxy.address() as AddressInfo).port,
    ended: end => ends[end].promise,
    records(from) {
      const all = Buffer.concat(bytes[from])
      const records: { type: number; body: Buffer }[] = []
      for (let at = 0; at < all.length; at += 5 + all.readUInt16BE(at + 3)) {
        records.push({ type: all[at]!, body: all.subarray(at + 5, at + 5 + all.readUInt16BE(at + 3)) })
      }
      return records
    },
  }
}

const suites = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256']

/** A client that is Node's own, with one suite. */
function nodeClient(port: number, cert: Issued | undefined, version: 'TLSv1.2' | 'TLSv1.3', suite?: string) {
  return tlsConnect({
    host: '127.0.0.1',
    port,
    ca: pki.ca.cert,
    ...(cert ? { cert: cert.cert, key: cert.key } : {}),
    minVersion: version,
    maxVersion: version,
    ...(suite ? { ciphers: suite } : {}),
  })
}

for (const suite of suites) {
  t.test(`a TLS 1.3 server's alert is its first sealed record after the handshake (${suite})`, async t => {
    const { listener } = await startListener(t, pki)
    const wire = await wireTo(t, listener.address.port)
    const client = nodeClient(wire.port, rogue, 'TLSv1.3', suite)
    const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException]
    t.match(error.code, /ALERT_UNKNOWN_CA$/, 'it opens under the secret, at sequence number 0')
    t.equal(await wire.ended('server'), 'fin')
    const last = wire.records('server').at(-1)!
    t.equal(last.type, 0x17)
    t.equal(last.body.length, 2 + 1 + 16, 'level, code, type, tag: no session ticket came before or with it')
  })
}

t.test("a TLS 1.2 server's alert is in the clear, and nothing of its last flight is out", async t => {
  const { listener } = await startListener(t, pki)
  const wire = await wireTo(t, listener.address.port)
  const client = nodeClient(wire.port, rogue, 'TLSv1.2')
  const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException]
  t.match(error.code, /ALERT_UNKNOWN_CA$/)
  t.equal(await wire.ended('server'), 'fin')
  const records = wire.records('server')
  t.strictSame(records.at(-1), { type: 0x15, body: Buffer.from([2, 48]) })
  t.notOk(
    records.some(({ type }) => type === 0x14),
    'no ChangeCipherSpec',
  )
})

/** A server that is Node's own, with one suite. */
async function nodeServer(t: Test, options: { ciphers?: string; maxVersion: 'TLSv1.2' | 'TLSv1.3' }) {
  const context = createSecureContext({ cert: rogue.cert, key: rogue.key, ...options })
  const failed = Promise.withResolvers<NodeJS.ErrnoException>()
  const server = createServer(raw => {
    const socket = new TLSSocket(raw, { isServer: true, secureContext: context })
    socket.on('error', failed.resolve)
    socket.on('secure', () => failed.reject(new Error('the handshake went through')))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { port: (server.address() as AddressInfo).port, failed: failed.promise }
}

for (const suite of suites) {
  t.test(`a TLS 1.3 client's alert comes before its Finished (${suite})`, async t => {
    const server = await nodeServer(t, { ciphers: suite, maxVersion: 'TLSv1.3' })
    const wire = await wireTo(t, server.port)
    const { dialer } = dialerTo(t, pki)
    const refusal = await dialer.connect({ host: '127.0.0.1', port: wire.port }).catch(refusalOf)
    t.match(refusal, { reason: 'unknown-authority', alert: { code: 42, direction: 'sent' } })
    t.match((await server.failed).code, /ALERT_BAD_CERTIFICATE$/)
    t.equal(await wire.ended('client'), 'fin')
    const [hello, ...rest] = wire.records('client').filter(({ type }) => type !== 0x14)
    t.equal(hello?.type, 0x16)
    t.strictSame(
      rest.map(({ type, body }) => [type, body.length]),
      [[0x17, 19]],
    )
  })
}

t.test("a TLS 1.2 client's alert is in the clear, before its key exchange and Finished", async t => {
  const server = await nodeServer(t, { maxVersion: 'TLSv1.2' })
  const wire = await wireTo(t, server.port)
  const { dialer } = dialerTo(t, pki)
  const refusal = await dialer.connect({ host: '127.0.0.1', port: wire.port }).catch(refusalOf)
  t.match(refusal, { reason: 'unknown-authority', alert: { code: 42, direction: 'sent' } })
  t.match((await server.failed).code, /ALERT_BAD_CERTIFICATE$/)
  t.equal(await wire.ended('client'), 'fin')
  const [, alert] = wire.records('client')
  t.strictSame(alert, { type: 0x15, body: Buffer.from([2, 42]) })
})
