/** What a CSR asks for: its PKCS#10, read. */
import { createPublicKey, type KeyObject } from 'node:crypto'

export interface Request {
  subject: { commonName: string; organizations: string[] }
  /** DER, as it stands in the request. */
  subjectDer: Uint8Array
  publicKey: KeyObject
  dnsNames: string[]
  ipAddresses: string[]
  emailAddresses: string[]
  uris: string[]
}

/**
 * @param base64 spec.request: PEM of one CERTIFICATE REQUEST
 * @throws Error when it is no PKCS#10 request signed by its own key
 */
export async function readRequest(base64: string): Promise<Request> {
  const pem = Buffer.from(base64, 'base64').toString('latin1')
  if (!/-----BEGIN (NEW )?CERTIFICATE REQUEST-----/.test(pem))
    throw new Error('PEM block type must be CERTIFICATE REQUEST')
  const { Pkcs10CertificateRequest, SubjectAlternativeNameExtension } = await import('./pkcs10.ts')
  const request = new Pkcs10CertificateRequest(pem.replaceAll('NEW CERTIFICATE REQUEST', 'CERTIFICATE REQUEST'))
  if (!(await request.verify())) throw new Error('the signature of the request does not fit its key')
  const names =
    request.extensions.find(extension => extension instanceof SubjectAlternativeNameExtension)?.names.items ?? []
  const of = (type: string) => names.filter(name => name.type === type).map(name => name.value)
  return {
    subject: {
      commonName: request.subjectName.getField('CN').at(-1) ?? '',
      organizations: request.subjectName.getField('O'),
    },
    subjectDer: new Uint8Array(request.subjectName.toArrayBuffer()),
    publicKey: createPublicKey({ key: Buffer.from(request.publicKey.rawData), format: 'der', type: 'spki' }),
    dnsNames: of('dns'),
    ipAddresses: of('ip'),
    emailAddresses: of('email'),
    uris: of('url'),
  }
}
