/**
 * The CA names that a server tells its clients in CertificateRequest (`openssl s_client` lists them as acceptable).
 * OpenSSL takes them from certificates that it would also verify with. Verifying is not its business here, so it gets certificates
 * that have a bundle's subjects, byte for byte, and nothing else: an Ed25519 key of zeros, under which nothing verifies.
 */
import { X509Certificate } from 'node:crypto'
import { toPem } from '#x509/pem.ts'
import type { Certificate } from '#x509/types.ts'

const sequence = 0x30
const ed25519 = tlv(sequence, Buffer.from([0x06, 3, 0x2b, 0x65, 0x70]))
const serial = Buffer.from([0x02, 1, 1])
const validity = tlv(sequence, utcTime('700101000000Z'), utcTime('491231235959Z'))
const publicKey = tlv(sequence, ed25519, tlv(0x03, Buffer.alloc(33)))
const signature = tlv(0x03, Buffer.alloc(65))

/** PEM for node:tls's `ca`, one for each root, as Go's CertPool.Subjects lists them. */
export function caNames(roots: readonly Certificate[]): string[] {
  return roots.flatMap(({ subject: { der } }) => {
    const tbs = tlv(sequence, serial, ed25519, der, validity, der, publicKey)
    const certificate = tlv(sequence, tbs, ed25519, signature)
    return isReadable(certificate) ? [toPem(certificate)] : []
  })
}

/** A name that Go reads and OpenSSL does not goes unsaid. */
function isReadable(der: Uint8Array): boolean {
  try {
    return new X509Certificate(der).raw.length > 0
  } catch {
    return false
  }
}

function tlv(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const header =
    length < 0x80 ? [tag, length] : length < 0x100 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from(header), content])
}

function utcTime(text: string): Buffer {
  return tlv(0x17, Buffer.from(text, 'latin1'))
}
