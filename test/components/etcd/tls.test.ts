import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Agent } from 'undici'
import { component } from '#components/etcd/index.ts'
import { silentLog } from '#log.ts'
import { type CertificateContent, issueCertificate, type Signer } from '#pki/certificates.ts'
import { privateKeyPem } from '#pki/keys.ts'
import { fileBundle, memoryBundle } from '#tls/bundle.ts'
import { createDialer } from '#tls/dial.ts'
import { refusalOf } from '#tls/errors.ts'
import { fileIdentity } from '#tls/identity.ts'
import { b64, speak, type TestContext, testContext } from './harness.ts'

const day = 86_400_000
const newKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey

/** An authority and what it issues, as files: `pki.issue('etcd/server', …)`. */
async function throwawayPki(t: Test) {
  const dir = t.testdir()
  const key = newKey()
  const authority = async (commonName: string, key: KeyObject): Promise<Signer> => ({
    key,
    certificate: await issueCertificate(
      { ...content(commonName), isCa: true, keyUsages: ['keyCertSign', 'cRLSign', 'digitalSignature'] },
      key,
      { self: key },
    ),
  })
  const content = (commonName: string, more: Partial<CertificateContent> = {}): CertificateContent => ({
    subject: { commonName, organizations: [] },
    notBefore: new Date(Date.now() - day),
    notAfter: new Date(Date.now() + day),
    keyUsages: ['digitalSignature'],
    ...more,
  })
  const ca = await authority('etcd-ca', key)
  const rogue = await authority('etcd-ca', newKey())
  mkdirSync(join(dir, 'pki'))
  const file = (name: string) => join(dir, 'pki', name)
  writeFileSync(file('ca.crt'), ca.certificate)
  const issue = async (name: string, more: Partial<CertificateContent> = {}, signer = ca) => {
    const key = newKey()
    const certificate = await issueCertificate(
      content(name, {
        extKeyUsages: ['serverAuth', 'clientAuth'],
        dnsNames: ['localhost'],
        ipAddresses: ['127.0.0.1'],
        ...more,
      }),
      key,
      signer,
    )
    writeFileSync(file(`${name}.crt`), certificate)
    writeFileSync(file(`${name}.key`), privateKeyPem(key), { mode: 0o600 })
  }
  await issue('server')
  await issue('peer')
  await issue('client', { extKeyUsages: ['clientAuth'] })
  await issue('stranger', { extKeyUsages: ['clientAuth'] }, rogue)
  return { dir, file, issue, ca, rogue }
}

type Pki = Awaited<ReturnType<typeof throwawayPki>>

async function startEtcd(t: Test, pki: Pki, more: { flags?: string[]; context?: TestContext; server?: string } = {}) {
  const { flags = [], context = testContext(), server = 'server' } = more
  // URL lists do not replace each other
  const has = (name: string) => flags.some(flag => flag.startsWith(`--${name}=`))
  const url = (name: string, value: string) => (has(name) ? [] : [`--${name}=${value}`])
  const running = await component.start(
    [
      ...url('listen-client-urls', 'https://127.0.0.1:0'),
      ...url('advertise-client-urls', 'https://127.0.0.1:2379'),
      ...url('listen-peer-urls', 'https://127.0.0.1:0'),
      ...url('initial-advertise-peer-urls', 'https://127.0.0.1:2380'),
      ...url('initial-cluster', 'default=https://127.0.0.1:2380'),
      `--cert-file=${pki.file(`${server}.crt`)}`,
      `--key-file=${pki.file(`${server}.key`)}`,
      '--client-cert-auth',
      `--trusted-ca-file=${pki.file('ca.crt')}`,
      `--peer-cert-file=${pki.file('peer.crt')}`,
      `--peer-key-file=${pki.file('peer.key')}`,
      '--peer-client-cert-auth',
      `--peer-trusted-ca-file=${pki.file('ca.crt')}`,
      ...flags,
    ],
    context,
  )
  t.teardown(() => running.stop())
  return { ...running, context }
}

/** A client of a port, with a certificate of the PKI or none. */
function client(t: Test, pki: Pki, port: number, name?: string) {
  const context = testContext()
  const dialer = createDialer({
    ...context,
    log: silentLog,
    component: 'kube-apiserver',
    from: 'kube-apiserver',
    to: 'etcd',
    roots: fileBundle({ file: pki.file('ca.crt'), reader: 'client-go', reload: 'start', log: silentLog }),
    ...(name
      ? {
          identity: fileIdentity({
            certFile: pki.file(`${name}.crt`),
            keyFile: pki.file(`${name}.key`),
            reload: 'start',
            log: silentLog,
          }),
        }
      : {}),
  })
  t.teardown(() => dialer.close())
  return { ...speak(`https://127.0.0.1:${port}`, dialer.agent as Agent), records: context.records, dialer }
}

const range = ['/v3/kv/range', { key: b64('a') }] as const
const rejected = ({ lines }: TestContext) =>
  lines
    .filter(({ message }) => message.startsWith('rejected connection'))
    .map(({ message, fields }) => [message, fields.error])

t.test(
  'a client that verifies is served; who does not is refused inside TLS, logged and recorded at both ends',
  async t => {
    const pki = await throwawayPki(t)
    const { addresses, context } = await startEtcd(t, pki)
    const { port } = addresses.client!
    t.match(await client(t, pki, port, 'client').post(...range), { status: 200 })

    for (const [name, message, alert] of [
      [undefined, "tls: client didn't provide a certificate", 116],
      ['stranger', /^tls: failed to verify certificate: x509: certificate signed by unknown authority/, 48],
    ] as const) {
      const { post, records } = client(t, pki, port, name)
      const error = await post(...range).then(
        () => undefined,
        thrown => refusalOf(thrown),
      )
      t.match(error, { refusedBy: 'server', alert: { code: alert, direction: 'received' } })
      const theirs = context.records.records.find(record => record.handshake === records.records[0]!.handshake)
      t.match(theirs, {
        to: 'etcd',
        end: 'server',
        outcome: 'refused',
        refusedBy: 'server',
        layer: 'tls',
        message,
        alert: { code: alert, direction: 'sent' },
      })
      t.match(rejected(context).at(-1), ['rejected connection on client endpoint', message])
    }
    t.match(await client(t, pki, port, 'client').post(...range), { status: 200 }, 'it goes on serving')
  },
)

t.test('a serving certificate that is no client certificate takes the gateway down, and only that', async t => {
  const pki = await throwawayPki(t)
  await pki.issue('server-only', { extKeyUsages: ['serverAuth'] })
  for (const [voice, message, words] of [
    ['go1.19', 'rejected connection', 'connection closed'],
    [
      'go1.24',
      'rejected connection on client endpoint',
      /^connection error: desc = "error reading server preface: remote error: tls: bad certificate"$/,
    ],
  ] as const) {
    const { addresses, context } = await startEtcd(t, pki, { server: 'server-only', context: testContext(voice) })
    const { post, get } = client(t, pki, addresses.client!.port, 'client')
    t.match(await post(...range), { status: 503, json: { code: 14, message: words } }, voice)
    t.match(await get('/health'), { status: 200, json: { health: 'true' } })
    t.match(rejected(context)[0], [message, /x509: certificate specifies an incompatible key usage/])
    const gateway = context.records.records.filter(({ from }) => from === 'etcd-gateway')
    t.match(gateway.at(-1), { to: 'etcd', outcome: 'refused', refusedBy: 'server' })
  }
})

t.test('--client-cert-file is what the gateway dials with', async t => {
  const pki = await throwawayPki(t)
  await pki.issue('server-only', { extKeyUsages: ['serverAuth'] })
  const flags = [`--client-cert-file=${pki.file('client.crt')}`, `--client-key-file=${pki.file('client.key')}`]
  const { addresses } = await startEtcd(t, pki, { server: 'server-only', flags })
  t.match(await client(t, pki, addresses.client!.port, 'client').post(...range), { status: 200 })
})

t.test('a changed serving certificate is served from the next handshake on, a changed CA is not read', async t => {
  const pki = await throwawayPki(t)
  const { addresses } = await startEtcd(t, pki)
  const { port } = addresses.client!
  const served = async () => {
    const one = client(t, pki, port, 'client')
    await one.post(...range)
    return one.records.records[0]!.peer![0]!.serial
  }
  const first = await served()
  await pki.issue('server')
  t.not(await served(), first)
  writeFileSync(pki.file('ca.crt'), pki.rogue.certificate + pki.ca.certificate)
  const error = await client(t, pki, port, 'stranger')
    .post(...range)
    .catch(thrown => refusalOf(thrown))
  t.match(error, { refusedBy: 'server' })
})

t.test('a revoked serial is cut off after the handshake, and the list is read again when it changes', async t => {
  const pki = await throwawayPki(t)
  await pki.issue('revoked', { extKeyUsages: ['clientAuth'], serialNumber: '03e9' })
  const crlFile = pki.file('crl.pem')
  writeFileSync(crlFile, await emptyOrNot([], pki))
  const { addresses, context } = await startEtcd(t, pki, { flags: [`--client-crl-file=${crlFile}`] })
  const { port } = addresses.client!
  t.match(await client(t, pki, port, 'revoked').post(...range), { status: 200 })
  writeFileSync(crlFile, await emptyOrNot(['03e9'], pki))
  await t.rejects(client(t, pki, port, 'revoked').post(...range))
  t.match(rejected(context).at(-1), [String, 'transport: certificate serial 03e9 revoked'])
  t.match(await client(t, pki, port, 'client').post(...range), { status: 200 })
})

async function emptyOrNot(serials: string[], pki: Pki): Promise<Buffer> {
  await import('reflect-metadata')
  const x509 = await import('@peculiar/x509')
  const key = createPrivateKey(privateKeyPem(pki.ca.key as KeyObject))
  const signingKey = await crypto.subtle.importKey(
    'pkcs8',
    key.export({ format: 'der', type: 'pkcs8' }),
    { name: 'ECDSA', namedCurve: 'P-256' },
    false,
    ['sign'],
  )
  const crl = await x509.X509CrlGenerator.create({
    issuer: 'CN=etcd-ca',
    thisUpdate: new Date(),
    entries: serials.map(serialNumber => ({ serialNumber, revocationDate: new Date() })),
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    signingKey,
  })
  return Buffer.from(crl.rawData)
}

t.test('members dial each other over peer TLS, and say who is there', async t => {
  const pki = await throwawayPki(t)
  const ports = await Promise.all([freePort(), freePort()])
  const url = (i: number) => `https://127.0.0.1:${ports[i]}`
  const flags = (i: number) => [
    `--name=m${i}`,
    `--listen-peer-urls=${url(i)}`,
    `--initial-advertise-peer-urls=${url(i)}`,
    `--initial-cluster=m0=${url(0)},m1=${url(1)}`,
    `--advertise-client-urls=https://127.0.0.1:${4000 + i}`,
  ]
  const [first, second] = await Promise.all([
    startEtcd(t, pki, { flags: flags(0) }),
    startEtcd(t, pki, { flags: flags(1) }),
  ])
  const met = (context: TestContext, end: string) =>
    context.records.find(record => record.to === 'etcd-peer' && record.end === end && record.outcome === 'ok')
  t.match(await met(second.context, 'client'), { from: 'etcd-peer' })
  await met(first.context, 'server')
  const one = client(t, pki, second.addresses.client!.port, 'client')
  let members: { name: string; clientURLs?: string[] }[] = []
  while (!members.every(({ clientURLs }) => clientURLs) || members.length === 0) {
    members = (await one.post('/v3/cluster/member/list', {})).json.members
  }
  t.match(
    members.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    [
      { name: 'm0', peerURLs: [url(0)], clientURLs: ['https://127.0.0.1:4000'] },
      { name: 'm1', peerURLs: [url(1)], clientURLs: ['https://127.0.0.1:4001'] },
    ],
  )
  t.match(await one.post(...range), { status: 200 }, 'whoever leads')
  const peer = client(t, pki, ports[0]!, 'peer')
  t.match(await peer.get('/raft/probing'), { json: { OK: true } })
  t.match(await peer.get('/version'), { status: 200 })
})

for (const { name, flags, presented, words } of [
  {
    name: 'another CN than --peer-cert-allowed-cn',
    flags: ['--peer-cert-allowed-cn=somebody'],
    presented: {},
    words: 'client certificate authentication failed',
  },
  {
    name: 'an IP that it does not come from',
    flags: [],
    presented: { dnsNames: [], ipAddresses: ['192.0.2.1'] },
    words: 'x509: certificate is valid for 192.0.2.1, not 127.0.0.1',
  },
] as const) {
  t.test(`a peer with ${name} is refused`, async t => {
    const pki = await throwawayPki(t)
    await pki.issue('odd', presented)
    const { addresses, context } = await startEtcd(t, pki, { flags: [...flags] })
    await t.rejects(client(t, pki, addresses.peer!.port, 'odd').get('/version'))
    t.strictSame(rejected(context).at(-1), ['rejected connection on peer endpoint', words])
    const record = await context.records.find(({ to, outcome }) => to === 'etcd-peer' && outcome === 'refused')
    t.match(record, { refusedBy: 'server', reason: 'name-mismatch', message: words })
  })
}

t.test('--auto-tls makes a certificate and asks clients for none', async t => {
  const context = testContext()
  const running = await component.start(
    [
      '--listen-client-urls=https://127.0.0.1:0',
      '--advertise-client-urls=https://127.0.0.1:2379',
      '--listen-peer-urls=http://127.0.0.1:0',
      '--auto-tls',
    ],
    context,
  )
  t.teardown(() => running.stop())
  const dialer = createDialer({
    ...context,
    component: 'test',
    from: 'test',
    to: 'etcd',
    roots: memoryBundle([]),
    insecureSkipVerify: true,
  })
  t.teardown(() => dialer.close())
  const { post } = speak(`https://127.0.0.1:${running.addresses.client!.port}`, dialer.agent as Agent)
  t.match(await post(...range), { status: 200 })
})

// What real etcd says when it cannot start (measured on 3.4.23 and 3.5).
const pair = (cert: string, key: string) => (pki: Pki) => [
  `--cert-file=${pki.file(cert)}`,
  `--key-file=${pki.file(key)}`,
]
const startups: readonly { name: string; flags(pki: Pki): string[]; message: string | RegExp }[] = [
  {
    name: "another certificate's key",
    flags: pair('server.crt', 'peer.key'),
    message: 'listener failed: tls: private key does not match public key',
  },
  {
    name: 'certificate and key switched',
    flags: pair('server.key', 'server.crt'),
    message:
      'listener failed: tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched',
  },
  {
    name: 'an empty key file',
    flags: pair('server.crt', 'empty'),
    message: 'listener failed: tls: failed to find any PEM data in key input',
  },
  {
    name: 'no certificate file',
    flags: pair('nowhere.crt', 'server.key'),
    message: /^listener failed: open .*nowhere\.crt: no such file or directory$/,
  },
  {
    name: 'a key where the CA belongs',
    flags: pki => [`--trusted-ca-file=${pki.file('server.key')}`],
    message: 'listener failed: x509: malformed tbs certificate',
  },
  {
    name: 'no key for https',
    flags: () => ['--cert-file=', '--key-file='],
    message:
      'TLS key/cert (--cert-file, --key-file) must be provided for client url https://127.0.0.1:0 with HTTPS scheme',
  },
  {
    name: 'half a pair',
    flags: pki => [`--cert-file=${pki.file('server.crt')}`, '--key-file='],
    message: /^listener failed: KeyFile and CertFile must both be present\[key: , cert: .*server\.crt\]$/,
  },
  {
    name: 'a cipher suite unknown to Go',
    flags: () => ['--cipher-suites=FOO'],
    message: /unexpected TLS cipher suite "FOO"/,
  },
  {
    name: 'a host name to listen on',
    flags: () => ['--listen-client-urls=https://x.example:1'],
    message: /expected IP in URL for binding/,
  },
  {
    name: 'a URL without a port',
    flags: () => ['--listen-client-urls=https://127.0.0.1'],
    message: /does not have the form "host:port"/,
  },
  {
    name: 'a name that is not in the cluster',
    flags: () => ['--name=zz'],
    message: /couldn't find local name "zz" in the initial cluster configuration/,
  },
  { name: 'an unknown flag', flags: () => ['--trusted-ca-fil=x'], message: /unknown flag: --trusted-ca-fil/ },
]
t.test('files and flags that etcd does not start with stop ours, in its words', async t => {
  const pki = await throwawayPki(t)
  writeFileSync(pki.file('empty'), '')
  for (const { name, flags, message } of startups) {
    await t.rejects(startEtcd(t, pki, { flags: flags(pki) }), { message }, name)
  }
  // what it loads, ours loads: an expired certificate, a chain after it that is none, text around the key
  await pki.issue('expired', { notAfter: new Date(Date.now() - day / 2) })
  writeFileSync(pki.file('expired.key'), `some text\n${readFileSync(pki.file('expired.key'), 'utf8')}and more`)
  await t.resolves(startEtcd(t, pki, { server: 'expired' }))
})

t.test('a port that is taken is an error that says so', async t => {
  const pki = await throwawayPki(t)
  const { addresses } = await startEtcd(t, pki)
  await t.rejects(startEtcd(t, pki, { flags: [`--listen-client-urls=https://127.0.0.1:${addresses.client!.port}`] }), {
    code: 'EADDRINUSE',
  })
})

async function freePort(): Promise<number> {
  const { createServer } = await import('node:net')
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  return port
}
