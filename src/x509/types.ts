/** The words of this room: what a certificate is after parsing, and what a verdict is. Pure data. */
import type { AlternativeName } from './alternative-names.ts'
import type { NameConstraints } from './name-constraints-extension.ts'
import type { PublicKey } from './public-keys.ts'
import type { Reason } from './reasons.ts'
import type { SignatureAlgorithm } from './signature-algorithms.ts'
import type { WrittenTime } from './times.ts'

/** Whose words and rules: Go 1.24 (current Kubernetes, etcd 3.5 and newer) or Go 1.19 (etcd 3.4 of Debian). */
export type Voice = 'go1.24' | 'go1.19'

export type Usage = 'serverAuth' | 'clientAuth' | 'any'

/** A distinguished name. `der` is what Go compares: the raw bytes. */
export interface DistinguishedName {
  der: Uint8Array
  /** In order of appearance; `type` is a dotted OID. A multi-valued RDN is flattened, as Go's pkix.Name.FillFromRDNSequence does. */
  attributes: readonly { type: string; value: string }[]
  /** Last CN, as Go's pkix.Name.CommonName; '' when there is none. */
  commonName: string
  /** Every O, in order, duplicates and empty strings kept. */
  organizations: readonly string[]
  /** As Go's pkix.Name.String() prints it: `CN=kubernetes-admin,O=system:masters`. */
  toString(): string
}

/** A certificate as Go's x509.ParseCertificate sees it. Immutable. */
export interface Certificate {
  der: Uint8Array
  /** SHA-256 of `der`, lower-case hex. */
  sha256: string
  version: 1 | 2 | 3
  serialNumber: bigint
  subject: DistinguishedName
  issuer: DistinguishedName
  notBefore: Date
  notAfter: Date
  subjectPublicKeyInfo: Uint8Array
  publicKeyAlgorithm: 'RSA' | 'ECDSA' | 'Ed25519' | 'DSA' | 'unknown'
  signatureAlgorithm: string
  /** Each undefined when the extension is absent. */
  basicConstraints?: { isCa: boolean; pathLength?: number }
  /** Names as in RFC 5280: digitalSignature, keyEncipherment, keyCertSign, … */
  keyUsage?: readonly string[]
  /** serverAuth, clientAuth, anyExtendedKeyUsage, …; an unknown one is its dotted OID. */
  extKeyUsage?: readonly string[]
  subjectAltName?: {
    dnsNames: readonly string[]
    /** 4 or 16 bytes each. */
    ipAddresses: readonly Uint8Array[]
    emailAddresses: readonly string[]
    uris: readonly string[]
  }
  subjectKeyId?: Uint8Array
  authorityKeyId?: Uint8Array
  /** OIDs of critical extensions that Go does not handle. */
  unhandledCriticalExtensions: readonly string[]
  /** What the verifier needs besides. */
  details: CertificateDetails
}

interface CertificateDetails {
  /** The signed part, with its header. */
  tbs: Uint8Array
  signature: Uint8Array
  signatureAlgorithm: SignatureAlgorithm
  publicKey: PublicKey
  notBefore: WrittenTime
  notAfter: WrittenTime
  /** Entries of subjectAltName that Go knows, in order. */
  alternativeNames: readonly AlternativeName[]
  /** The value of the extension, as twins are told apart by it. */
  rawSubjectAltName: Uint8Array | undefined
  nameConstraints: NameConstraints | undefined
  /** OIDs as hex of their DER. */
  policies: readonly string[]
  policyMappings: readonly { issuer: string; subject: string }[]
  requireExplicitPolicy: number | undefined
  inhibitPolicyMapping: number | undefined
  inhibitAnyPolicy: number | undefined
}

/** A list of revoked serials, as etcd uses it: no issuer, signature or date is looked at. */
export interface RevocationList {
  has(serialNumber: bigint): boolean
  /** Why the list cannot be read, when it cannot: nobody is let in then, as in etcd. */
  problem?: string
}

export interface VerifyOptions {
  /** What the peer sent, leaf first: PEM (text around blocks allowed), DER in order, or parsed. */
  chain: string | readonly Uint8Array[] | readonly Certificate[]
  /** The trust bundle. Any certificate in it is a trust anchor. */
  roots: string | readonly Uint8Array[] | readonly Certificate[]
  /** More candidates for issuers, besides the rest of `chain`. */
  intermediates?: string | readonly Uint8Array[] | readonly Certificate[]
  usage: Usage
  /** The host name or IP that was dialled; leave out for client certificates. */
  name?: string
  now: Date
  crls?: readonly RevocationList[]
  voice?: Voice
}

/** The TLS alert that a Go server of voice go1.24 answers with; see alertFor() for the other voice and end. */
export type RefusalAlert = 42 | 45 | 48 | 116

export type Verdict =
  | { verdict: 'accept'; chains: readonly (readonly Certificate[])[] }
  | {
      verdict: 'reject'
      reason: Reason
      alert: RefusalAlert
      /** Go's words, without the prefix of the place (`tls: failed to verify certificate: `). */
      message: string
      /** The certificate that the message is about, when it is known. */
      certificate?: Certificate
      /** Set when the failure was in parsing, which Go's TLS words differently. */
      parsing?: boolean
    }
