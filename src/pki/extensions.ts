/** The extensions of a certificate, in Go's order and critical where Go makes them so. */
import { AsnConvert, OctetString } from '@peculiar/asn1-schema'
import * as asn1 from '@peculiar/asn1-x509'
import type { CertificateContent } from './certificates.ts'
import type { ExtKeyUsage, NameConstraints } from './types.ts'

/** OIDs of RFC 5280 §4.2.1.12. */
const extKeyUsageOids: Readonly<Record<ExtKeyUsage, string>> = {
  serverAuth: asn1.id_kp_serverAuth,
  clientAuth: asn1.id_kp_clientAuth,
  codeSigning: asn1.id_kp_codeSigning,
  emailProtection: asn1.id_kp_emailProtection,
  timeStamping: asn1.id_kp_timeStamping,
  OCSPSigning: asn1.id_kp_OCSPSigning,
  anyExtendedKeyUsage: asn1.anyExtendedKeyUsage,
}

const bytes = (data: Uint8Array) => new Uint8Array(data).buffer

function extension(extnID: string, critical: boolean, value: unknown): Uint8Array {
  const extnValue = new OctetString(AsnConvert.serialize(value))
  return new Uint8Array(AsnConvert.serialize(new asn1.Extension({ extnID, critical, extnValue })))
}

const usual = new Map<string, Uint8Array>()

/** Most certificates say the same about usages and constraints: that is written once. */
function usually(extnID: string, critical: boolean, text: string, value: () => unknown): Uint8Array {
  const key = `${extnID} ${text}`
  let der = usual.get(key)
  if (!der) {
    der = extension(extnID, critical, value())
    usual.set(key, der)
  }
  return der
}

/**
 * The DER of each.
 * @param keyId of the certificate's own key
 * @param authorityKeyId of its issuer's; undefined when that has none
 */
export function extensionsOf(
  content: CertificateContent,
  keyId: Uint8Array,
  authorityKeyId: Uint8Array | undefined,
): Uint8Array[] {
  const { keyUsages = [], extKeyUsages = [], isCa = false, nameConstraints } = content
  const extensions: Uint8Array[] = []
  if (keyUsages.length > 0) {
    const flags = keyUsages.reduce((bits, usage) => bits | asn1.KeyUsageFlags[usage], 0)
    extensions.push(usually(asn1.id_ce_keyUsage, true, `${flags}`, () => new asn1.KeyUsage(flags)))
  }
  if (extKeyUsages.length > 0) {
    const oids = extKeyUsages.map(usage => extKeyUsageOids[usage])
    extensions.push(usually(asn1.id_ce_extKeyUsage, false, oids.join(), () => new asn1.ExtendedKeyUsage(oids)))
  }
  const pathLenConstraint = isCa ? content.pathLength : undefined
  extensions.push(
    usually(asn1.id_ce_basicConstraints, true, `${isCa} ${pathLenConstraint}`, () => {
      const pathLength = pathLenConstraint === undefined ? {} : { pathLenConstraint }
      return new asn1.BasicConstraints({ cA: isCa, ...pathLength })
    }),
  )
  extensions.push(extension(asn1.id_ce_subjectKeyIdentifier, false, new asn1.SubjectKeyIdentifier(bytes(keyId))))
  if (authorityKeyId) {
    const keyIdentifier = new asn1.KeyIdentifier(bytes(authorityKeyId))
    const identifier = new asn1.AuthorityKeyIdentifier({ keyIdentifier })
    extensions.push(extension(asn1.id_ce_authorityKeyIdentifier, false, identifier))
  }
  const names = alternativeNames(content)
  if (names) extensions.push(names)
  if (nameConstraints) {
    extensions.push(extension(asn1.id_ce_nameConstraints, true, nameConstraintsOf(nameConstraints)))
  }
  for (const { oid, critical, value } of content.extraExtensions ?? []) {
    const extnValue = new OctetString(value)
    extensions.push(new Uint8Array(AsnConvert.serialize(new asn1.Extension({ extnID: oid, critical, extnValue }))))
  }
  return extensions
}

/** subjectAltName; undefined without names. */
export function alternativeNames(content: Omit<CertificateContent, 'notBefore' | 'notAfter'>): Uint8Array | undefined {
  const names = alternativeNamesOf(content)
  if (names.length === 0) return undefined
  const { commonName, organizations } = content.subject
  // RFC 5280 §4.2.1.6: without a subject the names are all there is
  const critical = !content.subjectDer && commonName === '' && organizations.length === 0
  return extension(asn1.id_ce_subjectAltName, critical, new asn1.SubjectAlternativeName(names))
}

/** In Go's order: DNS names, mail addresses, IPs, URIs. */
function alternativeNamesOf(content: Omit<CertificateContent, 'notBefore' | 'notAfter'>): asn1.GeneralName[] {
  return [
    ...(content.dnsNames ?? []).map(dNSName => new asn1.GeneralName({ dNSName })),
    ...(content.emailAddresses ?? []).map(rfc822Name => new asn1.GeneralName({ rfc822Name })),
    ...(content.ipAddresses ?? []).map(iPAddress => new asn1.GeneralName({ iPAddress })),
    ...(content.uris ?? []).map(uniformResourceIdentifier => new asn1.GeneralName({ uniformResourceIdentifier })),
  ]
}

function nameConstraintsOf(constraints: NameConstraints): asn1.NameConstraints {
  const trees = (dns: readonly string[], ranges: readonly string[]) => {
    const subtrees = [
      ...dns.map(dNSName => new asn1.GeneralSubtree({ base: new asn1.GeneralName({ dNSName }) })),
      ...ranges.map(iPAddress => new asn1.GeneralSubtree({ base: new asn1.GeneralName({ iPAddress }) })),
    ]
    return subtrees.length > 0 ? new asn1.GeneralSubtrees(subtrees) : undefined
  }
  const permittedSubtrees = trees(constraints.permittedDnsNames, constraints.permittedIpRanges)
  const excludedSubtrees = trees(constraints.excludedDnsNames, constraints.excludedIpRanges)
  return new asn1.NameConstraints({
    ...(permittedSubtrees ? { permittedSubtrees } : {}),
    ...(excludedSubtrees ? { excludedSubtrees } : {}),
  })
}
