/** What a certificate says, read with node:crypto and @peculiar/x509. */
import { X509Certificate } from 'node:crypto'
import 'reflect-metadata'
import * as x509 from '@peculiar/x509'

const usageNames: Record<string, string> = {
  '1.3.6.1.5.5.7.3.1': 'serverAuth',
  '1.3.6.1.5.5.7.3.2': 'clientAuth',
}

export interface Reading {
  commonName: string
  organizations: string[]
  issuer: string
  serial: bigint
  notBefore: Date
  notAfter: Date
  isCa: boolean
  keyUsages: string[]
  extKeyUsages: string[]
  dnsNames: string[]
  ipAddresses: string[]
  subjectKeyId: string | undefined
  authorityKeyId: string | undefined
  critical: string[]
  /** The extensions' OIDs, in order. */
  order: string[]
  node: X509Certificate
}

export function read(pem: string): Reading {
  const node = new X509Certificate(pem)
  const certificate = new x509.X509Certificate(new Uint8Array(node.raw))
  const names = certificate.getExtension(x509.SubjectAlternativeNameExtension)?.names.items ?? []
  const flags = certificate.getExtension(x509.KeyUsagesExtension)?.usages ?? 0
  return {
    commonName: certificate.subjectName.getField('CN').join(),
    organizations: certificate.subjectName.getField('O'),
    issuer: certificate.issuerName.getField('CN').join(),
    serial: BigInt(`0x${node.serialNumber}`),
    notBefore: node.validFromDate,
    notAfter: node.validToDate,
    isCa: node.ca,
    keyUsages: Object.entries(x509.KeyUsageFlags)
      .filter(([, bit]) => typeof bit === 'number' && (flags & bit) !== 0)
      .map(([name]) => name),
    // Array.from: the library's lists are subclasses of Array
    extKeyUsages: Array.from(
      certificate.getExtension(x509.ExtendedKeyUsageExtension)?.usages ?? [],
      oid => usageNames[String(oid)] ?? String(oid),
    ),
    dnsNames: names.filter(name => name.type === 'dns').map(name => name.value),
    ipAddresses: names.filter(name => name.type === 'ip').map(name => name.value),
    subjectKeyId: certificate.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId,
    authorityKeyId: certificate.getExtension(x509.AuthorityKeyIdentifierExtension)?.keyId,
    critical: Array.from(certificate.extensions)
      .filter(extension => extension.critical)
      .map(extension => extension.type),
    order: Array.from(certificate.extensions, extension => extension.type),
    node,
  }
}
