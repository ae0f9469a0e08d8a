/** CAs and certificates of tests: made in memory, odd on request, thrown away. Synchronous, because they are many. */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import {
  bitString,
  boolean,
  type Der,
  element,
  explicit,
  ia5,
  integer,
  nothing,
  octetString,
  oid,
  sequence,
  set,
  time,
  utf8String,
} from './der-writer.ts'

export interface SubjectSpec {
  commonName?: string
  organizations?: readonly string[]
  /** Takes the place of all else: a Name with its header. */
  der?: Der
}

export interface KeyPairObjects {
  publicKey: KeyObject
  privateKey: KeyObject
}

export interface CertificateSpec {
  subject?: SubjectSpec
  keys?: KeyPairObjects
  serialNumber?: bigint
  version?: 1 | 2 | 3
  notBefore?: Date
  notAfter?: Date
  dnsNames?: readonly string[]
  ipAddresses?: readonly Der[]
  emailAddresses?: readonly string[]
  uris?: readonly string[]
  /** By name (serverAuth, clientAuth, any) or OID. */
  usages?: readonly string[]
  /** Bits, from digitalSignature = 0. */
  keyUsage?: readonly number[]
  isCa?: boolean
  pathLength?: number
  /** `null`: without the extension. */
  subjectKeyId?: Der | null
  authorityKeyId?: Der | null
  /** More extensions, as they are. */
  extensions?: readonly Der[]
  /** Signs with this hash; `sha256` by default, none for Ed25519. */
  hash?: 'md5' | 'sha1' | 'sha224' | 'sha256' | 'sha384' | 'sha512'
}

export interface Issued {
  der: Buffer
  pem: string
  keys: KeyPairObjects
  /** The key in PKCS#8 PEM. */
  keyPem: string
  /** The Name as it is on the certificate. */
  subject: Der
  subjectKeyId: Der | undefined
}

export type Authority = Issued

const usageOids: Record<string, string> = {
  any: '2.5.29.37.0',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
}

export const p256 = (): KeyPairObjects => generateKeyPairSync('ec', { namedCurve: 'prime256v1' })

export function nameOf({ commonName, organizations = [], der }: SubjectSpec): Der {
  if (der) return der
  const attribute = (type: string, value: string) => set(sequence(oid(type), utf8String(value)))
  return sequence(
    ...organizations.map(value => attribute('2.5.4.10', value)),
    ...(commonName === undefined ? [] : [attribute('2.5.4.3', commonName)]),
  )
}

export const extension = (id: string, critical: boolean, value: Der): Buffer =>
  sequence(oid(id), ...(critical ? [boolean(true)] : []), octetString(value))

export const subjectAltName = (...names: Der[]) => extension('2.5.29.17', false, sequence(...names))

/** Subtrees are GeneralNames: `ia5(0x82, 'example')`. */
export function nameConstraints(permitted: readonly Der[], excluded: readonly Der[] = [], critical = true): Buffer {
  const subtrees = (number: number, names: readonly Der[]) =>
    names.length === 0 ? [] : [explicit(number, ...names.map(name => sequence(name)))]
  return extension('2.5.29.30', critical, sequence(...subtrees(0, permitted), ...subtrees(1, excluded)))
}

const signatureOids: Record<string, Record<string, string>> = {
  ec: {
    sha1: '1.2.840.10045.4.1',
    sha224: '1.2.840.10045.4.3.1',
    sha256: '1.2.840.10045.4.3.2',
    sha384: '1.2.840.10045.4.3.3',
    sha512: '1.2.840.10045.4.3.4',
  },
  rsa: {
    md5: '1.2.840.113549.1.1.4',
    sha1: '1.2.840.113549.1.1.5',
    sha224: '1.2.840.113549.1.1.14',
    sha256: '1.2.840.113549.1.1.11',
    sha384: '1.2.840.113549.1.1.12',
    sha512: '1.2.840.113549.1.1.13',
  },
}

export function algorithmOf(key: KeyObject, hash: string): Buffer {
  if (key.asymmetricKeyType === 'ed25519') return sequence(oid('1.3.101.112'))
  const id = oid(signatureOids[key.asymmetricKeyType!]![hash]!)
  return key.asymmetricKeyType === 'rsa' ? sequence(id, nothing) : sequence(id)
}

/** Signs a TBSCertificate. */
export function signCertificate(tbs: Der, key: KeyObject, hash = 'sha256'): Buffer {
  const signature = sign(key.asymmetricKeyType === 'ed25519' ? null : hash, tbs, key)
  return sequence(tbs, algorithmOf(key, hash), bitString(signature))
}

/** A certificate issued by `issuer`; its own when undefined. */
export function issueCertificate(issuer: Issued | undefined, spec: CertificateSpec = {}): Issued {
  const keys = spec.keys ?? p256()
  const { version = 3, hash = 'sha256', isCa, subjectKeyId = isCa ? randomBytes(20) : null } = spec
  const subject = nameOf(spec.subject ?? { commonName: 'leaf' })
  const signer = issuer?.keys ?? keys
  const extensions = extensionsOf({ ...spec, subjectKeyId }, issuer)
  const tbs = sequence(
    ...(version === 1 ? [] : [explicit(0, integer(version - 1))]),
    integer(spec.serialNumber ?? BigInt(`0x${randomBytes(8).toString('hex')}`)),
    algorithmOf(signer.privateKey, hash),
    issuer?.subject ?? subject,
    sequence(
      time(spec.notBefore ?? new Date('2024-01-01T00:00:00Z')),
      time(spec.notAfter ?? new Date('2044-01-01T00:00:00Z')),
    ),
    subject,
    keys.publicKey.export({ format: 'der', type: 'spki' }),
    ...(version < 3 || extensions.length === 0 ? [] : [explicit(3, sequence(...extensions))]),
  )
  const der = signCertificate(tbs, signer.privateKey, hash)
  return {
    der,
    pem: pemOf(der),
    keys,
    keyPem: keys.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    subject,
    subjectKeyId: subjectKeyId ?? undefined,
  }
}

function extensionsOf(spec: CertificateSpec, issuer: Issued | undefined): Der[] {
  const { isCa, pathLength, keyUsage, usages, subjectKeyId, extensions = [] } = spec
  const authorityKeyId = spec.authorityKeyId === undefined ? issuer?.subjectKeyId : spec.authorityKeyId
  const names = [
    ...(spec.dnsNames ?? []).map(name => ia5(0x82, name)),
    ...(spec.ipAddresses ?? []).map(address => element(0x87, address)),
    ...(spec.emailAddresses ?? []).map(name => ia5(0x81, name)),
    ...(spec.uris ?? []).map(name => ia5(0x86, name)),
  ]
  const constraints = [...(isCa ? [boolean(true)] : []), ...(pathLength === undefined ? [] : [integer(pathLength)])]
  return [
    ...(isCa === undefined ? [] : [extension('2.5.29.19', true, sequence(...constraints))]),
    ...(keyUsage ? [extension('2.5.29.15', true, keyUsageBits(keyUsage))] : []),
    ...(usages
      ? [extension('2.5.29.37', false, sequence(...usages.map(usage => oid(usageOids[usage] ?? usage))))]
      : []),
    ...(names.length > 0 ? [subjectAltName(...names)] : []),
    ...(subjectKeyId ? [extension('2.5.29.14', false, octetString(subjectKeyId))] : []),
    ...(authorityKeyId ? [extension('2.5.29.35', false, sequence(element(0x80, authorityKeyId)))] : []),
    ...extensions,
  ]
}

function keyUsageBits(bits: readonly number[]): Buffer {
  const value = bits.reduce((sum, bit) => sum | (0x8000 >> bit), 0)
  const bytes = value & 0xff ? [value >> 8, value & 0xff] : [value >> 8]
  const last = bytes.at(-1)!
  const unused = last === 0 ? 0 : Math.clz32(last & -last) === 31 ? 0 : 31 - Math.clz32(last & -last)
  return value === 0 ? bitString(Buffer.alloc(0)) : bitString(Buffer.from(bytes), unused)
}

/** A CA, self-signed or issued by `issuer`, as kubeadm makes them. */
export function createAuthority({
  commonName,
  issuer,
  ...spec
}: { commonName: string; issuer?: Issued } & CertificateSpec): Authority {
  return issueCertificate(issuer, { subject: { commonName }, isCa: true, keyUsage: [0, 2, 5], ...spec })
}

export const pemOf = (der: Der, label = 'CERTIFICATE') =>
  `-----BEGIN ${label}-----\n${Buffer.from(der)
    .toString('base64')
    .replace(/.{64}(?=.)/g, '$&\n')}\n-----END ${label}-----\n`
