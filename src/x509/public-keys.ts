/** Public keys as Go's parsePublicKey reads them: what it refuses, and what is known of a key afterwards. */
import { type BitString, DerReader, equalBytes, rightAlign, tag } from './der.ts'
import { CertificateParseError } from './errors.ts'
import type { Voice } from './types.ts'

export interface AlgorithmIdentifier {
  oid: string
  /** The parameters with their header; empty when there are none. */
  parameters: Uint8Array
}

export type PublicKey =
  | { algorithm: 'RSA'; modulus: bigint; bits: number; exponent: bigint }
  | { algorithm: 'ECDSA'; curve: CurveName; point: Uint8Array }
  | { algorithm: 'Ed25519'; point: Uint8Array }
  | { algorithm: 'DSA' }
  /** Go parses such a certificate, and refuses to verify anything with its key. */
  | { algorithm: 'unknown' }

const fail = (what: string): never => {
  throw new CertificateParseError(`x509: ${what}`)
}

export function parsePublicKey(
  { oid, parameters }: AlgorithmIdentifier,
  subjectPublicKey: BitString,
  voice: Voice,
): PublicKey {
  const data = rightAlign(subjectPublicKey)
  switch (oid) {
    case '1.2.840.113549.1.1.1':
      return parseRsa(parameters, data)
    case '1.2.840.10045.2.1':
      return parseEcdsa(parameters, data, voice)
    case '1.3.101.112':
      if (parameters.length !== 0) fail('Ed25519 key encoded with illegal parameters')
      if (data.length !== 32) fail('wrong Ed25519 public key size')
      return { algorithm: 'Ed25519', point: data }
    case '1.2.840.10040.4.1':
      return parseDsa(parameters, data)
    default:
      return { algorithm: 'unknown' }
  }
}

function parseRsa(parameters: Uint8Array, data: Uint8Array): PublicKey {
  // RFC 3279 §2.3.1
  if (Buffer.compare(parameters, Uint8Array.of(tag.null, 0)) !== 0) fail('RSA key missing NULL parameters')
  const sequence = new DerReader(data).enter(tag.sequence) ?? fail('invalid RSA public key')
  const modulus = sequence.integer() ?? fail('invalid RSA modulus')
  const exponent = sequence.integer() ?? fail('invalid RSA public exponent')
  // Go's exponent is an int64
  if (BigInt.asIntN(64, exponent) !== exponent) fail('invalid RSA public exponent')
  if (modulus <= 0n) fail('RSA modulus is not a positive number')
  if (exponent <= 0n) fail('RSA public exponent is not a positive number')
  return { algorithm: 'RSA', modulus, bits: modulus.toString(2).length, exponent }
}

function parseDsa(parameters: Uint8Array, data: Uint8Array): PublicKey {
  const y = new DerReader(data).integer() ?? fail('invalid DSA public key')
  const sequence = new DerReader(parameters).enter(tag.sequence)
  const [p, q, g] = [sequence?.integer(), sequence?.integer(), sequence?.integer()]
  if (p === undefined || q === undefined || g === undefined) return fail('invalid DSA parameters')
  if ([y, p, q, g].some(value => value <= 0n)) fail('zero or negative DSA parameter')
  return { algorithm: 'DSA' }
}

type CurveName = 'P-224' | 'P-256' | 'P-384' | 'P-521'

interface Curve {
  name: CurveName
  bytes: number
  p: bigint
  b: bigint
}

/** FIPS 186-4 D.1.2; a is -3 for all of them. */
const curves: Record<string, Curve> = {
  '1.3.132.0.33': {
    name: 'P-224',
    bytes: 28,
    p: 2n ** 224n - 2n ** 96n + 1n,
    b: 0xb4050a850c04b3abf54132565044b0b7d7bfd8ba270b39432355ffb4n,
  },
  '1.2.840.10045.3.1.7': {
    name: 'P-256',
    bytes: 32,
    p: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
  },
  '1.3.132.0.34': {
    name: 'P-384',
    bytes: 48,
    p: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
  },
  '1.3.132.0.35': {
    name: 'P-521',
    bytes: 66,
    p: 2n ** 521n - 1n,
    b: 0x0051953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00n,
  },
}

function parseEcdsa(parameters: Uint8Array, data: Uint8Array, voice: Voice): PublicKey {
  const curveOid = new DerReader(parameters, voice).oid() ?? fail('invalid ECDSA parameters')
  const curve = curves[curveOid] ?? fail('unsupported elliptic curve')
  if (!isOnCurve(curve, data)) fail('failed to unmarshal elliptic curve point')
  return { algorithm: 'ECDSA', curve: curve.name, point: data }
}

/** elliptic.Unmarshal: only uncompressed points, coordinates below p, on the curve. */
function isOnCurve({ bytes, p, b }: Curve, point: Uint8Array): boolean {
  if (point.length !== 1 + 2 * bytes || point[0] !== 4) return false
  const hex = Buffer.from(point).toString('hex')
  const x = BigInt(`0x${hex.slice(2, 2 + 2 * bytes)}`)
  const y = BigInt(`0x${hex.slice(2 + 2 * bytes)}`)
  return x < p && y < p && (y * y - (x * x * x - 3n * x + b)) % p === 0n
}

/** PublicKey.Equal: the same key, however it is encoded. A key that Go has no comparison for (see chains.ts) equals none. */
export function equalKeys(a: PublicKey, b: PublicKey): boolean {
  switch (a.algorithm) {
    case 'RSA':
      return b.algorithm === 'RSA' && a.modulus === b.modulus && a.exponent === b.exponent
    case 'ECDSA':
      return b.algorithm === 'ECDSA' && a.curve === b.curve && equalBytes(a.point, b.point)
    case 'Ed25519':
      return b.algorithm === 'Ed25519' && equalBytes(a.point, b.point)
    default:
      return false
  }
}
