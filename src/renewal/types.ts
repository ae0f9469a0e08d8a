/** cert-manager.io/v1: the fields that are acted on. */
import type { Resource } from '#kubernetes/resources.ts'
import type { Condition, KubeObject } from '#kubernetes/types.ts'

export const group = 'cert-manager.io'

export interface IssuerReference {
  name: string
  kind?: string
  group?: string
}

export interface CertificateSpec {
  secretName: string
  issuerRef: IssuerReference
  commonName?: string
  subject?: { organizations?: string[] }
  dnsNames?: string[]
  ipAddresses?: string[]
  uris?: string[]
  emailAddresses?: string[]
  usages?: string[]
  isCA?: boolean
  /** Go's durations: `2160h`. */
  duration?: string
  renewBefore?: string
  renewBeforePercentage?: number
  revisionHistoryLimit?: number
  privateKey?: {
    algorithm?: 'RSA' | 'ECDSA' | 'Ed25519'
    size?: number
    rotationPolicy?: 'Always' | 'Never'
    encoding?: 'PKCS1' | 'PKCS8'
  }
  /** Put on the Secret besides its own. */
  secretTemplate?: { annotations?: Record<string, string>; labels?: Record<string, string> }
}

interface CertificateStatus {
  conditions?: Condition[]
  notBefore?: string
  notAfter?: string
  renewalTime?: string
  revision?: number
  nextPrivateKeySecretName?: string
  lastFailureTime?: string
  failedIssuanceAttempts?: number
}

export interface Certificate extends KubeObject {
  spec: CertificateSpec
  status?: CertificateStatus
}

export interface CertificateRequest extends KubeObject {
  spec: {
    /** Base64 of a PEM. */
    request: string
    issuerRef: IssuerReference
    duration?: string
    isCA?: boolean
    usages?: string[]
    username?: string
  }
  status?: {
    conditions?: Condition[]
    /** Base64 of PEM. */
    certificate?: string
    ca?: string
    failureTime?: string
  }
}

export interface Issuer extends KubeObject {
  spec: { ca?: { secretName: string }; selfSigned?: object } & Record<string, unknown>
  status?: { conditions?: Condition[] }
}

const define = <T extends KubeObject>(resource: string, kind: string, namespaced = true) =>
  ({ group, version: 'v1', resource, kind, namespaced }) as Resource<T>

export const certificates = define<Certificate>('certificates', 'Certificate')
export const certificateRequests = define<CertificateRequest>('certificaterequests', 'CertificateRequest')
export const issuers = define<Issuer>('issuers', 'Issuer')
export const clusterIssuers = define<Issuer>('clusterissuers', 'ClusterIssuer', false)

/** cert-manager's own annotations. */
export const annotation = {
  certificateName: `${group}/certificate-name`,
  revision: `${group}/certificate-revision`,
  privateKeySecret: `${group}/private-key-secret-name`,
  issuerName: `${group}/issuer-name`,
  issuerKind: `${group}/issuer-kind`,
  issuerGroup: `${group}/issuer-group`,
  commonName: `${group}/common-name`,
  altNames: `${group}/alt-names`,
  ipSans: `${group}/ip-sans`,
  uriSans: `${group}/uri-sans`,
} as const

/** Ours: the name of a certificate or kubeconfig of the PKI on disk that follows this Certificate. */
export const writesTo = 'trustplane.io/certificate'

export const issuerKind = ({ kind }: IssuerReference) => kind || 'Issuer'
