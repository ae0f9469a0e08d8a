/**
 * Where ours and Go's crypto/x509 once parted: the smallest case of each kind that a comparison of 200,000 random certificates with Go 1.19
 * found, with what Go says of it. What differs between the voices was seen of kubectl 1.33 (Go 1.24).
 */
import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { parseCertificate } from '#x509/certificate.ts'
import type { Voice } from '#x509/types.ts'
import { verify } from '#x509/verify.ts'
import {
  algorithmOf,
  createAuthority,
  type Issued,
  issueCertificate,
  nameConstraints,
  nameOf,
  signCertificate,
} from './authority.ts'
import {
  boolean,
  type Der,
  element,
  explicit,
  ia5,
  integer,
  octetString,
  oid,
  sequence,
  set,
  time,
} from './der-writer.ts'

const now = new Date('2026-06-01T00:00:00Z')
const ca = createAuthority({ commonName: 'ca' })

/** `accept`, or Go's words. */
function said(
  voice: Voice,
  chain: readonly Uint8Array[],
  roots: readonly Uint8Array[] = [ca.der],
  name?: string,
): string {
  const verdict = verify({ chain, roots, usage: 'serverAuth', now, voice, ...(name ? { name } : {}) })
  return verdict.verdict === 'accept' ? 'accept' : verdict.message
}

interface Parts {
  version?: Der
  subject?: Der
  key: Der
  isCa?: boolean
}

/** A certificate of parts that no issuing library would put together. */
function assemble(issuer: Issued, { version = explicit(0, integer(2)), subject, key, isCa = false }: Parts): Buffer {
  const constraints = sequence(oid('2.5.29.19'), octetString(sequence(...(isCa ? [boolean(true)] : []))))
  const tbs = sequence(
    version,
    integer(7),
    algorithmOf(issuer.keys.privateKey, 'sha256'),
    issuer.subject,
    sequence(time(new Date('2024-01-01T00:00:00Z')), time(new Date('2044-01-01T00:00:00Z'))),
    subject ?? nameOf({ commonName: 'odd' }),
    key,
    explicit(3, sequence(constraints)),
  )
  return signCertificate(tbs, issuer.keys.privateKey)
}

const spkiOf = ({ keys }: Issued) => keys.publicKey.export({ format: 'der', type: 'spki' })

t.test('a group of an IPv6 address has at most four digits; to Go 1.19 it may have more zeros before them', async t => {
  const leaf = issueCertificate(ca, { ipAddresses: [Buffer.from('00000000000000000000000000000001', 'hex')] })
  for (const name of ['::1', '0000::0001', '[::1]'])
    for (const voice of ['go1.19', 'go1.24'] as const) t.equal(said(voice, [leaf.der], undefined, name), 'accept', name)
  t.equal(said('go1.19', [leaf.der], undefined, '00000::00001'), 'accept')
  t.equal(
    said('go1.24', [leaf.der], undefined, '00000::00001'),
    'x509: certificate is not valid for any names, but wanted to match 00000::00001',
  )
})

t.test('the largest version wraps round to one without extensions, and any other above 3 is refused', async t => {
  const certificate = (version: bigint) => assemble(ca, { version: explicit(0, integer(version)), key: spkiOf(ca) })
  for (const voice of ['go1.19', 'go1.24'] as const) {
    t.equal(said(voice, [certificate(2n ** 63n - 1n)]), 'accept')
    t.equal(parseCertificate(certificate(2n ** 63n - 1n), voice).basicConstraints, undefined)
    t.equal(said(voice, [certificate(2n ** 63n - 2n)]), 'x509: invalid version')
    t.equal(said(voice, [certificate(2n ** 63n)]), 'x509: malformed version')
  }
})

t.test('a tab in the quoted part of a mailbox must be escaped', async t => {
  const below = createAuthority({
    commonName: 'mid',
    issuer: ca,
    extensions: [nameConstraints([ia5(0x81, 'example')])],
  })
  const mail = (address: string) =>
    said('go1.24', [issueCertificate(below, { emailAddresses: [address] }).der, below.der])
  t.equal(mail('"\\\t"@example'), 'accept')
  t.equal(mail('"\t"@example'), 'x509: cannot parse rfc822Name {"" ""}')
})

t.test('what OpenSSL cannot read of a key does not keep Go from checking signatures with it', async t => {
  const [algorithm, point] = [oid('1.2.840.10045.2.1'), spkiOf(ca).subarray(-68)]
  // parameters after the curve
  const key = sequence(sequence(algorithm, oid('1.2.840.10045.3.1.7'), element(0x05)), point)
  const root = assemble(ca, { subject: ca.subject, key, isCa: true })
  for (const voice of ['go1.19', 'go1.24'] as const)
    t.equal(said(voice, [issueCertificate(ca, {}).der], [root]), 'accept')
})

t.test('text that is no UTF-8 is shown as it is where its type has no short name', async t => {
  const attribute = (...bytes: number[]) => sequence(set(sequence(oid('1.2.3.4'), element(0x14, bytes))))
  const shown = (...bytes: number[]) =>
    parseCertificate(assemble(ca, { subject: attribute(...bytes), key: spkiOf(ca) })).subject.toString()
  t.equal(shown(0x61), '1.2.3.4=#130161')
  t.equal(Buffer.from(shown(0x61, 0xff)).toString(), '1.2.3.4=a\ufffd')
})

t.test("where Go's verifier panics, the certificate is refused", async t => {
  const subject = nameOf({ commonName: 'twin' })
  const leaf = (issuer: Der) => issueCertificate({ ...ca, subject: issuer }, { subject: { der: subject } }).der
  const issuerWith = (key: Der) => assemble(ca, { subject, key, isCa: true })
  const unknown = issuerWith(generateKeyPairSync('ed448').publicKey.export({ format: 'der', type: 'spki' }))
  t.equal(said('go1.19', [leaf(subject), unknown]), 'interface conversion: interface is nil, not x509.pubKeyEqual')
  t.equal(said('go1.24', [leaf(subject), unknown]), 'x509: certificate signed by unknown authority')
  const numbers = sequence(integer(23), integer(11), integer(4))
  const key = sequence(sequence(oid('1.2.840.10040.4.1'), numbers), element(0x03, [0], integer(8)))
  for (const voice of ['go1.19', 'go1.24'] as const) {
    const message = 'interface conversion: *dsa.PublicKey is not x509.pubKeyEqual: missing method Equal'
    t.equal(said(voice, [leaf(subject), issuerWith(key)]), message)
  }
})

t.test('crypto/rsa of Go 1.24 says of a public exponent that it is too large, of 1.19 nothing', async t => {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const modulus = BigInt(`0x${Buffer.from(publicKey.export({ format: 'jwk' }).n!, 'base64url').toString('hex')}`)
  const rsa = sequence(oid('1.2.840.113549.1.1.1'), element(0x05))
  const key = sequence(rsa, element(0x03, [0], sequence(integer(modulus), integer(2n ** 31n + 1n))))
  const subject = nameOf({ commonName: 'large' })
  const root = assemble(ca, { subject, key, isCa: true })
  const signer = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const leaf = issueCertificate({ ...ca, subject, keys: signer }, {}).der
  const because = (hint: string) =>
    `x509: certificate signed by unknown authority (possibly because of "${hint}" while trying to verify candidate authority certificate "large")`
  t.equal(said('go1.24', [leaf], [root]), because('crypto/rsa: public exponent too large'))
  t.equal(said('go1.19', [leaf], [root]), because('crypto/rsa: verification error'))
})

t.test('Go 1.19 takes an RSA signature that is not below the modulus by its remainder', async t => {
  const keys = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const root = createAuthority({ commonName: 'rsa', keys })
  const modulus = BigInt(`0x${Buffer.from(keys.publicKey.export({ format: 'jwk' }).n!, 'base64url').toString('hex')}`)
  // one whose signature is small enough to become another of the same length
  for (let serialNumber = 1n; ; serialNumber++) {
    const { der } = issueCertificate(root, { serialNumber })
    const signature = BigInt(`0x${der.subarray(-128).toString('hex')}`)
    if (signature + modulus >= 2n ** 1024n) continue
    const same = Buffer.concat([der.subarray(0, -128), Buffer.from((signature + modulus).toString(16), 'hex')])
    t.equal(said('go1.19', [same], [root.der]), 'accept')
    t.match(said('go1.24', [same], [root.der]), 'crypto/rsa: verification error')
    break
  }
})
