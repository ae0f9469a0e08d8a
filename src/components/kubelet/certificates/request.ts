/** A key and a PKCS#10 request for it, as the kubelet makes them: ECDSA P-256. */
import { generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'

export interface RequestTemplate {
  commonName: string
  organizations: readonly string[]
  dnsNames?: readonly string[]
  ipAddresses?: readonly string[]
}

export interface SigningRequest {
  /** PEM, `CERTIFICATE REQUEST`. */
  pem: string
  /** PEM, `EC PRIVATE KEY`. */
  key: string
}

export async function makeRequest(template: RequestTemplate): Promise<SigningRequest> {
  // loaded when it is needed: it is a large library
  await import('reflect-metadata')
  const x509 = await import('@peculiar/x509')
  const { privateKey, publicKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' })
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const webKey = (key: KeyObject, use: 'sign' | 'verify') => key.toCryptoKey(algorithm, true, [use])
  const names = [
    ...(template.dnsNames ?? []).map(value => ({ type: 'dns' as const, value })),
    ...(template.ipAddresses ?? []).map(value => ({ type: 'ip' as const, value })),
  ]
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    // O before CN, as Go's pkix.Name writes them
    name: [...template.organizations.map(value => ({ O: [value] })), { CN: [template.commonName] }],
    keys: { privateKey: webKey(privateKey, 'sign'), publicKey: webKey(publicKey, 'verify') },
    signingAlgorithm: algorithm,
    ...(names.length > 0 ? { extensions: [new x509.SubjectAlternativeNameExtension(names)] } : {}),
  })
  return {
    pem: `${request.toString('pem').trimEnd()}\n`,
    key: privateKey.export({ format: 'pem', type: 'sec1' }).toString(),
  }
}
