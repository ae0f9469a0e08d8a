import type { IncomingMessage } from 'node:http'
import { createServer, get as httpsGet } from 'node:https'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { type EndpointOptions, startEndpoint } from '#endpoints/endpoint.ts'
import { certificateFixture, createAuthority } from '#endpoints/fixture.ts'
import { type ProtocolDefect, protocolDefects } from '#endpoints/protocols.ts'
import { dialOnce, pattern } from './dialling.ts'

const authority = await createAuthority()

/** Node's own client, as somebody's suite would use it. */
const get = (url: string, options: object) =>
  new Promise<{ status: number | undefined; body: unknown }>((resolve, reject) => {
    const answered = async (response: IncomingMessage) =>
      resolve({ status: response.statusCode, body: JSON.parse(await text(response)) })
    httpsGet(url, { agent: false, ...options }, response => void answered(response)).on('error', reject)
  })

t.test('a client of today meets each protocol defect with the outcome of the table', async t => {
  for (const row of protocolDefects as readonly ProtocolDefect[]) {
    await using endpoint = await startEndpoint({ protocol: row.name as 'silent', authority })
    // the one that never answers is given up soon; the others have all the time they need
    const patience = row.raw === 'silence' ? { handshakeTimeoutMs: 50 } : {}
    const seen = await dialOnce({ port: endpoint.port, ca: endpoint.ca, ...patience })
    t.match(
      seen,
      {
        outcome: row.outcome,
        ...(row.reason ? { reason: row.reason } : {}),
        ...(row.text ? { message: pattern(row.text) } : {}),
      },
      row.name,
    )
  }
})

t.test("Node's own client refuses an expired one, and takes a good one", async t => {
  await using expired = await startEndpoint({ certificate: 'expired' })
  await t.rejects(get(expired.url, { ca: expired.ca }), { code: 'CERT_HAS_EXPIRED' })
  await using good = await startEndpoint()
  t.match(await get(good.url, { ca: good.ca }), { status: 200, body: { endpoint: 'endpoint', client: null } })
  t.match(good.records, [{ outcome: 'ok', end: 'server', own: { subject: 'CN=good' } }])
})

t.test('where certificates are requested a bad one is 401, none is 403, a good one is known', async t => {
  await using endpoint = await startEndpoint({ clientAuth: 'request' })
  const ask = async (name: 'good' | 'expired' | 'no-certificate') => {
    const { chain: cert, key } = await endpoint.client(name, { commonName: 'jane', organizations: ['dev'] })
    return get(endpoint.url, { ca: endpoint.ca, ...(cert ? { cert, key } : {}) })
  }
  t.match(await ask('good'), { status: 200, body: { client: 'CN=jane,O=dev' } })
  t.match(await ask('expired'), { status: 401, body: { kind: 'Status', reason: 'Unauthorized' } })
  t.match(await ask('no-certificate'), { status: 403, body: { message: /User "system:anonymous"/ } })
  t.match(
    endpoint.records.filter(({ outcome }) => outcome === 'refused'),
    [
      { layer: 'authentication', reason: 'expired', http: { status: 401 } },
      { layer: 'authorization', reason: 'forbidden', http: { status: 403 } },
    ],
  )
})

t.test('where they are required a missing one is refused inside TLS', async t => {
  await using endpoint = await startEndpoint({ clientAuth: 'require' })
  await t.rejects(get(endpoint.url, { ca: endpoint.ca }), { code: /CERTIFICATE_REQUIRED/ })
  t.match(await endpoint.record(), { refusedBy: 'server', reason: 'no-certificate', alert: { code: 116 } })
})

t.test('a fixture serves in a server of your own, too', async t => {
  const { chain: cert, key, ca } = await certificateFixture('wrong-host')
  const server = createServer({ cert, key })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as { port: number }
  await t.rejects(get(`https://127.0.0.1:${port}`, { ca }), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
})

t.test('an endpoint shows a fixture of your own, by its own names', async t => {
  const certificate = await certificateFixture('good', { hosts: ['db.example'], commonName: 'db' })
  await using endpoint = await startEndpoint({ certificate })
  t.equal(endpoint.ca, certificate.ca)
  t.match(await get(endpoint.url, { ca: endpoint.ca, servername: 'db.example' }), { status: 200 })
})

t.test('stopped, it has given its port back; stopping twice is no error', async t => {
  const first = await startEndpoint()
  await first.stop()
  await first.stop()
  await using second = await startEndpoint({ port: first.port })
  t.equal(second.port, first.port)
  await t.rejects(startEndpoint({ port: first.port }), {
    code: 'TP_PORT_IN_USE',
    message: `127.0.0.1:${first.port} is taken`,
  })
})

t.test('words that are none are named, with the nearest that is one', async t => {
  const wrong = (options: object) => startEndpoint(options as EndpointOptions)
  await t.rejects(wrong({ certificate: 'expird' }), { code: 'TP_NAME_UNKNOWN', fix: 'did you mean expired?' })
  await t.rejects(wrong({ certificate: 'no-certificate' }), { code: 'TP_NAME_UNKNOWN' })
  await t.rejects(wrong({ protocol: 'tls-1.4' }), { code: 'TP_NAME_UNKNOWN', fix: /tls-1/ })
  await t.rejects(wrong({ clientAuth: 'always' }), { code: 'TP_USAGE' })
  await t.rejects(certificateFixture('selfsigned' as 'good'), {
    code: 'TP_NAME_UNKNOWN',
    fix: 'did you mean self-signed?',
  })
})
