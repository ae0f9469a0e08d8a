/** What a CSR asks for: its PKCS#10, read. */
import type { KeyObject } from 'node:crypto'
import { checkRequestSignature, parseCertificateRequest } from '#x509/certificate-request.ts'
import { scanPem } from '#x509/pem-scanner.ts'

export interface Request {
  subject: { commonName: string; organizations: readonly string[] }
  /** DER, as it stands in the request. */
  subjectDer: Uint8Array
  publicKey: KeyObject
  dnsNames: readonly string[]
  ipAddresses: readonly string[]
  emailAddresses: readonly string[]
  uris: readonly string[]
}

/**
 * capihelper.ParseCSR, and the check of its signature.
 * @param base64 spec.request: PEM of one CERTIFICATE REQUEST
 * @throws Error when it is no PKCS#10 request signed by its own key, in Go's words
 */
export function readRequest(base64: string): Request {
  const [block] = scanPem(Buffer.from(base64, 'base64').toString('latin1'))
  if (block?.label !== 'CERTIFICATE REQUEST') throw new Error('PEM block type must be CERTIFICATE REQUEST')
  const request = parseCertificateRequest(block.der)
  const refused = checkRequestSignature(request)
  if (refused) throw new Error(refused)
  return { ...request, subjectDer: request.subject.der }
}
