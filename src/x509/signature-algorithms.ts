/** Go's signatureAlgorithmDetails and getSignatureAlgorithmFromAI. */
import { constructed, DerReader, tag } from './der.ts'
import type { AlgorithmIdentifier } from './public-keys.ts'

export interface SignatureAlgorithm {
  /** As Go prints it: SHA256-RSA, ECDSA-SHA256, …; its number (0) when Go does not know it. */
  name: string
  keyAlgorithm?: 'RSA' | 'ECDSA' | 'Ed25519' | 'DSA'
  /** node:crypto's name; undefined for Ed25519, and where Go implements none. */
  hash?: 'md5' | 'sha1' | 'sha256' | 'sha384' | 'sha512'
  pss?: boolean
}

const unknown: SignatureAlgorithm = { name: '0' }

const byOid: Record<string, SignatureAlgorithm> = {
  '1.2.840.113549.1.1.2': { name: 'MD2-RSA', keyAlgorithm: 'RSA' },
  '1.2.840.113549.1.1.4': { name: 'MD5-RSA', keyAlgorithm: 'RSA', hash: 'md5' },
  '1.2.840.113549.1.1.5': { name: 'SHA1-RSA', keyAlgorithm: 'RSA', hash: 'sha1' },
  '1.3.14.3.2.29': { name: 'SHA1-RSA', keyAlgorithm: 'RSA', hash: 'sha1' },
  '1.2.840.113549.1.1.11': { name: 'SHA256-RSA', keyAlgorithm: 'RSA', hash: 'sha256' },
  '1.2.840.113549.1.1.12': { name: 'SHA384-RSA', keyAlgorithm: 'RSA', hash: 'sha384' },
  '1.2.840.113549.1.1.13': { name: 'SHA512-RSA', keyAlgorithm: 'RSA', hash: 'sha512' },
  '1.2.840.10040.4.3': { name: 'DSA-SHA1', keyAlgorithm: 'DSA', hash: 'sha1' },
  '2.16.840.1.101.3.4.3.2': { name: 'DSA-SHA256', keyAlgorithm: 'DSA', hash: 'sha256' },
  '1.2.840.10045.4.1': { name: 'ECDSA-SHA1', keyAlgorithm: 'ECDSA', hash: 'sha1' },
  '1.2.840.10045.4.3.2': { name: 'ECDSA-SHA256', keyAlgorithm: 'ECDSA', hash: 'sha256' },
  '1.2.840.10045.4.3.3': { name: 'ECDSA-SHA384', keyAlgorithm: 'ECDSA', hash: 'sha384' },
  '1.2.840.10045.4.3.4': { name: 'ECDSA-SHA512', keyAlgorithm: 'ECDSA', hash: 'sha512' },
}

const pssHashes: Record<string, { name: string; hash: 'sha256' | 'sha384' | 'sha512'; saltLength: bigint }> = {
  '2.16.840.1.101.3.4.2.1': { name: 'SHA256-RSAPSS', hash: 'sha256', saltLength: 32n },
  '2.16.840.1.101.3.4.2.2': { name: 'SHA384-RSAPSS', hash: 'sha384', saltLength: 48n },
  '2.16.840.1.101.3.4.2.3': { name: 'SHA512-RSAPSS', hash: 'sha512', saltLength: 64n },
}

export function signatureAlgorithmOf({ oid, parameters }: AlgorithmIdentifier): SignatureAlgorithm {
  // RFC 8410 §3: no parameters
  if (oid === '1.3.101.112') return parameters.length === 0 ? { name: 'Ed25519', keyAlgorithm: 'Ed25519' } : unknown
  if (oid === '1.2.840.113549.1.1.10') return pssAlgorithm(parameters) ?? unknown
  return byOid[oid] ?? unknown
}

/** Only where MGF1 uses the message's hash, the salt is as long as that hash, and the trailer is the default. */
function pssAlgorithm(parameters: Uint8Array): SignatureAlgorithm | undefined {
  const sequence = new DerReader(parameters).enter(tag.sequence)
  const hash = readHash(sequence?.enter(constructed(0)))
  const mgf = sequence?.enter(constructed(1))?.enter(tag.sequence)
  const mgfIsMgf1 = mgf?.oid() === '1.2.840.113549.1.1.8'
  const mgfHash = readHash(mgf)
  const saltLength = sequence?.enter(constructed(2))?.integer()
  if (!sequence || !hash || !mgfIsMgf1 || mgfHash !== hash) return undefined
  if (!sequence.empty && sequence.peek() === constructed(3) && sequence.enter(constructed(3))?.integer() !== 1n)
    return undefined
  const known = pssHashes[hash]
  if (!known || saltLength !== known.saltLength) return undefined
  return { name: known.name, keyAlgorithm: 'RSA', hash: known.hash, pss: true }
}

/** The OID of a hash's AlgorithmIdentifier whose parameters are NULL or absent. */
function readHash(reader: DerReader | undefined): string | undefined {
  const sequence = reader?.enter(tag.sequence)
  const oid = sequence?.oid()
  if (!sequence || oid === undefined || sequence.empty) return oid
  const { whole } = sequence.element() ?? { whole: undefined }
  return whole?.length === 2 && whole[0] === tag.null && whole[1] === 0 ? oid : undefined
}
