/** The nameConstraints extension: Go's parseNameConstraintsExtension. RFC 5280 §4.2.1.10. */
import { constructed, context, DerReader, tag } from './der.ts'
import { type Mailbox, parseMailbox, reverseLabels } from './domains.ts'
import { CertificateParseError } from './errors.ts'
import { goString, quote } from './go-format.ts'
import { parseIp } from './ip-addresses.ts'
import { isIa5 } from './names.ts'
import type { Voice } from './types.ts'

/** A domain, split once: there may be 250,000 comparisons. */
export interface DomainConstraint {
  text: string
  /** Lower case, from the right; none matches everything. */
  labels: readonly string[]
  /** Written with a leading period: at least one more label. */
  mustBeBelow: boolean
}

interface NetworkConstraint {
  ip: Uint8Array
  mask: Uint8Array
}

export interface Subtrees {
  dns: readonly DomainConstraint[]
  ip: readonly NetworkConstraint[]
  /** An exact mailbox, or a domain. */
  email: readonly (DomainConstraint | { text: string; mailbox: Mailbox })[]
  uri: readonly DomainConstraint[]
}

export interface NameConstraints {
  permitted: Subtrees
  excluded: Subtrees
}

const fail = (what: string): never => {
  throw new CertificateParseError(`x509: ${what}`)
}

/** `unhandled`: it holds a kind that Go does not check, such as directoryName. */
export function parseNameConstraints(
  der: Uint8Array,
  voice: Voice,
): { constraints: NameConstraints; unhandled: boolean } {
  const invalid = () => fail('invalid NameConstraints extension')
  const outer = new DerReader(der, voice)
  const sequence = outer.enter(tag.sequence) ?? invalid()
  const permitted = outer.empty ? sequence.optional(constructed(0)) : invalid()
  const excluded = permitted === undefined ? invalid() : sequence.optional(constructed(1))
  if (permitted === undefined || excluded === undefined || !sequence.empty) return invalid()
  if (!permitted?.length && !excluded?.length) fail('empty name constraints extension')
  const first = parseSubtrees(permitted, voice)
  const second = parseSubtrees(excluded, voice)
  return {
    constraints: { permitted: first.subtrees, excluded: second.subtrees },
    unhandled: first.unhandled || second.unhandled,
  }
}

function parseSubtrees(der: Uint8Array | null, voice: Voice): { subtrees: Subtrees; unhandled: boolean } {
  const dns: DomainConstraint[] = []
  const ip: NetworkConstraint[] = []
  const email: Subtrees['email'][number][] = []
  const uri: DomainConstraint[] = []
  let unhandled = false
  const reader = new DerReader(der ?? new Uint8Array(), voice)
  while (!reader.empty) {
    const base = reader.enter(tag.sequence)?.element() ?? fail('invalid NameConstraints extension')
    if (base.tag === context(2)) dns.push(domain(base.content, 'dnsName', voice))
    else if (base.tag === context(7)) ip.push(network(base.content))
    else if (base.tag === context(1)) email.push(mailboxOrDomain(base.content, voice))
    else if (base.tag === context(6)) uri.push(uriDomain(base.content, voice))
    else unhandled = true
  }
  return { subtrees: { dns, ip, email, uri }, unhandled }
}

function ascii(bytes: Uint8Array): string {
  if (!isIa5(bytes)) fail(`invalid constraint value: x509: ${quote(goString(bytes))} cannot be encoded as an IA5String`)
  return Buffer.from(bytes).toString('latin1')
}

function domain(bytes: Uint8Array, kind: string, voice: Voice): DomainConstraint {
  const text = ascii(bytes)
  const labels = reverseLabels(text.replace(/^\./, '').toLowerCase(), voice)
  return labels
    ? { text, labels, mustBeBelow: text.startsWith('.') }
    : fail(`failed to parse ${kind} constraint ${quote(text)}`)
}

function mailboxOrDomain(bytes: Uint8Array, voice: Voice): Subtrees['email'][number] {
  const text = ascii(bytes)
  if (!text.includes('@')) return domain(bytes, 'rfc822Name', voice)
  const mailbox = parseMailbox(text, voice) ?? fail(`failed to parse rfc822Name constraint ${quote(text)}`)
  return { text, mailbox }
}

function uriDomain(bytes: Uint8Array, voice: Voice): DomainConstraint {
  const text = ascii(bytes)
  if (parseIp(text, voice)) fail(`failed to parse URI constraint ${quote(text)}: cannot be IP address`)
  return domain(bytes, 'URI', voice)
}

function network(bytes: Uint8Array): NetworkConstraint {
  if (bytes.length !== 8 && bytes.length !== 32) fail(`IP constraint contained value of length ${bytes.length}`)
  const ip = bytes.subarray(0, bytes.length / 2)
  const mask = bytes.subarray(bytes.length / 2)
  const bits = Array.from(mask, byte => byte.toString(2).padStart(8, '0')).join('')
  if (/01/.test(bits)) fail(`IP constraint contained invalid mask ${Buffer.from(mask).toString('hex')}`)
  return { ip, mask }
}
