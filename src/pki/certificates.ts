/** One certificate, signed by an authority or by itself: what @peculiar/x509 is given, and the PEM that comes of it. */
import { createPublicKey, hash, type KeyObject, randomBytes, type webcrypto, X509Certificate } from 'node:crypto'
import type { Extension, X509Certificate as PeculiarCertificate } from '@peculiar/x509'
import { nameOf, type Subject } from './names.ts'
import type { ExtKeyUsage, KeyUsage, NameConstraints, SignatureHash } from './types.ts'
import { loadX509 } from './x509.ts'

/** Everything that a certificate says. */
export interface CertificateContent {
  subject: Subject
  /** The subject's DER, when it must stay exactly as it was (renewal, a CSR); wins over `subject`. */
  subjectDer?: Uint8Array
  notBefore: Date
  notAfter: Date
  isCa?: boolean
  pathLength?: number
  keyUsages?: readonly KeyUsage[]
  extKeyUsages?: readonly ExtKeyUsage[]
  dnsNames?: readonly string[]
  ipAddresses?: readonly string[]
  uris?: readonly string[]
  emailAddresses?: readonly string[]
  nameConstraints?: NameConstraints
  /** Lower-case hex; left out: random. */
  serialNumber?: string
  signatureHash?: SignatureHash
}

/** Who signs: an authority's certificate (PEM) and key. */
export interface Signer {
  certificate: string
  key: KeyObject
}

/** A certificate's PEM, with a newline at its end. `publicKey` may be a private key, whose public half is taken. */
export async function issueCertificate(
  content: CertificateContent,
  publicKey: KeyObject,
  signer: Signer | { self: KeyObject },
): Promise<string> {
  const x509 = await loadX509()
  const key = 'self' in signer ? signer.self : signer.key
  const spki = (publicKey.type === 'private' ? createPublicKey(publicKey) : publicKey).export({
    format: 'der',
    type: 'spki',
  })
  const keyId = await keyIdOf(spki)
  const subject = content.subjectDer
    ? new x509.Name(content.subjectDer as Uint8Array<ArrayBuffer>)
    : new x509.Name(nameOf(content.subject))
  const issuer = 'self' in signer ? undefined : await parsed(signer.certificate)
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: content.serialNumber ?? randomSerial(),
    subject,
    // the object, not its text: Go compares the bytes of the two names
    issuer: issuer ? issuer.subjectName : subject,
    notBefore: content.notBefore,
    notAfter: content.notAfter,
    publicKey: spki,
    signingKey: signingKey(key, content.signatureHash),
    signingAlgorithm: signingAlgorithm(key, content.signatureHash),
    extensions: await extensionsOf(content, keyId, issuer ? authorityKeyIdOf(issuer, x509) : keyId),
  })
  return pem(certificate.rawData)
}

const pem = (der: ArrayBuffer) =>
  `-----BEGIN CERTIFICATE-----\n${Buffer.from(der)
    .toString('base64')
    .replace(/.{64}(?=.)/g, '$&\n')}\n-----END CERTIFICATE-----\n`

/** In Go's order, and critical where Go makes them so. */
async function extensionsOf(
  content: CertificateContent,
  keyId: string,
  authorityKeyId: string | undefined,
): Promise<Extension[]> {
  const x509 = await loadX509()
  const { keyUsages = [], extKeyUsages = [], isCa = false, nameConstraints } = content
  const extensions: Extension[] = []
  if (keyUsages.length > 0) {
    const flags = keyUsages.reduce((bits, usage) => bits | x509.KeyUsageFlags[usage], 0)
    extensions.push(new x509.KeyUsagesExtension(flags, true))
  }
  if (extKeyUsages.length > 0) {
    const oids = extKeyUsages.map(usage =>
      usage === 'anyExtendedKeyUsage' ? '2.5.29.37.0' : x509.ExtendedKeyUsage[usage],
    )
    extensions.push(new x509.ExtendedKeyUsageExtension(oids, false))
  }
  extensions.push(new x509.BasicConstraintsExtension(isCa, isCa ? content.pathLength : undefined, true))
  extensions.push(new x509.SubjectKeyIdentifierExtension(keyId, false))
  if (authorityKeyId) extensions.push(new x509.AuthorityKeyIdentifierExtension(authorityKeyId, false))
  const names = [
    ...(content.dnsNames ?? []).map(value => ({ type: 'dns' as const, value })),
    ...(content.emailAddresses ?? []).map(value => ({ type: 'email' as const, value })),
    ...(content.ipAddresses ?? []).map(value => ({ type: 'ip' as const, value })),
    ...(content.uris ?? []).map(value => ({ type: 'url' as const, value })),
  ]
  if (names.length > 0) {
    const emptySubject =
      !content.subjectDer && content.subject.commonName === '' && content.subject.organizations.length === 0
    extensions.push(new x509.SubjectAlternativeNameExtension(names, emptySubject))
  }
  if (nameConstraints) extensions.push(await nameConstraintsExtension(nameConstraints))
  return extensions
}

async function nameConstraintsExtension(constraints: NameConstraints): Promise<Extension> {
  const [x509, asn1, { AsnConvert }] = await Promise.all([
    loadX509(),
    import('@peculiar/asn1-x509'),
    import('@peculiar/asn1-schema'),
  ])
  const trees = (dns: readonly string[], ranges: readonly string[]) => {
    const subtrees = [
      ...dns.map(dNSName => new asn1.GeneralSubtree({ base: new asn1.GeneralName({ dNSName }) })),
      ...ranges.map(iPAddress => new asn1.GeneralSubtree({ base: new asn1.GeneralName({ iPAddress }) })),
    ]
    return subtrees.length > 0 ? new asn1.GeneralSubtrees(subtrees) : undefined
  }
  const permittedSubtrees = trees(constraints.permittedDnsNames, constraints.permittedIpRanges)
  const excludedSubtrees = trees(constraints.excludedDnsNames, constraints.excludedIpRanges)
  const value = new asn1.NameConstraints({
    ...(permittedSubtrees ? { permittedSubtrees } : {}),
    ...(excludedSubtrees ? { excludedSubtrees } : {}),
  })
  return new x509.Extension(asn1.id_ce_nameConstraints, true, AsnConvert.serialize(value))
}

/** As Go computes it: SHA-1 of the public key's bits (RFC 5280 §4.2.1.2, method 1). */
async function keyIdOf(spki: Buffer): Promise<string> {
  const [{ AsnConvert }, { SubjectPublicKeyInfo }] = await Promise.all([
    import('@peculiar/asn1-schema'),
    import('@peculiar/asn1-x509'),
  ])
  return hash('sha1', Buffer.from(AsnConvert.parse(spki, SubjectPublicKeyInfo).subjectPublicKey), 'hex')
}

/** The issuer's own SKI as it stands in its certificate; undefined when it has none, and then the leaf gets no AKI, as in Go. */
function authorityKeyIdOf(issuer: PeculiarCertificate, x509: Awaited<ReturnType<typeof loadX509>>): string | undefined {
  return issuer.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId
}

const parsedIssuers = new Map<string, PeculiarCertificate>()

/** An authority signs many: its certificate is parsed once. */
async function parsed(certificate: string): Promise<PeculiarCertificate> {
  const known = parsedIssuers.get(certificate)
  if (known) return known
  const x509 = await loadX509()
  const issuer = new x509.X509Certificate(new Uint8Array(new X509Certificate(certificate).raw))
  if (parsedIssuers.size > 100) parsedIssuers.clear()
  parsedIssuers.set(certificate, issuer)
  return issuer
}

/** 63 bits and never 0, as kubeadm's. */
function randomSerial(): string {
  const bytes = randomBytes(8)
  bytes[0]! &= 0x7f
  if (bytes.every(byte => byte === 0)) bytes[7] = 1
  // DER has no leading zeros
  return BigInt(`0x${bytes.toString('hex')}`)
    .toString(16)
    .replace(/^(.(?:..)*)$/, '0$1')
}

/** Go's choice: the hash that goes with the curve, SHA-256 for RSA. */
function hashFor(key: KeyObject, wanted: SignatureHash | undefined): SignatureHash {
  if (wanted) return wanted
  const curve = key.asymmetricKeyDetails?.namedCurve
  return curve === 'secp384r1' ? 'SHA-384' : curve === 'secp521r1' ? 'SHA-512' : 'SHA-256'
}

function signingAlgorithm(key: KeyObject, wanted: SignatureHash | undefined) {
  const name =
    key.asymmetricKeyType === 'ec' ? 'ECDSA' : key.asymmetricKeyType === 'rsa' ? 'RSASSA-PKCS1-v1_5' : 'Ed25519'
  return { name, hash: hashFor(key, wanted) }
}

const curves: Record<string, string> = { prime256v1: 'P-256', secp384r1: 'P-384', secp521r1: 'P-521' }

function signingKey(key: KeyObject, wanted: SignatureHash | undefined): webcrypto.CryptoKey {
  const { name, hash } = signingAlgorithm(key, wanted)
  const namedCurve = curves[key.asymmetricKeyDetails?.namedCurve ?? ''] ?? ''
  const algorithm = name === 'ECDSA' ? { name, namedCurve } : name === 'Ed25519' ? { name } : { name, hash }
  return key.toCryptoKey(algorithm, false, ['sign'])
}
