/** What a PKCS#10 request asks for. */
import 'reflect-metadata'
import { Pkcs10CertificateRequest } from '@peculiar/x509'

/** Every O of the subject. @param request base64 of PEM; what cannot be read has none, the strategy's validation says so */
export async function organizationsOf(request: string): Promise<string[]> {
  try {
    const csr = new Pkcs10CertificateRequest(Buffer.from(request, 'base64').toString('latin1'))
    return csr.subjectName.getField('O')
  } catch {
    return []
  }
}
