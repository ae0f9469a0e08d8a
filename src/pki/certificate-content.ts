/** What an existing certificate says, in the form that a new one is made from. */
import type { CertificateContent } from './certificates.ts'
import type { ExtKeyUsage } from './types.ts'
import { loadX509 } from './x509.ts'

const usages: Record<string, ExtKeyUsage> = {
  '1.3.6.1.5.5.7.3.1': 'serverAuth',
  '1.3.6.1.5.5.7.3.2': 'clientAuth',
  '1.3.6.1.5.5.7.3.3': 'codeSigning',
  '1.3.6.1.5.5.7.3.4': 'emailProtection',
  '1.3.6.1.5.5.7.3.8': 'timeStamping',
  '1.3.6.1.5.5.7.3.9': 'ocspSigning',
  '2.5.29.37.0': 'anyExtendedKeyUsage',
}

/**
 * What kubeadm's renewal copies (certToConfig): the last CN, every O, DNS names and IPs, and the extended key usages that Go knows.
 * Key usages are kubeadm's own; the rest (other attributes, URIs, …) is lost, as it is there.
 */
export async function contentToRenew(der: Uint8Array): Promise<Omit<CertificateContent, 'notBefore' | 'notAfter'>> {
  const x509 = await loadX509()
  const certificate = new x509.X509Certificate(new Uint8Array(der))
  const names = certificate.getExtension(x509.SubjectAlternativeNameExtension)?.names.items ?? []
  const oids = certificate.getExtension(x509.ExtendedKeyUsageExtension)?.usages ?? []
  const valuesOf = (type: string) => names.filter(name => name.type === type).map(name => name.value)
  return {
    subject: {
      commonName: certificate.subjectName.getField('CN').at(-1) ?? '',
      organizations: certificate.subjectName.getField('O'),
    },
    dnsNames: valuesOf('dns'),
    ipAddresses: valuesOf('ip'),
    extKeyUsages: oids.flatMap(oid => usages[String(oid)] ?? []),
    keyUsages: ['digitalSignature', 'keyEncipherment'],
  }
}
