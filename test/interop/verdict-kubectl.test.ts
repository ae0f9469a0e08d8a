/**
 * Real kubectl (Go 1.24 and newer) judges odd serving certificates, and ours must say the same in the same words.
 * The server here is no TLS server: it sends a TLS 1.2 flight in the clear with any bytes as certificates, which no library would.
 * Go judges the chain before it looks at the key exchange, so a broken one after it tells an accepted chain from a refused one.
 */
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { readBundle } from '#x509/pem.ts'
import { verify } from '#x509/verify.ts'
import { placedMessage } from '#x509/words.ts'
import {
  createAuthority,
  extension,
  type Issued,
  issueCertificate,
  nameConstraints,
  subjectAltName,
} from '../x509/authority.ts'
import { element, ia5, oid, sequence, set } from '../x509/der-writer.ts'
import { mutateStructure } from '../x509/mutate.ts'
import { foldNow } from '../x509/oracle.ts'
import { Random } from '../x509/random.ts'
import { randomCase } from '../x509/random-chains.ts'
import { flight } from './plain-flight.ts'
import { kubectls } from './programs.ts'

interface Presented {
  what: string
  chain: Uint8Array[]
  roots: Issued[]
  name?: string
}

const ca = createAuthority({ commonName: 'ca' })
const loopback = [Buffer.from([127, 0, 0, 1])]
const nameWith = (tag: number, hex: string) => ({
  der: sequence(set(sequence(oid('2.5.4.3'), element(tag, Buffer.from(hex, 'hex'))))),
})

/** Where Go versions and readers of RFC 5280 part. */
function oddOnes(): Presented[] {
  const one = (what: string, spec: Parameters<typeof issueCertificate>[1], name?: string): Presented => ({
    what,
    chain: [issueCertificate(ca, { ipAddresses: loopback, ...spec }).der],
    roots: [ca],
    ...(name ? { name } : {}),
  })
  const below = (what: string, constraints: Uint8Array, spec: Parameters<typeof issueCertificate>[1]): Presented => {
    const mid = createAuthority({ commonName: 'mid', issuer: ca, extensions: [constraints] })
    return { what, chain: [issueCertificate(mid, { ipAddresses: loopback, ...spec }).der, mid.der], roots: [ca] }
  }
  return [
    one('a good one', {}),
    one('a negative serial', { serialNumber: -1n }),
    one('a lone surrogate in a BMPString', { subject: nameWith(0x1e, 'd800') }),
    one('a negative path length', { extensions: [extension('2.5.29.19', true, Buffer.from('30030201ff', 'hex'))] }),
    one('an OID with a padded arc', { extensions: [sequence(Buffer.from('06052a80010203', 'hex'), element(4))] }),
    one('a policy twice', {
      extensions: [extension('2.5.29.32', false, sequence(sequence(oid('1.2.3')), sequence(oid('1.2.3'))))],
    }),
    one('a critical AIA', { extensions: [extension('1.3.6.1.5.5.7.1.1', true, sequence())] }),
    one('a URI with an empty label', { uris: ['http://.foo/'] }),
    one('a bare wildcard', { dnsNames: ['*'] }, 'localhost'),
    one('only names that Go does not know, critical', {
      ipAddresses: [],
      extensions: [extension('2.5.29.17', true, sequence(element(0x88, [0x2a])))],
    }),
    one('a mapped address', { ipAddresses: [Buffer.from('00000000000000000000ffff7f000001', 'hex')] }),
    { ...one('an empty name', {}), chain: [issueCertificate(ca, { extensions: [subjectAltName(ia5(0x82, ''))] }).der] },
    below('a constraint on all', nameConstraints([ia5(0x82, '')]), { dnsNames: ['a.example'] }),
    below('a URI with an IP under constraints', nameConstraints([ia5(0x86, 'example')]), { uris: ['http://1.2.3.4/'] }),
    below('a mailbox that is none', nameConstraints([ia5(0x81, 'example')]), { emailAddresses: ['bad'] }),
    below('an excluded network', nameConstraints([], [element(0x87, Buffer.from('7f000000ff000000', 'hex'))]), {}),
  ]
}

/** Random chains, some of them broken; the same ones each time. */
function randomOnes(count: number): Presented[] {
  const random = new Random(1)
  return Array.from({ length: count }, (_, index) => {
    const { chain, roots, name } = randomCase(random)
    const ders: Uint8Array[] = chain.map(({ der }) => der)
    if (random.chance(0.4)) ders[0] = mutateStructure(ders[0]!, random)
    // a bundle of nothing would mean the system's roots
    const bundle = roots.length > 0 ? roots : [ca]
    return {
      what: `random chain ${index}`,
      chain: ders,
      roots: bundle,
      ...(name?.startsWith('[') ? {} : { name: name ?? '127.0.0.1' }),
    }
  })
}

function ours({ chain, roots, name = '127.0.0.1' }: Presented): string {
  const bundle = readBundle(roots.map(({ pem }) => pem).join(''), 'client-go')
  const verdict = verify({ chain, roots: bundle, usage: 'serverAuth', name, now: new Date() })
  if (verdict.verdict === 'accept') return 'accepted'
  return foldNow(placedMessage(verdict, { end: 'client', voice: 'go1.24' }))
}

// kubectl 1.33 is the first of Go 1.24
const [kubectl] = kubectls().filter(({ minor }) => minor >= 33)
const skip = kubectl ? false : 'no kubectl of 1.33 or newer'

t.test('kubectl and ours judge odd serving certificates alike', { skip }, async t => {
  t.setTimeout(180_000)
  const dir = t.testdir()
  let presented: Presented
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.once('data', () => socket.write(flight(presented.chain)))
  })
  await new Promise<void>(listening => server.listen(0, '127.0.0.1', listening))
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo

  const ask = async (next: Presented): Promise<string> => {
    presented = next
    writeFileSync(join(dir, 'ca.crt'), next.roots.map(({ pem }) => pem).join(''))
    const flags = [`--server=https://127.0.0.1:${port}`, `--certificate-authority=${join(dir, 'ca.crt')}`, '--token=x']
    const name = next.name ? [`--tls-server-name=${next.name}`] : []
    const env = { HOME: dir, KUBECONFIG: join(dir, 'none') }
    const child = spawn(kubectl!.path, ['get', '--raw', '/', ...flags, ...name], {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let stderr = ''
    child.stderr.on('data', chunk => {
      stderr += String(chunk)
    })
    await new Promise(closed => child.on('close', closed))
    const said = foldNow(stderr.trim().replace(/^Unable to connect to the server: /, ''))
    return /ServerKeyExchange/.test(said) ? 'accepted' : said
  }
  for (const one of [...oddOnes(), ...randomOnes(16)]) t.equal(ours(one), await ask(one), one.what)
})
