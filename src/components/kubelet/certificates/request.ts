/** A key and a PKCS#10 request for it, as the kubelet makes them: ECDSA P-256. */
import { generateKeyPair } from 'node:crypto'
import { promisify } from 'node:util'
import { ipToString, parseIp } from '#x509/ip-addresses.ts'
import type { Certificate } from '#x509/types.ts'

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

export async function makeRequest({ commonName, organizations, ...names }: RequestTemplate): Promise<SigningRequest> {
  // loaded when it is needed: the ASN.1 library takes its time
  const { createSigningRequest } = await import('#pki/signing-request.ts')
  const { privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' })
  return {
    pem: await createSigningRequest({ subject: { commonName, organizations }, ...names }, privateKey),
    key: privateKey.export({ format: 'pem', type: 'sec1' }).toString(),
  }
}

/** certSatisfiesTemplate: a certificate may say more than is asked for, not less. */
export function satisfies({ subject, subjectAltName }: Certificate, template: RequestTemplate): boolean {
  const canonical = (ip: string) => ipToString(parseIp(ip) ?? new Uint8Array())
  const addresses = (subjectAltName?.ipAddresses ?? []).map(ipToString)
  return (
    subject.commonName === template.commonName &&
    template.organizations.every(name => subject.organizations.includes(name)) &&
    (template.dnsNames ?? []).every(name => subjectAltName?.dnsNames.includes(name)) &&
    (template.ipAddresses ?? []).every(ip => addresses.includes(canonical(ip)))
  )
}
