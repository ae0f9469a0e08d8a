/** Certificate extensions as Go's processExtensions reads them; what is malformed here makes the whole certificate so. */
import { type AlternativeName, parseAlternativeNames } from './alternative-names.ts'
import { constructed, context, DerReader, tag } from './der.ts'
import { CertificateParseError } from './errors.ts'
import { type NameConstraints, parseNameConstraints } from './name-constraints-extension.ts'
import { type PolicyExtensions, parsePolicyExtension } from './policy-extensions.ts'
import type { Certificate, Voice } from './types.ts'

interface Extension {
  oid: string
  critical: boolean
  value: Uint8Array
}

export type ExtensionFields = Pick<
  Certificate,
  'basicConstraints' | 'keyUsage' | 'extKeyUsage' | 'subjectAltName' | 'subjectKeyId' | 'authorityKeyId'
> &
  PolicyExtensions & {
    unhandledCriticalExtensions: string[]
    /** All of the subjectAltName's entries that Go knows, in order. */
    alternativeNames: readonly AlternativeName[]
    rawSubjectAltName?: Uint8Array
    nameConstraints?: NameConstraints
  }

const fail = (what: string): never => {
  throw new CertificateParseError(`x509: ${what}`)
}

/** RFC 5280 §4.2.1.3, by bit. */
const keyUsages = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
]

const extKeyUsages: Record<string, string> = {
  '2.5.29.37.0': 'anyExtendedKeyUsage',
  '1.3.6.1.5.5.7.3.1': 'serverAuth',
  '1.3.6.1.5.5.7.3.2': 'clientAuth',
  '1.3.6.1.5.5.7.3.3': 'codeSigning',
  '1.3.6.1.5.5.7.3.4': 'emailProtection',
  '1.3.6.1.5.5.7.3.5': 'ipsecEndSystem',
  '1.3.6.1.5.5.7.3.6': 'ipsecTunnel',
  '1.3.6.1.5.5.7.3.7': 'ipsecUser',
  '1.3.6.1.5.5.7.3.8': 'timeStamping',
  '1.3.6.1.5.5.7.3.9': 'OCSPSigning',
}

/** @param sequence the content of Extensions */
export function parseExtensions(sequence: DerReader, voice: Voice): ExtensionFields {
  const extensions: Extension[] = []
  const seen = new Set<string>()
  while (!sequence.empty) {
    const extension = parseExtension(sequence.enter(tag.sequence) ?? fail('malformed extension'))
    if (seen.has(extension.oid)) {
      fail(
        voice === 'go1.19'
          ? 'certificate contains duplicate extensions'
          : `certificate contains duplicate extension with OID "${extension.oid}"`,
      )
    }
    seen.add(extension.oid)
    extensions.push(extension)
  }
  const fields: ExtensionFields = { unhandledCriticalExtensions: [], alternativeNames: [] }
  for (const extension of extensions) {
    const handled = handlers[extension.oid]?.(fields, extension, voice) ?? false
    if (!handled && extension.critical) fields.unhandledCriticalExtensions.push(extension.oid)
  }
  return fields
}

function parseExtension(reader: DerReader): Extension {
  const oid = reader.oid() ?? fail('malformed extension OID field')
  let critical = false
  if (reader.peek() === tag.boolean) critical = reader.boolean() ?? fail('malformed extension critical field')
  const value = reader.read(tag.octetString) ?? fail('malformed extension value field')
  return { oid, critical, value }
}

/** Reads an extension into `fields`; false when Go does not understand (all of) it, which matters when it is critical. */
type Handler = (fields: ExtensionFields, extension: Extension, voice: Voice) => boolean

/** Policy extensions are verified since Go 1.24; Go 1.19 knows only certificatePolicies, and does nothing with it. */
const policies: Handler = (fields, { oid, value }, voice) => parsePolicyExtension(fields, oid, value, voice)

const handlers: Record<string, Handler> = {
  '2.5.29.15': (fields, { value }, voice) => {
    const { bytes, bitLength } = new DerReader(value, voice).bitString() ?? fail('invalid key usage')
    fields.keyUsage = keyUsages.filter((_, bit) => bit < bitLength && bytes[bit >> 3]! & (0x80 >> (bit & 7)))
    return true
  },
  '2.5.29.19': (fields, { value }, voice) => {
    fields.basicConstraints = parseBasicConstraints(value, voice)
    return true
  },
  '2.5.29.17': (fields, { value }, voice) => {
    const names = parseAlternativeNames(value, voice)
    const of = <K extends AlternativeName['kind']>(kind: K) =>
      names.filter((name): name is Extract<AlternativeName, { kind: K }> => name.kind === kind)
    fields.alternativeNames = names
    fields.rawSubjectAltName = value
    fields.subjectAltName = {
      dnsNames: of('dns').map(({ value }) => value),
      ipAddresses: of('ip').map(({ value }) => value),
      emailAddresses: of('email').map(({ value }) => value),
      uris: of('uri').map(({ value }) => value),
    }
    return names.length > 0
  },
  '2.5.29.30': (fields, { value }, voice) => {
    const { constraints, unhandled } = parseNameConstraints(value, voice)
    fields.nameConstraints = constraints
    return !unhandled
  },
  '2.5.29.31': (_, { value }, voice) => {
    checkDistributionPoints(new DerReader(value, voice))
    return true
  },
  '2.5.29.35': (fields, { value, critical }, voice) => {
    // RFC 5280 §4.2.1.1: MUST be non-critical
    if (critical && voice !== 'go1.19') fail('authority key identifier incorrectly marked critical')
    const sequence = new DerReader(value, voice).enter(tag.sequence) ?? fail('invalid authority key identifier')
    const keyId = sequence.optional(context(0))
    if (keyId === undefined) fail('invalid authority key identifier')
    if (keyId) fields.authorityKeyId = keyId
    return true
  },
  '2.5.29.14': (fields, { value, critical }, voice) => {
    if (critical && voice !== 'go1.19') fail('subject key identifier incorrectly marked critical')
    fields.subjectKeyId = new DerReader(value, voice).read(tag.octetString) ?? fail('invalid subject key identifier')
    return true
  },
  '2.5.29.37': (fields, { value }, voice) => {
    const sequence = new DerReader(value, voice).enter(tag.sequence) ?? fail('invalid extended key usages')
    const usages: string[] = []
    while (!sequence.empty) {
      const oid = sequence.oid() ?? fail('invalid extended key usages')
      usages.push(extKeyUsages[oid] ?? oid)
    }
    fields.extKeyUsage = usages
    return true
  },
  '2.5.29.32': policies,
  '2.5.29.33': policies,
  '2.5.29.36': policies,
  '2.5.29.54': policies,
  '1.3.6.1.5.5.7.1.1': (_, { value, critical }, voice) => {
    if (critical && voice !== 'go1.19') fail('authority info access incorrectly marked critical')
    checkAuthorityInfoAccess(new DerReader(value, voice))
    return true
  },
}

function parseBasicConstraints(value: Uint8Array, voice: Voice): { isCa: boolean; pathLength?: number } {
  // Go 1.19 says in which of three places
  const invalid = (place: string) => fail(`invalid basic constraints${voice === 'go1.19' ? ` ${place}` : ''}`)
  const sequence = new DerReader(value, voice).enter(tag.sequence) ?? invalid('a')
  const isCa = sequence.peek() === tag.boolean ? (sequence.boolean() ?? invalid('b')) : false
  if (sequence.peek() !== tag.integer) return { isCa }
  const length = sequence.integer() ?? invalid('c')
  if (BigInt.asIntN(64, length) !== length) invalid('c')
  // a negative number is no limit
  return length < 0n ? { isCa } : { isCa, pathLength: Number(length) }
}

/** RFC 5280 §4.2.1.13. Nothing of it is used; only its form is checked. */
function checkDistributionPoints(reader: DerReader): void {
  const points = reader.enter(tag.sequence) ?? fail('invalid CRL distribution points')
  while (!points.empty) {
    const invalid = () => fail('invalid CRL distribution point')
    const point = points.enter(tag.sequence) ?? invalid()
    const name = point.optional(constructed(0))
    if (name === undefined) invalid()
    if (!name) continue
    const fullName = new DerReader(name).enter(constructed(0)) ?? invalid()
    while (fullName.peek() === context(6)) fullName.read(context(6)) ?? invalid()
  }
}

/** RFC 5280 §4.2.2.1. Only its form. */
function checkAuthorityInfoAccess(reader: DerReader): void {
  const invalid = () => fail('invalid authority info access')
  const descriptions = reader.enter(tag.sequence) ?? invalid()
  while (!descriptions.empty) {
    const description = descriptions.enter(tag.sequence) ?? invalid()
    if (description.oid() === undefined) invalid()
    if (description.peek() === context(6)) description.read(context(6)) ?? invalid()
  }
}
