/**
 * One certificate, signed by an authority or by itself. @peculiar/asn1-x509 writes its parts, node:crypto signs them.
 *
 * The layer below @peculiar/x509's generator, on purpose: the generator writes and parses every part several times. A whole kubeadm
 * PKI took 170 ms with it at first use and 75 ms after that, 75 ms to load not counted; so it takes 60, 20 and 35 (Node 24.21).
 * It is still worth importing this file only when the first certificate is made.
 */
import { hash, type KeyObject, randomBytes, sign as signWithCallback, X509Certificate } from 'node:crypto'
import { promisify } from 'node:util'
import { Validity } from '@peculiar/asn1-x509'
import { messageOf, TrustplaneError } from '#errors.ts'
import { parseCertificate } from '#x509/certificate.ts'
import { DerReader, tag } from '#x509/der.ts'
import type { Certificate } from '#x509/types.ts'
import { der, explicit, pem, sequence, subjectPublicKeyInfo, wrap } from './der-writer.ts'
import { extensionsOf } from './extensions.ts'
import { nameOf, type Subject } from './names.ts'
import { algorithmFor } from './signature-algorithms.ts'
import type { ExtKeyUsage, KeyUsage, NameConstraints, SignatureHash } from './types.ts'

const sign = promisify(signWithCallback)

/** Everything that a certificate says. */
export interface CertificateContent {
  subject: Subject
  /** The subject's DER, when it must stay exactly as it was (a CSR); wins over `subject`. */
  subjectDer?: Uint8Array
  notBefore: Date
  notAfter: Date
  isCa?: boolean
  pathLength?: number
  keyUsages?: readonly KeyUsage[]
  extKeyUsages?: readonly ExtKeyUsage[]
  dnsNames?: readonly string[]
  ipAddresses?: readonly string[]
  uris?: readonly string[]
  emailAddresses?: readonly string[]
  nameConstraints?: NameConstraints
  /** Lower-case hex; left out: random. */
  serialNumber?: string
  signatureHash?: SignatureHash
  /** Others than the above, behind them: for certificates that are odd on purpose. `value` is DER. */
  extraExtensions?: readonly { oid: string; critical: boolean; value: Uint8Array }[]
}

/** Who signs: an authority's certificate (PEM) and key. */
export interface Signer {
  certificate: string
  /** Where it is, for messages. */
  file?: string
  key: KeyObject
}

/**
 * A certificate's PEM, with a newline at its end.
 * @param publicKey may be a private key, whose public half is taken
 * @throws TrustplaneError TP_PEM_INVALID when the signer's certificate is one that Go does not read
 */
export async function issueCertificate(
  content: CertificateContent,
  publicKey: KeyObject,
  signer: Signer | { self: KeyObject },
): Promise<string> {
  const key = 'self' in signer ? signer.self : signer.key
  const spki = subjectPublicKeyInfo(publicKey)
  const keyId = keyIdOf(spki)
  const subject = content.subjectDer ?? der(nameOf(content.subject))
  const issuer = 'self' in signer ? undefined : parsed(signer)
  const algorithm = algorithmFor(key, content.signatureHash)
  const tbs = wrap(
    sequence,
    wrap(explicit(0), wrap(0x02, Buffer.from([2]))), // version 3
    wrap(0x02, serialBytes(content.serialNumber)),
    algorithm.der,
    // the bytes of the CA's subject as they stand there: Go compares the bytes of the two names
    issuer ? issuer.subject.der : subject,
    der(new Validity({ notBefore: content.notBefore, notAfter: content.notAfter })),
    subject,
    spki,
    // an issuer without SKI gives no AKI, as in Go
    wrap(explicit(3), wrap(sequence, ...extensionsOf(content, keyId, issuer ? issuer.subjectKeyId : keyId))),
  )
  const signature = await sign(algorithm.hash, tbs, key)
  return pem('CERTIFICATE', wrap(sequence, tbs, algorithm.der, wrap(0x03, Buffer.from([0]), signature)))
}

/** As Go computes it: SHA-1 of the public key's bits (RFC 5280 §4.2.1.2, method 1). */
function keyIdOf(spki: Uint8Array): Buffer {
  const reader = new DerReader(spki).enter(tag.sequence)
  reader?.element()
  return hash('sha1', reader?.bitString()?.bytes ?? spki, 'buffer')
}

const parsedIssuers = new Map<string, Certificate>()

/** An authority signs many: its certificate is parsed once. */
function parsed({ certificate, file = 'the authority' }: Signer): Certificate {
  const known = parsedIssuers.get(certificate)
  if (known) return known
  let issuer: Certificate
  try {
    issuer = parseCertificate(new X509Certificate(certificate).raw)
  } catch (cause) {
    throw new TrustplaneError(
      'TP_PEM_INVALID',
      `${file} holds no certificate that Go would read: ${messageOf(cause)}`,
      {
        fix: 'take another authority: nothing that this one signs would be believed',
        cause,
      },
    )
  }
  if (parsedIssuers.size > 100) parsedIssuers.clear()
  parsedIssuers.set(certificate, issuer)
  return issuer
}

/** Left out: 63 random bits and never 0, as kubeadm's. DER's INTEGER: no needless zeros, a zero before a set top bit. */
function serialBytes(hex: string | undefined): Buffer {
  let bytes: Buffer
  if (hex === undefined) {
    bytes = randomBytes(8)
    bytes[0]! &= 0x7f
    if (bytes.every(byte => byte === 0)) bytes[7] = 1
  } else bytes = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex')
  while (bytes.length > 1 && bytes[0] === 0) bytes = bytes.subarray(1)
  return bytes[0]! & 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes
}
