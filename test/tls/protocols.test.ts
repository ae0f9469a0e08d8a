/** What Go offers and takes, against OpenSSL ends that offer and take one thing only (oracle: the cases of layer `handshake`). */
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { createSecureContext, type SecureContextOptions, TLSSocket, connect as tlsConnect } from 'node:tls'
import t, { type Test } from 'tap'
import { refusalOf } from '#tls/errors.ts'
import { groups, opensslCiphers, unknownCipherSuites } from '#tls/suites.ts'
import type { Voice } from '#x509/types.ts'
import { dialerTo, type Issued, startListener, throwawayPki } from './mesh.ts'

const pki = throwawayPki()
const voices = ['go1.24', 'go1.19'] as const
const rsa = (modulusLength: number) => generateKeyPairSync('rsa', { modulusLength })
const rsaServer = pki.ca.issue('rsa', { ip: ['127.0.0.1'], keys: rsa(2048) })
const hasMlkem = groups('go1.24').includes('MLKEM')

/** An OpenSSL server with these settings and nothing else; says whether a handshake went through. */
async function opensslServer(t: Test, cert: Issued, options: SecureContextOptions) {
  const context = createSecureContext({ ...cert, ciphers: 'ALL:@SECLEVEL=0', ...options })
  const server = createServer(raw => {
    const socket = new TLSSocket(raw, { isServer: true, secureContext: context })
    socket.on('error', () => {})
    socket.on('secure', () => socket.end())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return server.address() as AddressInfo
}

const both = { 'go1.24': true, 'go1.19': true }
const neither = { 'go1.24': false, 'go1.19': false }
const tls12 = { maxVersion: 'TLSv1.2' } as const
const servers: {
  name: string
  cert?: Issued
  options: SecureContextOptions
  accepted: Record<Voice, boolean>
  skip?: boolean
}[] = [
  { name: 'TLS 1.2 at most', options: tls12, accepted: both },
  { name: 'TLS 1.3 at least', options: { minVersion: 'TLSv1.3' }, accepted: both },
  { name: 'TLS 1.1 at most', options: { minVersion: 'TLSv1', maxVersion: 'TLSv1.1' }, accepted: neither },
  { name: 'CBC with SHA-1', options: { ...tls12, ciphers: 'ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0' }, accepted: both },
  {
    name: 'CBC with SHA-256',
    options: { ...tls12, ciphers: 'ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0' },
    accepted: neither,
  },
  {
    name: 'CBC with SHA-384',
    options: { ...tls12, ciphers: 'ECDHE-ECDSA-AES256-SHA384:@SECLEVEL=0' },
    accepted: neither,
  },
  {
    name: 'DHE',
    cert: rsaServer,
    options: { ...tls12, ciphers: 'DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0', dhparam: 'auto' },
    accepted: neither,
  },
  {
    name: 'static RSA',
    cert: rsaServer,
    options: { ...tls12, ciphers: 'AES128-GCM-SHA256:@SECLEVEL=0' },
    accepted: { 'go1.24': false, 'go1.19': true },
  },
  { name: 'X448', options: { ecdhCurve: 'X448' }, accepted: neither },
  { name: 'X25519', options: { ecdhCurve: 'X25519' }, accepted: both },
  { name: 'P-521', options: { ecdhCurve: 'P-521' }, accepted: both },
  {
    name: 'X25519MLKEM768',
    options: { ecdhCurve: hasMlkem ? 'X25519MLKEM768' : 'X25519' },
    accepted: { 'go1.24': true, 'go1.19': false },
    skip: !hasMlkem,
  },
  { name: 'RSA signatures with SHA-1', cert: rsaServer, options: { ...tls12, sigalgs: 'RSA+SHA1' }, accepted: both },
]
for (const { name, cert = pki.server, options, accepted, skip = false } of servers) {
  t.test(`a server that speaks only ${name}`, { skip }, async t => {
    for (const voice of voices) {
      const { port } = await opensslServer(t, cert, options)
      const { dialer } = dialerTo(t, pki, { voice })
      const error = await dialer.connect({ host: '127.0.0.1', port }).then(
        () => undefined,
        (e: unknown) => e,
      )
      if (accepted[voice]) t.equal(error, undefined, voice)
      else
        t.match(
          refusalOf(error)?.message,
          /^remote error: tls: (handshake failure|protocol version not supported)$/,
          voice,
        )
    }
  })
}

// one certificate for every name that is asked for here: what the server knows nothing of is the SNI
const served = pki.ca.issue('server', { dnsNames: ['localhost', 'nobody.example'], ip: ['127.0.0.1'] })

/** A client of OpenSSL, to a listener that requires certificates; what our end recorded. */
async function clientRecord(t: Test, voice: Voice, options: SecureContextOptions & { ALPNProtocols?: string[] }) {
  const { listener, records } = await startListener(t, pki, { voice, cert: served })
  listener.on('connection', socket => socket.end())
  const client = tlsConnect({ ...listener.address, ca: pki.ca.cert, ...options })
  client.on('error', () => {})
  client.resume()
  const [record] = await Promise.all([records.find(() => true), new Promise(resolve => client.once('close', resolve))])
  return record
}

const ownCert = (issued: Issued): SecureContextOptions => ({ ...issued, ciphers: 'DEFAULT:@SECLEVEL=0' })

for (const namedCurve of ['secp224r1', 'secp256k1'] as const) {
  t.test(`a client whose key Go's signature schemes leave out (${namedCurve}) presents nothing`, async t => {
    const cert = pki.ca.issue('odd', { keys: generateKeyPairSync('ec', { namedCurve }) })
    for (const voice of voices) {
      t.match(await clientRecord(t, voice, ownCert(cert)), {
        reason: 'no-certificate',
        message: "tls: client didn't provide a certificate",
        alert: { code: voice === 'go1.24' ? 116 : 42 },
      })
    }
  })
}

t.test('a client key of 512 bits signs TLS 1.2, and Go 1.24 verifies no such signature', async t => {
  const cert = pki.ca.issue('weak', { keys: rsa(512) })
  const options = { ...ownCert(cert), ...tls12, sigalgs: 'RSA+SHA256:ECDSA+SHA256' }
  t.match(await clientRecord(t, 'go1.24', options), {
    outcome: 'refused',
    reason: 'weak-key',
    message: /^tls: invalid signature by the client certificate: crypto\/rsa: 512-bit keys are insecure/,
    alert: { code: 51 },
  })
  t.match(await clientRecord(t, 'go1.19', options), { outcome: 'ok' })
})

t.test('a client with RSA-1024 or Ed25519 is taken', async t => {
  for (const keys of [rsa(1024), generateKeyPairSync('ed25519')]) {
    const cert = pki.ca.issue('client', { keys })
    for (const voice of voices) t.match(await clientRecord(t, voice, ownCert(cert)), { outcome: 'ok' })
  }
})

const good = ownCert(pki.client)
const refusedHellos: [string, SecureContextOptions & { ALPNProtocols?: string[] }, Record<Voice, string>, number][] = [
  [
    'TLS 1.0',
    { minVersion: 'TLSv1', maxVersion: 'TLSv1' },
    same('tls: client offered only unsupported versions: [301]'),
    70,
  ],
  [
    'TLS 1.1',
    { minVersion: 'TLSv1', maxVersion: 'TLSv1.1' },
    same('tls: client offered only unsupported versions: [302 301]'),
    70,
  ],
  [
    'another suite',
    { ...tls12, ciphers: 'ECDHE-ECDSA-AES256-SHA384' },
    same('tls: no cipher suite supported by both client and server'),
    40,
  ],
  [
    'another group',
    { ecdhCurve: 'X448' },
    {
      'go1.24': 'tls: no key exchanges supported by both client and server',
      'go1.19': 'tls: no ECDHE curve supported by both client and server',
    },
    40,
  ],
  [
    'another protocol',
    { ALPNProtocols: ['foo'] },
    same('tls: client requested unsupported application protocols ([foo])'),
    120,
  ],
]
function same(words: string): Record<Voice, string> {
  return { 'go1.24': words, 'go1.19': words }
}
for (const [name, options, words, code] of refusedHellos) {
  t.test(`a client that offers only ${name}`, async t => {
    for (const voice of voices) {
      t.match(await clientRecord(t, voice, { ...good, ...options }), {
        outcome: 'refused',
        refusedBy: 'server',
        message: words[voice],
        alert: { code, direction: 'sent' },
        handshake: /^[0-9a-f]{64}$/,
      })
    }
  })
}

t.test('the newest group is taken by Go 1.24, and not known to Go 1.19', { skip: !hasMlkem }, async t => {
  t.match(await clientRecord(t, 'go1.24', { ...good, ecdhCurve: 'X25519MLKEM768' }), { outcome: 'ok' })
  t.match(await clientRecord(t, 'go1.19', { ...good, ecdhCurve: 'X25519MLKEM768' }), {
    message: 'tls: no ECDHE curve supported by both client and server',
  })
})

t.test('no ALPN and an unknown SNI are no reason to refuse', async t => {
  for (const voice of voices) {
    t.match(await clientRecord(t, voice, good), { outcome: 'ok' })
    t.match(await clientRecord(t, voice, { ...good, servername: 'nobody.example' } as SecureContextOptions), {
      outcome: 'ok',
      name: 'nobody.example',
    })
  }
})

t.test('cipher suites have the names of Go', async t => {
  t.strictSame(
    unknownCipherSuites(['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 'TLS_AES_128_GCM_SHA256', 'AES128-SHA', 'TLS_NO']),
    ['AES128-SHA', 'TLS_NO'],
  )
  const chosen = opensslCiphers('go1.24', ['TLS_RSA_WITH_AES_128_CBC_SHA256', 'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305'])
  t.equal(chosen.split(':').slice(3).join(), 'ECDHE-RSA-CHACHA20-POLY1305,AES128-SHA256,@SECLEVEL=0')
  for (const voice of voices) t.doesNotThrow(() => createSecureContext({ ciphers: opensslCiphers(voice), ca: [] }))
})
