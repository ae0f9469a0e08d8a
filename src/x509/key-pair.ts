/** One's own certificate and key: Go's tls.X509KeyPair, in whose words a component says why it does not start. */
import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { TrustplaneError } from '#errors.ts'
import { parseCertificate } from './certificate.ts'
import { equalBytes } from './der.ts'
import { CertificateParseError } from './errors.ts'
import { quote } from './go-format.ts'
import { keyObjectOf, toBase64Url } from './key-objects.ts'
import { toPem } from './pem.ts'
import { scanPem } from './pem-scanner.ts'
import { isConsistentRsa, pointOf } from './private-keys.ts'
import type { PublicKey } from './public-keys.ts'
import type { Certificate, Voice } from './types.ts'

export interface KeyPair {
  /** PEM, leaf first, of the blocks that OpenSSL can read too. */
  certificate: string
  /** PKCS#8 PEM. */
  key: string
  /** Leaf first. Go parses only the leaf at start; further certificates that do not parse are left out. */
  chain: readonly Certificate[]
}

export interface ReadKeyPairOptions {
  /** For the words and for `at`. */
  certificateFile?: string
  keyFile?: string
  voice?: Voice
  /** kube-apiserver looks for empty files first, and has its own words for them; `purpose` is `serving-cert` by default. */
  reader?: 'crypto/tls' | 'kube-apiserver'
  purpose?: string
}

/** Go's words, and in which file the fault is. */
class KeyPairError extends Error {
  readonly file: 'certificate' | 'key'

  constructor(message: string, file: 'certificate' | 'key') {
    super(message)
    this.file = file
  }
}

/**
 * @param certificatePem a certificate file's content
 * @param keyPem a key file's content
 * @throws TrustplaneError TP_PEM_INVALID, whose message is the original's, without the place's prefix (`listener failed: `, `Error: `)
 */
export function readKeyPair(certificatePem: string, keyPem: string, options: ReadKeyPairOptions = {}): KeyPair {
  const {
    certificateFile = '',
    keyFile = '',
    voice = 'go1.24',
    reader = 'crypto/tls',
    purpose = 'serving-cert',
  } = options
  try {
    if (reader === 'kube-apiserver' && (certificatePem === '' || keyPem === '')) {
      const words = `missing content for serving cert ${quote(`${purpose}::${certificateFile}::${keyFile}`)}`
      throw new KeyPairError(words, certificatePem === '' ? 'certificate' : 'key')
    }
    return read(certificatePem, keyPem, voice)
  } catch (error) {
    if (!(error instanceof KeyPairError)) throw error
    const file = error.file === 'certificate' ? certificateFile : keyFile
    throw new TrustplaneError('TP_PEM_INVALID', error.message, {
      fix: 'put the certificate (leaf first) and the private key that belongs to it into the two files',
      ...(file ? { at: { file } } : {}),
    })
  }
}

function read(certificatePem: string, keyPem: string, voice: Voice): KeyPair {
  const ders = certificatesIn(certificatePem)
  const keyDer = keyIn(keyPem)
  let leaf: Certificate
  try {
    leaf = parseCertificate(ders[0]!, voice)
  } catch (error) {
    if (error instanceof CertificateParseError) throw new KeyPairError(error.message, 'certificate')
    throw error
  }
  const key = parsePrivateKey(keyDer, voice)
  checkMatch(leaf, key)
  const chain = [leaf, ...ders.slice(1).flatMap(der => parsed(der, voice))]
  return {
    certificate: ders
      .filter(isOpensslReadable)
      .map(der => toPem(der))
      .join(''),
    key: key.export({ format: 'pem', type: 'pkcs8' }).toString(),
    chain,
  }
}

const goList = (labels: readonly string[]) => `[${labels.join(' ')}]`

function certificatesIn(text: string): Buffer[] {
  const blocks = [...scanPem(text)]
  const ders = blocks.filter(({ label }) => label === 'CERTIFICATE').map(({ der }) => der)
  if (ders.length > 0) return ders
  const labels = blocks.map(({ label }) => label)
  const fail = (words: string): never => {
    throw new KeyPairError(`tls: failed to find ${words}`, 'certificate')
  }
  if (labels.length === 0) return fail('any PEM data in certificate input')
  if (labels.length === 1 && labels[0]!.endsWith('PRIVATE KEY'))
    return fail(
      'certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched',
    )
  return fail(
    `"CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following types: ${goList(labels)}`,
  )
}

function keyIn(text: string): Buffer {
  const skipped: string[] = []
  for (const { label, der } of scanPem(text)) {
    if (label === 'PRIVATE KEY' || label.endsWith(' PRIVATE KEY')) return der
    skipped.push(label)
  }
  const fail = (words: string): never => {
    throw new KeyPairError(`tls: ${words}`, 'key')
  }
  if (skipped.length === 0) return fail('failed to find any PEM data in key input')
  if (skipped.length === 1 && skipped[0] === 'CERTIFICATE')
    return fail('found a certificate rather than a key in the PEM for the private key')
  return fail(
    `failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks of the following types: ${goList(skipped)}`,
  )
}

const goCurves = ['secp224r1', 'prime256v1', 'secp384r1', 'secp521r1']

/** tls.parsePrivateKey: the label says nothing; PKCS#1, PKCS#8 and SEC1 are tried. Encrypted keys fail like garbage. */
function parsePrivateKey(der: Buffer, voice: Voice): KeyObject {
  for (const type of ['pkcs1', 'pkcs8', 'sec1'] as const) {
    const key = tryPrivateKey(der, type)
    if (!key) continue
    const { asymmetricKeyType } = key
    // Go 1.20 and newer parse it (crypto/ecdh), but TLS has no use for it
    if (asymmetricKeyType === 'x25519' && type === 'pkcs8' && voice !== 'go1.19')
      throw new KeyPairError('tls: found unknown private key type in PKCS#8 wrapping', 'key')
    const isKnownCurve = goCurves.includes(key.asymmetricKeyDetails?.namedCurve ?? '')
    const isUsable = asymmetricKeyType === 'rsa' ? isConsistentRsa(key, voice) : asymmetricKeyType === 'ed25519'
    if (isUsable || (asymmetricKeyType === 'ec' && isKnownCurve && pointOf(key))) return key
  }
  throw new KeyPairError('tls: failed to parse private key', 'key')
}

function tryPrivateKey(key: Buffer, type: 'pkcs1' | 'pkcs8' | 'sec1'): KeyObject | undefined {
  try {
    return createPrivateKey({ key, format: 'der', type })
  } catch {
    return undefined
  }
}

function checkMatch(leaf: Certificate, key: KeyObject): void {
  const expected = {
    RSA: 'rsa',
    ECDSA: 'ec',
    Ed25519: 'ed25519',
    DSA: undefined,
    unknown: undefined,
  }[leaf.publicKeyAlgorithm]
  if (!expected) throw new KeyPairError('tls: unknown public key algorithm', 'certificate')
  if (key.asymmetricKeyType !== expected)
    throw new KeyPairError('tls: private key type does not match public key type', 'key')
  const { publicKey } = leaf.details
  if (!isSame(publicKey, key)) throw new KeyPairError('tls: private key does not match public key', 'key')
}

function isSame(publicKey: PublicKey, key: KeyObject): boolean {
  switch (publicKey.algorithm) {
    // of an RSA key Go compares the modulus alone
    case 'RSA':
      return key.export({ format: 'jwk' }).n === toBase64Url(publicKey.modulus)
    case 'ECDSA':
      return equalBytes(publicKey.point, pointOf(key) ?? new Uint8Array())
    default:
      return keyObjectOf(publicKey)?.equals(createPublicKey(key)) ?? false
  }
}

function parsed(der: Buffer, voice: Voice): Certificate[] {
  try {
    return [parseCertificate(der, voice)]
  } catch (error) {
    if (error instanceof CertificateParseError) return []
    throw error
  }
}

function isOpensslReadable(der: Buffer): boolean {
  try {
    return new X509Certificate(der).raw.length > 0
  } catch {
    return false
  }
}
