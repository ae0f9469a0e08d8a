/** The words of this room: what a PKI plan holds once it is read, expanded and checked. Pure data. */
import type { TrustSlot } from './trust-slots.ts'

export const keyAlgorithms = [
  'ECDSA-P256',
  'ECDSA-P384',
  'RSA-2048',
  'RSA-3072',
  'RSA-4096',
  // Not kubeadm's; for scenarios about keys.
  'ECDSA-P521',
  'RSA-1024',
  'RSA-768',
  'Ed25519',
] as const
export type KeyAlgorithm = (typeof keyAlgorithms)[number]

export const signatureHashes = ['SHA-256', 'SHA-384', 'SHA-512', 'SHA-1'] as const
export type SignatureHash = (typeof signatureHashes)[number]

export const extKeyUsages = [
  'serverAuth',
  'clientAuth',
  'codeSigning',
  'emailProtection',
  'timeStamping',
  'OCSPSigning',
  'anyExtendedKeyUsage',
] as const
export type ExtKeyUsage = (typeof extKeyUsages)[number]

export const keyUsages = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const
export type KeyUsage = (typeof keyUsages)[number]

export interface PlanNode {
  name: string
  /** Where its kubelet listens. */
  address: string
}

/** What kubeadm's ClusterConfiguration and InitConfiguration say, as far as certificates depend on it. */
export interface ClusterParameters {
  clusterName: string
  nodeName: string
  /** The first is `nodeName`. */
  nodes: readonly PlanNode[]
  /** Where etcd runs, with its address there. The first is `nodeName`, at `advertiseAddress`; the others have files of their own below `etcd/<name>/`. */
  etcdMembers: readonly PlanNode[]
  /** The control plane's IP: in the SANs of the apiserver and etcd. */
  advertiseAddress: string
  /** What kubeconfigs dial. */
  server: string
  /** The first address of the service network: the apiserver's inside the cluster. */
  serviceIP: string
  dnsDomain: string
  apiServerCertSANs: readonly string[]
  etcdServerCertSANs: readonly string[]
  etcdPeerCertSANs: readonly string[]
  /** Of the kubelet, controller-manager, scheduler and extension-apiserver (for containers, whose names are not `localhost`). */
  componentCertSANs: readonly string[]
  /** --requestheader-allowed-names. */
  requestheaderAllowedNames: readonly string[]
  /** Users bound to system:kubelet-api-admin. */
  kubeletApiAdmins: readonly string[]
}

/** A point in time: RFC 3339, or a duration from now (`-1d`). */
type When = string

/** An extension as other tools write it. */
interface ExtraExtension {
  oid: string
  critical?: boolean
  /** Its DER, in hex. */
  value: string
}

/** What authorities, certificates and kubeconfigs have in common: everything that goes into a certificate. */
export interface Issuance {
  name: string
  /** The path without extension, relative to the state directory; a kubeconfig's with extension. */
  file: string
  /** An authority's name, or `self`. */
  issuer: string
  /** '' leaves the CN out. May hold `${unixTime}`, filled in when issued. */
  commonName: string
  organizations: readonly string[]
  keyAlgorithm: KeyAlgorithm
  /** As signed by the issuer; undefined: by its key, as Go chooses. */
  signatureHash?: SignatureHash
  extraExtensions?: readonly ExtraExtension[]
  keyUsages: readonly KeyUsage[]
  extKeyUsages: readonly ExtKeyUsage[]
  dnsNames: readonly string[]
  ipAddresses: readonly string[]
  uris: readonly string[]
  emailAddresses: readonly string[]
  /** basicConstraints CA. */
  isCa: boolean
  /** From now on, in milliseconds. `notAfter` wins. */
  validityMs: number
  /** How far before now it begins; undefined: as its issuer does (kubeadm's rule for leaves). `notBefore` wins. */
  backdateMs?: number
  notBefore?: When
  notAfter?: When
  /** Lower-case hex; undefined: random, 63 bits. */
  serialNumber?: string
  /** Authorities whose certificates follow the leaf in the .crt file. */
  chain: readonly string[]
  /** Another entry whose key this certificate is for (cross-signing, renewal with the same key). */
  sameKeyAs?: string
}

export interface NameConstraints {
  permittedDnsNames: readonly string[]
  excludedDnsNames: readonly string[]
  /** CIDR: `10.0.0.0/8`. */
  permittedIpRanges: readonly string[]
  excludedIpRanges: readonly string[]
}

export interface AuthoritySpec extends Issuance {
  certificateFile: string
  keyFile: string
  pathLength?: number
  nameConstraints?: NameConstraints
}

export interface CertificateSpec extends Issuance {
  certificateFile: string
  keyFile: string
  keyMode: number
  /** The key written beside it is another entry's: the fault "certificate and key do not belong together". */
  keyFrom?: string
  /** It is this other certificate, the same files. */
  sameAs?: string
  /** The node that it belongs to, for entries that are made once a node. */
  node?: string
  /** The etcd member after the first whose certificate it is. */
  etcdMember?: string
  /** True: `kubeadm certs` lists and renews it. */
  managed: boolean
  /** kubeadm's words for it: "certificate for serving the Kubernetes API". */
  longName: string
}

export interface KubeconfigSpec extends Issuance {
  mode: number
  server: string
  /** Its certificate-authority-data. */
  trust: readonly string[]
  clusterName: string
  node?: string
  managed: boolean
  longName: string
}

/** A bare key pair: `<file>.key` and `<file>.pub`. */
export interface KeyPairSpec {
  name: string
  file: string
  keyFile: string
  publicKeyFile: string
  keyAlgorithm: KeyAlgorithm
}

export interface Plan {
  name: string
  description: string
  /** Where it was read from. */
  file?: string
  kubernetesVersion: string
  cluster: ClusterParameters
  keyAlgorithm: KeyAlgorithm
  authorities: readonly AuthoritySpec[]
  certificates: readonly CertificateSpec[]
  kubeconfigs: readonly KubeconfigSpec[]
  keyPairs: readonly KeyPairSpec[]
  /** Authorities, and self-signed certificates to pin, by slot. A slot that is not there is not configured. */
  trust: Readonly<Partial<Record<TrustSlot, readonly string[]>>>
  /** Every slot has a file of its own, also when it holds one authority: what a rotation needs, during which it holds two. */
  ownTrustFiles: boolean
  /** As written, before expansion: what `applyChanges` starts from. */
  document: PlanDocument
}

/** A file of a PKI, in memory. */
interface PkiFile {
  content: string
  mode: number
  /** Of the certificate in it, when there is one. */
  notAfter?: Date
}

/** Path relative to the state directory → file. */
export type PkiFiles = Map<string, PkiFile>

// --- as written -----------------------------------------------------------------------------------------------

/** The fields of a row as written in YAML; all optional here, since changes name only what they change. */
export interface RowDocument {
  name?: string
  file?: string
  issuer?: string
  commonName?: string
  organizations?: string[]
  keyAlgorithm?: KeyAlgorithm
  signatureHash?: SignatureHash
  extraExtensions?: ExtraExtension[]
  keyUsages?: KeyUsage[]
  extKeyUsages?: ExtKeyUsage[]
  dnsNames?: string[]
  ipAddresses?: string[]
  certSANs?: string[]
  uris?: string[]
  emailAddresses?: string[]
  isCa?: boolean
  validity?: string
  backdate?: string
  notBefore?: When
  notAfter?: When
  serialNumber?: string
  chain?: string[]
  sameKeyAs?: string
  since?: string
  /** Kubernetes version → fields that were different before it. */
  before?: Record<string, RowDocument>
}
export interface AuthorityDocument extends RowDocument {
  pathLength?: number
  nameConstraints?: Partial<NameConstraints>
}
export interface CertificateDocument extends RowDocument {
  sameAs?: string
  keyMode?: string
  keyFrom?: string
  forEach?: 'node' | 'otherNode'
  managed?: boolean
  longName?: string
}
export interface KubeconfigDocument extends RowDocument {
  mode?: string
  server?: string
  trust?: string[]
  clusterName?: string
  forEach?: 'node' | 'otherNode'
  managed?: boolean
  longName?: string
}
interface KeyPairDocument {
  name?: string
  file?: string
  keyAlgorithm?: KeyAlgorithm
}
export interface ClusterDocument {
  clusterName?: string
  nodeName?: string
  nodes?: { name: string; address?: string }[]
  etcdMembers?: { name: string; address: string }[]
  advertiseAddress?: string
  server?: string
  serviceIP?: string
  dnsDomain?: string
  apiServerCertSANs?: string[]
  etcdServerCertSANs?: string[]
  etcdPeerCertSANs?: string[]
  componentCertSANs?: string[]
  requestheaderAllowedNames?: string[]
  kubeletApiAdmins?: string[]
}
interface Parameters {
  /** See `Plan`. */
  ownTrustFiles?: boolean
  kubernetesVersion?: string
  cluster?: ClusterDocument
  keyAlgorithm?: KeyAlgorithm
  certificateValidityPeriod?: string
  caCertificateValidityPeriod?: string
}
/** A plan as written. */
export interface PlanDocument extends Parameters {
  name?: string
  description?: string
  /** Another plan, relative to this file, that `changes` apply to. */
  extends?: string
  changes?: PlanChanges
  authorities?: AuthorityDocument[]
  certificates?: CertificateDocument[]
  kubeconfigs?: KubeconfigDocument[]
  keyPairs?: KeyPairDocument[]
  trust?: Partial<Record<TrustSlot, string[]>>
}
/** Changes to a plan, by name: a row's fields replace its own, an unknown name adds a row, null takes it out. */
export interface PlanChanges extends Parameters {
  authorities?: Record<string, AuthorityDocument | null>
  certificates?: Record<string, CertificateDocument | null>
  kubeconfigs?: Record<string, KubeconfigDocument | null>
  keyPairs?: Record<string, KeyPairDocument | null>
  trust?: Partial<Record<TrustSlot, string[] | null>>
}
