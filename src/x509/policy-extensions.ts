/** certificatePolicies, policyMappings, policyConstraints and inhibitAnyPolicy, as Go's processExtensions reads them. */
import { context, DerReader, integerOf, oidOf, tag } from './der.ts'
import { CertificateParseError } from './errors.ts'
import type { Voice } from './types.ts'

/** OIDs are kept as hex of their DER content: that is what Go compares. */
export interface PolicyExtensions {
  policies?: readonly string[]
  policyMappings?: readonly { issuer: string; subject: string }[]
  requireExplicitPolicy?: number
  inhibitPolicyMapping?: number
  inhibitAnyPolicy?: number
}

const fail = (what: string): never => {
  throw new CertificateParseError(`x509: ${what}`)
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** @returns whether Go of this voice understands the extension */
export function parsePolicyExtension(fields: PolicyExtensions, oid: string, value: Uint8Array, voice: Voice): boolean {
  const reader = new DerReader(value, voice)
  if (oid === '2.5.29.32') {
    fields.policies = parsePolicies(reader, voice)
    return true
  }
  // Go 1.19 does not know the others
  if (voice === 'go1.19') return false
  if (oid === '2.5.29.33') fields.policyMappings = parseMappings(reader)
  else if (oid === '2.5.29.36') parseConstraints(fields, reader)
  else fields.inhibitAnyPolicy = int64(reader.integer(), 'invalid inhibit any policy extension')
  return true
}

function parsePolicies(reader: DerReader, voice: Voice): string[] {
  const invalid = () => fail('invalid certificate policies')
  const sequence = reader.enter(tag.sequence) ?? invalid()
  const policies: string[] = []
  while (!sequence.empty) {
    const oid = sequence.enter(tag.sequence)?.read(tag.oid) ?? invalid()
    if (voice === 'go1.19') {
      if (oidOf(oid, voice) === undefined) invalid()
      continue
    }
    if (!isOid(oid) || policies.includes(hex(oid))) invalid()
    policies.push(hex(oid))
  }
  return policies
}

/** newOIDFromDER: arcs of any size, in the fewest octets. */
function isOid(der: Uint8Array): boolean {
  const last = der.at(-1)
  if (last === undefined || last & 0x80) return false
  return der.every((byte, index) => byte !== 0x80 || (index > 0 && (der[index - 1]! & 0x80) !== 0))
}

function parseMappings(reader: DerReader): { issuer: string; subject: string }[] {
  const invalid = () => fail('invalid policy mappings extension')
  const sequence = reader.enter(tag.sequence) ?? invalid()
  const mappings: { issuer: string; subject: string }[] = []
  while (!sequence.empty) {
    const mapping = sequence.enter(tag.sequence)
    const [issuer, subject] = [mapping?.read(tag.oid), mapping?.read(tag.oid)]
    if (!issuer || !subject) return invalid()
    mappings.push({ issuer: hex(issuer), subject: hex(subject) })
  }
  return mappings
}

function parseConstraints(fields: PolicyExtensions, reader: DerReader): void {
  const message = 'invalid policy constraints extension'
  const sequence = reader.enter(tag.sequence) ?? fail(message)
  const optional = (number: number): number | undefined => {
    const content = sequence.optional(context(number))
    return content === null ? undefined : int64(content && integerOf(content), message)
  }
  const requireExplicitPolicy = optional(0)
  if (requireExplicitPolicy !== undefined) fields.requireExplicitPolicy = requireExplicitPolicy
  const inhibitPolicyMapping = optional(1)
  if (inhibitPolicyMapping !== undefined) fields.inhibitPolicyMapping = inhibitPolicyMapping
}

function int64(value: bigint | undefined, message: string): number {
  if (value === undefined || BigInt.asIntN(64, value) !== value) return fail(message)
  return Number(value)
}
