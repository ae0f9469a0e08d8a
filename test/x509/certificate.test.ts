import t from 'tap'
import { parseCertificate } from '#x509/certificate.ts'
import { CertificateParseError } from '#x509/errors.ts'
import type { Voice } from '#x509/types.ts'
import { type CertificateSpec, createAuthority, extension, issueCertificate, subjectAltName } from './authority.ts'
import {
  bitString,
  type Der,
  element,
  ia5,
  integer,
  octetString,
  oid,
  sequence,
  set,
  utf8String,
} from './der-writer.ts'

const ca = createAuthority({ commonName: 'ca' })
const parsed = (spec: CertificateSpec, voice?: Voice) => parseCertificate(issueCertificate(ca, spec).der, voice)
const nameWith = (tag: number, content: Der) => ({
  der: sequence(set(sequence(oid('2.5.4.3'), element(tag, content)))),
})

function messageOf(spec: CertificateSpec, voice: Voice = 'go1.24'): string {
  try {
    parsed(spec, voice)
    return ''
  } catch (error) {
    if (error instanceof CertificateParseError) return error.message
    throw error
  }
}

t.test('a certificate is read as it was written', async t => {
  const certificate = parsed({
    subject: { commonName: 'kubernetes-admin', organizations: ['system:masters', 'dev', ''] },
    serialNumber: 0x03e9n,
    notBefore: new Date('2026-01-01T00:00:00Z'),
    notAfter: new Date('2051-01-01T00:00:00Z'),
    dnsNames: ['localhost'],
    ipAddresses: [Buffer.from([127, 0, 0, 1])],
    usages: ['clientAuth', '1.2.3.4'],
    keyUsage: [0, 2],
    isCa: false,
    subjectKeyId: Buffer.from('aabb', 'hex'),
  })
  t.equal(certificate.version, 3)
  t.equal(certificate.serialNumber, 1001n)
  t.equal(certificate.subject.commonName, 'kubernetes-admin')
  t.strictSame(certificate.subject.organizations, ['system:masters', 'dev', ''])
  t.equal(certificate.subject.toString(), 'CN=kubernetes-admin,O=system:masters+O=dev+O=')
  t.equal(certificate.issuer.toString(), 'CN=ca')
  t.equal(certificate.notBefore.toISOString(), '2026-01-01T00:00:00.000Z')
  t.equal(certificate.notAfter.toISOString(), '2051-01-01T00:00:00.000Z')
  t.strictSame(certificate.subjectAltName?.dnsNames, ['localhost'])
  t.strictSame(Buffer.from(certificate.subjectAltName?.ipAddresses[0] ?? []), Buffer.from([127, 0, 0, 1]))
  t.strictSame(certificate.extKeyUsage, ['clientAuth', '1.2.3.4'])
  t.strictSame(certificate.keyUsage, ['digitalSignature', 'keyEncipherment'])
  t.strictSame(certificate.basicConstraints, { isCa: false })
  t.equal(Buffer.from(certificate.subjectKeyId ?? []).toString('hex'), 'aabb')
  t.equal(certificate.publicKeyAlgorithm, 'ECDSA')
  t.equal(certificate.signatureAlgorithm, 'ECDSA-SHA256')
  t.match(certificate.sha256, /^[0-9a-f]{64}$/)
})

t.test('names are shown as pkix.Name.String shows them', async t => {
  const attribute = (type: string, value: string) => set(sequence(oid(type), utf8String(value)))
  const shown = (...rdns: Der[]) => parsed({ subject: { der: sequence(...rdns) } }).subject.toString()
  t.equal(shown(attribute('2.5.4.3', 'a'), attribute('2.5.4.3', 'b')), 'CN=b', 'the last CN')
  t.equal(shown(attribute('2.5.4.10', 'a,b+c')), 'O=a\\,b\\+c', 'RFC 2253 escapes')
  t.equal(shown(attribute('2.5.4.6', 'DE'), attribute('2.5.4.8', 'B'), attribute('2.5.4.3', 'x')), 'CN=x,ST=B,C=DE')
  t.equal(
    shown(attribute('1.2.840.113549.1.9.1', 'a@b'), attribute('2.5.4.3', 'x')),
    'CN=x,1.2.840.113549.1.9.1=#0c03614062',
    'what Go has no name for, as hex',
  )
})

t.test("what Go's parser refuses is refused in its words", async t => {
  const cases: [string, CertificateSpec, string][] = [
    ['negative serial', { serialNumber: -5n }, 'x509: negative serial number'],
    [
      '@ in a PrintableString',
      { subject: nameWith(0x13, Buffer.from('a@b')) },
      'x509: invalid RDNSequence: invalid attribute value: invalid PrintableString',
    ],
    [
      'not UTF-8',
      { subject: nameWith(0x0c, Buffer.from([0xff])) },
      'x509: invalid RDNSequence: invalid attribute value: invalid UTF-8 string',
    ],
    [
      'a UniversalString',
      { subject: nameWith(0x1c, Buffer.from('0061')) },
      'x509: invalid RDNSequence: invalid attribute value: unsupported string type: 28',
    ],
    [
      'an extension twice',
      { dnsNames: ['a'], extensions: [subjectAltName(ia5(0x82, 'b'))] },
      'x509: certificate contains duplicate extension with OID "2.5.29.17"',
    ],
    ['an IP of three bytes', { ipAddresses: [Buffer.from([1, 2, 3])] }, 'x509: cannot parse IP address of length 3'],
    [
      'a name that is not ASCII',
      { extensions: [subjectAltName(element(0x82, [0xe9]))] },
      'x509: SAN dNSName is malformed',
    ],
    [
      'a URI that does not parse',
      { uris: ['http://[bad/%zz'] },
      'x509: cannot parse URI "http://[bad/%zz": parse "http://[bad/%zz": missing \']\' in host',
    ],
    [
      'a critical authority key id',
      { authorityKeyId: null, extensions: [extension('2.5.29.35', true, sequence(element(0x80, [1])))] },
      'x509: authority key identifier incorrectly marked critical',
    ],
    [
      'empty name constraints',
      { extensions: [extension('2.5.29.30', true, sequence())] },
      'x509: empty name constraints extension',
    ],
    [
      'a mask with holes',
      {
        extensions: [
          extension(
            '2.5.29.30',
            true,
            sequence(element(0xa0, sequence(element(0x87, Buffer.from('0a000000ff00ff00', 'hex'))))),
          ),
        ],
      },
      'x509: IP constraint contained invalid mask ff00ff00',
    ],
    [
      'broken basic constraints',
      { extensions: [extension('2.5.29.19', true, integer(1))] },
      'x509: invalid basic constraints',
    ],
    [
      'a key usage that is no bit string',
      { extensions: [extension('2.5.29.15', true, octetString(integer(1)))] },
      'x509: invalid key usage',
    ],
  ]
  for (const [what, spec, message] of cases) t.equal(messageOf(spec), message, what)
})

t.test('the voices differ where the Go versions do', async t => {
  t.equal(messageOf({ serialNumber: -5n }, 'go1.19'), '', 'Go 1.19 takes a negative serial')
  t.equal(messageOf({ extensions: [extension('2.5.29.14', true, octetString(integer(1)))] }, 'go1.19'), '')
  const twice = { dnsNames: ['a'], extensions: [subjectAltName(ia5(0x82, 'b'))] }
  t.equal(messageOf(twice, 'go1.19'), 'x509: certificate contains duplicate extensions')
})

t.test('DER must be strict, and nothing may follow', async t => {
  const { der } = issueCertificate(ca)
  const message = (bytes: Uint8Array) => {
    try {
      parseCertificate(bytes)
      return ''
    } catch (error) {
      return error instanceof CertificateParseError ? error.message : String(error)
    }
  }
  t.equal(message(Buffer.alloc(0)), 'x509: malformed certificate')
  t.equal(message(Buffer.from('garbage')), 'x509: malformed certificate')
  t.equal(message(der.subarray(0, -1)), 'x509: malformed certificate')
  t.equal(message(Buffer.concat([der, Buffer.of(0)])), 'x509: trailing data')
  t.equal(message(sequence(sequence(), sequence(), bitString(Buffer.of(0)))), 'x509: malformed serial number')
})
