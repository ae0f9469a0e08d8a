import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import t from 'tap'
import { TrustplaneError } from '#errors.ts'
import { type ReadKeyPairOptions, readKeyPair } from '#x509/key-pair.ts'
import { createAuthority, issueCertificate, pemOf } from './authority.ts'

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
