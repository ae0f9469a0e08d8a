/** A PKCS#10 request (RFC 2986), as Go's x509.CreateCertificateRequest writes it for kubeadm: names, no usages. */
import { type KeyObject, sign as signWithCallback } from 'node:crypto'
import { promisify } from 'node:util'
import type { CertificateContent } from './certificates.ts'
import { der, explicit, pem, sequence, subjectPublicKeyInfo, wrap } from './der-writer.ts'
import { alternativeNames } from './extensions.ts'
import { nameOf } from './names.ts'
import { algorithmFor } from './signature-algorithms.ts'

const sign = promisify(signWithCallback)

/** 1.2.840.113549.1.9.14, extensionRequest. */
const extensionRequest = Buffer.from('06092a864886f70d01090e', 'hex')

/** What a request can say of the certificate that is wanted. Who signs it adds usages and validity. */
export type RequestContent = Pick<
  CertificateContent,
  'subject' | 'dnsNames' | 'ipAddresses' | 'uris' | 'emailAddresses'
>

/** PEM, `CERTIFICATE REQUEST`, signed by the key that it is about. */
export async function createSigningRequest(content: RequestContent, key: KeyObject): Promise<string> {
  const names = alternativeNames(content)
  const attributes = names ? [wrap(sequence, extensionRequest, wrap(0x31, wrap(sequence, names)))] : []
  const info = wrap(
    sequence,
    wrap(0x02, Buffer.from([0])), // version 1
    der(nameOf(content.subject)),
    subjectPublicKeyInfo(key),
    wrap(explicit(0), ...attributes),
  )
  const algorithm = algorithmFor(key, undefined)
  const signature = await sign(algorithm.hash, info, key)
  return pem('CERTIFICATE REQUEST', wrap(sequence, info, algorithm.der, wrap(0x03, Buffer.from([0]), signature)))
}
