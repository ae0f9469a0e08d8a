import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import t from 'tap'
import { TrustplaneError } from '#errors.ts'
import { DerReader } from '#x509/der.ts'
import { type ReadKeyPairOptions, readKeyPair } from '#x509/key-pair.ts'
import { createAuthority, issueCertificate, pemOf } from './authority.ts'
import { bitString, explicit, integer, octetString, oid, sequence } from './der-writer.ts'

const ca = createAuthority({ commonName: 'ca' })
const leaf = issueCertificate(ca)
const rsa = issueCertificate(ca, { keys: generateKeyPairSync('rsa', { modulusLength: 1024 }) })
const ed25519 = issueCertificate(ca, { keys: generateKeyPairSync('ed25519') })
const garbage = pemOf(Buffer.from('garbage'))

const pkcs8 = (key: KeyObject, passphrase?: string) =>
  key.export({ format: 'pem', type: 'pkcs8', ...(passphrase ? { cipher: 'aes-256-cbc', passphrase } : {}) }).toString()

function read(certificate: string, key: string, options?: ReadKeyPairOptions): string {
  try {
    return readKeyPair(certificate, key, options)
      .chain.map(({ subject }) => subject.commonName)
      .join()
  } catch (error) {
    return error instanceof TrustplaneError ? error.message : String(error)
  }
}

t.test('every pair that Go loads is loaded', async t => {
  const sec1 = leaf.keys.privateKey.export({ format: 'pem', type: 'sec1' }).toString()
  const parameters = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n'
  t.equal(read(leaf.pem, leaf.keyPem), 'leaf')
  t.equal(read(leaf.pem, sec1), 'leaf', 'SEC1')
  t.equal(read(leaf.pem, parameters + sec1), 'leaf', 'with EC PARAMETERS, as openssl ecparam writes it')
  t.equal(
    read(rsa.pem, rsa.keys.privateKey.export({ format: 'pem', type: 'pkcs1' }).toString()),
    'leaf',
    'PKCS#1, RSA-1024',
  )
  t.equal(read(ed25519.pem, ed25519.keyPem), 'leaf')
  t.equal(read(`text\n${leaf.pem}`, `text\n${leaf.keyPem}text`), 'leaf')
  t.equal(read(leaf.keyPem + leaf.pem, leaf.keyPem + leaf.pem), 'leaf', 'both in one file')
  t.equal(read(leaf.pem + ca.pem, leaf.keyPem), 'leaf,ca')
  t.equal(read(leaf.pem + garbage, leaf.keyPem), 'leaf', 'only the first certificate is parsed')
})

t.test("what Go does not start with is told in Go's words", async t => {
  const switched =
    'tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched'
  const publicKey = leaf.keys.publicKey.export({ format: 'pem', type: 'spki' }).toString()
  const cases: [string, string, string, string][] = [
    ['another key', leaf.pem, ca.keyPem, 'tls: private key does not match public key'],
    ['a key of another type', leaf.pem, rsa.keyPem, 'tls: private key type does not match public key type'],
    ['the chain in the wrong order', ca.pem + leaf.pem, leaf.keyPem, 'tls: private key does not match public key'],
    ['a key for the certificate', leaf.keyPem, leaf.keyPem, switched],
    [
      'a certificate for the key',
      leaf.pem,
      leaf.pem,
      'tls: found a certificate rather than a key in the PEM for the private key',
    ],
    ['an empty certificate', '', leaf.keyPem, 'tls: failed to find any PEM data in certificate input'],
    ['an empty key', leaf.pem, '', 'tls: failed to find any PEM data in key input'],
    ['garbage for the key', leaf.pem, 'garbage', 'tls: failed to find any PEM data in key input'],
    ['an encrypted key', leaf.pem, pkcs8(leaf.keys.privateKey, 'secret'), 'tls: failed to parse private key'],
    ['garbage in the certificate', garbage, leaf.keyPem, 'x509: malformed certificate'],
    [
      'a public key',
      leaf.pem,
      publicKey,
      'tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks of the following types: [PUBLIC KEY]',
    ],
    [
      'another label',
      pemOf(leaf.der, 'X509 CERTIFICATE'),
      leaf.keyPem,
      'tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following types: [X509 CERTIFICATE]',
    ],
    [
      'a key that Go has no curve for',
      leaf.pem,
      pkcs8(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey),
      'tls: failed to parse private key',
    ],
    [
      'an X25519 key',
      leaf.pem,
      pkcs8(generateKeyPairSync('x25519').privateKey),
      'tls: found unknown private key type in PKCS#8 wrapping',
    ],
  ]
  for (const [what, certificate, key, words] of cases) t.equal(read(certificate, key), words, what)
})

t.test('kube-apiserver has its own words for empty files', async t => {
  const options = { reader: 'kube-apiserver', certificateFile: 'a.crt', keyFile: 'a.key' } as const
  const words = 'missing content for serving cert "serving-cert::a.crt::a.key"'
  t.equal(read('', leaf.keyPem, options), words)
  t.equal(read(leaf.pem, '', options), words)
  t.equal(read(leaf.pem, leaf.keyPem, options), 'leaf')
})

t.test('the error says in which file the fault is, and never shows the key', async t => {
  const options = { certificateFile: 'a.crt', keyFile: 'a.key' }
  t.throws(() => readKeyPair(leaf.pem, ca.keyPem, options), { code: 'TP_PEM_INVALID', at: { file: 'a.key' } })
  t.throws(() => readKeyPair('', ca.keyPem, options), { code: 'TP_PEM_INVALID', at: { file: 'a.crt' } })
})

t.test(
  'a damaged key is found out where Go finds it out: Go 1.24 looks at the numbers that 1.19 makes anew',
  async t => {
    const numbers: bigint[] = []
    const sequenceOf = new DerReader(rsa.keys.privateKey.export({ format: 'der', type: 'pkcs1' })).enter(0x30)!
    while (!sequenceOf.empty) numbers.push(sequenceOf.integer()!)
    const rsaWith = (index: number, value: bigint) => pkcs1(numbers.with(index, value))
    const pkcs1 = (of: readonly bigint[]) => pemOf(sequence(...of.map(integer)), 'RSA PRIVATE KEY')
    const [, , , d = 0n, p = 0n] = numbers
    const broken = 'tls: failed to parse private key'
    const rsaKeys: [string, string, string, string][] = [
      ['whole', pkcs1(numbers), 'leaf', 'leaf'],
      ['the public exponent', rsaWith(2, 65_539n), broken, broken],
      ['a large public exponent', rsaWith(2, 2n ** 31n + 1n), broken, broken],
      ['the private exponent', rsaWith(3, d + 2n), broken, 'leaf'],
      ['a prime', rsaWith(4, p + 2n), broken, broken],
      ['a CRT exponent', rsaWith(6, numbers[6]! + 2n), 'leaf', broken],
      ['the CRT coefficient', rsaWith(8, numbers[8]! + 2n), 'leaf', broken],
    ]
    for (const [what, key, by119, by124] of rsaKeys) {
      t.equal(read(rsa.pem, key, { voice: 'go1.19' }), by119, what)
      t.equal(read(rsa.pem, key, { voice: 'go1.24' }), by124, what)
    }
    const point = leaf.keys.publicKey.export({ format: 'der', type: 'spki' }).subarray(-65)
    const curve = explicit(0, oid('1.2.840.10045.3.1.7'))
    const ecWith = (number: Uint8Array) =>
      pemOf(sequence(integer(1), octetString(number), curve, explicit(1, bitString(point))), 'EC PRIVATE KEY')
    const number = Buffer.from(leaf.keys.privateKey.export({ format: 'jwk' }).d!, 'base64url')
    t.equal(read(leaf.pem, ecWith(number)), 'leaf')
    const other = Buffer.from(number)
    other[31]! ^= 1
    t.equal(
      read(leaf.pem, ecWith(other)),
      'tls: private key does not match public key',
      'another number, the same point',
    )
    t.equal(read(leaf.pem, ecWith(Buffer.alloc(32))), 'tls: private key does not match public key', 'zero')
    t.equal(read(leaf.pem, ecWith(Buffer.alloc(32, 0xff))), broken, 'above the order of the curve')
  },
)
