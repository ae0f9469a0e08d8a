/** What an existing certificate says, in the form that a new one is made from. */

import { ipToString } from '#x509/ip-addresses.ts'
import type { Certificate } from '#x509/types.ts'
import type { CertificateContent } from './certificates.ts'
import { extKeyUsages } from './types.ts'

/**
 * What kubeadm's renewal copies (certToConfig): the last CN, every O, DNS names and IPs, and the extended key usages that Go knows.
 * Key usages are kubeadm's own; the rest (other attributes, URIs, …) is lost, as it is there.
 */
export function contentToRenew(certificate: Certificate): Omit<CertificateContent, 'notBefore' | 'notAfter'> {
  const { subject, subjectAltName, extKeyUsage = [] } = certificate
  return {
    subject: { commonName: subject.commonName, organizations: subject.organizations },
    dnsNames: subjectAltName?.dnsNames ?? [],
    ipAddresses: subjectAltName?.ipAddresses.map(ipToString) ?? [],
    extKeyUsages: extKeyUsages
      .filter(usage => extKeyUsage.includes(usage))
      .sort((a, b) => extKeyUsage.indexOf(a) - extKeyUsage.indexOf(b)),
    keyUsages: ['digitalSignature', 'keyEncipherment'],
  }
}
