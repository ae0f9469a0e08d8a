/** Keys in files that are no text: DER and key stores, told by their first bytes. */
import { createHash, createPrivateKey, createPublicKey } from 'node:crypto'
import type { FoundKey } from './types.ts'

const oid = {
  /** 1.2.840.113549.1.7.1 and .2: what a PKCS#12's authSafe is. */
  pkcs7: Buffer.from('06092a864886f70d0107', 'hex'),
  /** 1.2.840.113549.1.5: the ways to encrypt a PKCS#8 key. */
  pkcs5: Buffer.from('06092a864886f70d0105', 'hex'),
}

export function binaryKeys(data: Buffer): FoundKey[] {
  if (data.length >= 12 && data.readUInt32BE(0) === 0xfeedfeed) return [store('JKS')]
  const content = contentOfSequence(data)
  if (!content) return []
  // PFX ::= SEQUENCE { version INTEGER (3), authSafe ContentInfo, … }: RFC 7292 §4
  if (content.subarray(0, 3).equals(Buffer.from('020103', 'hex')) && content.subarray(0, 32).includes(oid.pkcs7)) {
    return [store('PKCS#12')]
  }
  // EncryptedPrivateKeyInfo ::= SEQUENCE { AlgorithmIdentifier, OCTET STRING }: RFC 5958 §3
  if (content[0] === 0x30 && content.subarray(0, 16).includes(oid.pkcs5)) {
    return [{ kind: 'encrypted', format: 'PKCS#8', written: 'DER' }]
  }
  // all others begin with a small version: 0 (PKCS#8, PKCS#1) or 1 (PKCS#8 v2, SEC 1)
  const looksLikeKey = content[0] === 0x02 && content[1] === 0x01 && (content[2] === 0 || content[2] === 1)
  return looksLikeKey ? ['pkcs8', 'pkcs1', 'sec1'].flatMap(type => tryKey(data, type)).slice(0, 1) : []
}

const store = (format: string): FoundKey => ({ kind: 'store', format, written: 'DER' })

function tryKey(data: Buffer, type: string): FoundKey[] {
  try {
    const key = createPrivateKey({ key: data, format: 'der', type: type as 'pkcs8' })
    const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
    const publicKey = createHash('sha256').update(spki).digest('hex')
    return [{ kind: 'private', format: type.toUpperCase(), written: 'DER', publicKey }]
  } catch {
    return []
  }
}

/** What a DER SEQUENCE at the very start holds; undefined when the file is none, or shorter than it says. */
function contentOfSequence(data: Buffer): Buffer | undefined {
  if (data.length < 32 || data[0] !== 0x30) return undefined
  const first = data[1]!
  if (first < 0x80) return data.subarray(2, 2 + first)
  const bytes = first & 0x7f
  // 0x80 is BER's indefinite length, which some PKCS#12 writers use
  if (bytes > 4) return undefined
  const length = bytes === 0 ? data.length : data.readUIntBE(2, bytes)
  return length > data.length ? undefined : data.subarray(2 + bytes)
}
