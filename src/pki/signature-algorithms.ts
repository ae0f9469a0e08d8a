/** How a key signs a certificate: the hash, and the AlgorithmIdentifier that says so. */
import type { KeyObject } from 'node:crypto'
import { AsnConvert } from '@peculiar/asn1-schema'
import { AlgorithmIdentifier } from '@peculiar/asn1-x509'
import type { SignatureHash } from './types.ts'

/** RFC 5758 §3.2. */
const ecdsa: Record<SignatureHash, string> = {
  'SHA-1': '1.2.840.10045.4.1',
  'SHA-256': '1.2.840.10045.4.3.2',
  'SHA-384': '1.2.840.10045.4.3.3',
  'SHA-512': '1.2.840.10045.4.3.4',
}
/** RFC 8017, appendix C: sha1WithRSAEncryption and so on. */
const rsa: Record<SignatureHash, string> = {
  'SHA-1': '1.2.840.113549.1.1.5',
  'SHA-256': '1.2.840.113549.1.1.11',
  'SHA-384': '1.2.840.113549.1.1.12',
  'SHA-512': '1.2.840.113549.1.1.13',
}
/** RFC 8410. */
const ed25519 = '1.3.101.112'

/** `hash` is node:crypto's name; undefined for Ed25519, which has its own. */
export function algorithmFor(
  key: KeyObject,
  wanted: SignatureHash | undefined,
): { hash: string | undefined; der: Uint8Array } {
  const signatureHash = wanted ?? usualHash(key)
  const hash = signatureHash.replace('-', '').toLowerCase()
  switch (key.asymmetricKeyType) {
    case 'ec':
      return { hash, der: identifier(ecdsa[signatureHash]) }
    case 'rsa':
      return { hash, der: identifier(rsa[signatureHash], null) }
    default:
      return { hash: undefined, der: identifier(ed25519) }
  }
}

/** Go's choice: the hash that goes with the curve, SHA-256 for RSA. */
function usualHash(key: KeyObject): SignatureHash {
  const curve = key.asymmetricKeyDetails?.namedCurve
  return curve === 'secp384r1' ? 'SHA-384' : curve === 'secp521r1' ? 'SHA-512' : 'SHA-256'
}

/** RSA's parameters are NULL, the others' absent. */
function identifier(algorithm: string, parameters?: null): Uint8Array {
  return new Uint8Array(
    AsnConvert.serialize(new AlgorithmIdentifier({ algorithm, ...(parameters === null ? { parameters } : {}) })),
  )
}
