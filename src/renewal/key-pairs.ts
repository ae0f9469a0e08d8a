/** A CA in a Secret, and keys as a Certificate wants them. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { messageOf } from '#errors.ts'
import type { Secret } from '#kubernetes/types.ts'
import { generateKey, privateKeyPem } from '#pki/keys.ts'
import type { KeyAlgorithm } from '#pki/types.ts'
import { dataOf } from './policies.ts'
import type { CertificateSpec } from './types.ts'

export interface SigningPair {
  /** The CA's own certificate, PEM. */
  certificate: string
  /** With what stands behind it in its secret. */
  chain: string[]
  key: KeyObject
}

const blocks = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g

const certificatesIn = (pem: string): string[] => (pem.match(blocks) ?? []).map(block => `${block}\n`)

/** @throws Error in words that end a sentence: what is wrong with the secret */
export function signingPairIn(secret: Secret): SigningPair {
  const chain = certificatesIn(dataOf(secret, 'tls.crt'))
  const [certificate] = chain
  if (!certificate) throw new Error('no data for "tls.crt" in the secret')
  let ca: X509Certificate
  let key: KeyObject
  try {
    ca = new X509Certificate(certificate)
    key = createPrivateKey(dataOf(secret, 'tls.key'))
  } catch (error) {
    throw new Error(`error decoding the key pair: ${messageOf(error)}`)
  }
  if (!ca.checkPrivateKey(key)) throw new Error('tls: private key does not match public key')
  if (!ca.ca) throw new Error('certificate is not a CA')
  return { certificate, chain, key }
}

/** RSA-2048 unless told otherwise, as cert-manager's default. */
export function newKeyFor({ privateKey = {} }: Pick<CertificateSpec, 'privateKey'>): Promise<KeyObject> {
  const { algorithm = 'RSA', size } = privateKey
  const name =
    algorithm === 'Ed25519' ? 'Ed25519' : algorithm === 'ECDSA' ? `ECDSA-P${size ?? 256}` : `RSA-${size ?? 2048}`
  return generateKey(name as KeyAlgorithm)
}

/** pki.PrivateKeyMatchesSpec. */
export function keyFits(key: KeyObject, { privateKey = {} }: Pick<CertificateSpec, 'privateKey'>): boolean {
  const { algorithm = 'RSA', size } = privateKey
  const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {}
  switch (algorithm) {
    case 'RSA':
      return key.asymmetricKeyType === 'rsa' && modulusLength === (size ?? 2048)
    case 'ECDSA':
      return (
        key.asymmetricKeyType === 'ec' &&
        { prime256v1: 256, secp384r1: 384, secp521r1: 521 }[namedCurve ?? ''] === (size ?? 256)
      )
    default:
      return key.asymmetricKeyType === 'ed25519'
  }
}

/** PEM: `RSA PRIVATE KEY` and `EC PRIVATE KEY` unless PKCS#8 is asked for. */
export const encodedKey = (key: KeyObject, { privateKey }: Pick<CertificateSpec, 'privateKey'>): string =>
  privateKey?.encoding === 'PKCS8' ? key.export({ format: 'pem', type: 'pkcs8' }).toString() : privateKeyPem(key)
