/**
 * Public keys as node:crypto has them. Each is written anew from what Go's parser understood, since OpenSSL refuses some encodings that
 * Go reads: parameters after an EC curve, bytes after an RSA key, a bit string that is not whole bytes.
 */
import { createPublicKey, type KeyObject } from 'node:crypto'
import type { PublicKey } from './public-keys.ts'

/** RFC 5480 §2 and RFC 8410 §4: all of the SubjectPublicKeyInfo before the key's own bytes, which have a fixed length. */
const prefixes = {
  'P-224': '304e301006072a8648ce3d020106052b81040021033a00',
  'P-256': '3059301306072a8648ce3d020106082a8648ce3d030107034200',
  'P-384': '3076301006072a8648ce3d020106052b81040022036200',
  'P-521': '30819b301006072a8648ce3d020106052b8104002303818600',
  Ed25519: '302a300506032b6570032100',
}

const objects = new WeakMap<PublicKey, KeyObject>()

/** OpenSSL's form of a key, made once for each; undefined for one that signs nothing. Throws when OpenSSL cannot hold it. */
export function keyObjectOf(key: PublicKey): KeyObject | undefined {
  const known = objects.get(key)
  if (known) return known
  const made = createKey(key)
  if (made) objects.set(key, made)
  return made
}

function createKey(key: PublicKey): KeyObject | undefined {
  switch (key.algorithm) {
    case 'RSA':
      return createPublicKey({
        key: { kty: 'RSA', n: toBase64Url(key.modulus), e: toBase64Url(key.exponent) },
        format: 'jwk',
      })
    case 'ECDSA':
      return fromSpki(prefixes[key.curve], key.point)
    case 'Ed25519':
      return fromSpki(prefixes.Ed25519, key.point)
    default:
      return undefined
  }
}

const fromSpki = (prefix: string, point: Uint8Array) =>
  createPublicKey({ key: Buffer.concat([Buffer.from(prefix, 'hex'), point]), format: 'der', type: 'spki' })

/** RFC 7518 §2: Base64urlUInt. */
export function toBase64Url(value: bigint): string {
  const hex = value.toString(16)
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex').toString('base64url')
}
