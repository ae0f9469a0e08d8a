/**
 * Go's encoding/asn1.Unmarshal, as far as revocation lists need it. Certificates are read by another reader of Go's (der.ts), which is
 * stricter and says less.
 */
import { CertificateParseError } from './errors.ts'

interface Header {
  class: number
  tag: number
  isCompound: boolean
  length: number
}

/** What was read: sequences as arrays, numbers that are asked for; undefined for the rest, and for what is missing. */
export type Value = bigint | undefined | Value[]

/** A Go type, as its reader sees it. */
export interface Type {
  /** reflect.Type.Name(), for the words. */
  name: string
  tag: number
  isCompound?: boolean
  /** Another tag that will do as well. */
  alternative?: number
  /** Reads any element there is. */
  any?: boolean
  read: (content: Uint8Array, header: Header) => Value
}

interface Field {
  type: Type
  optional?: boolean
  /** `[n] EXPLICIT`. */
  explicit?: number
}

export const syntaxError = (what: string): never => {
  throw new CertificateParseError(`asn1: syntax error: ${what}`)
}
export const structureError = (what: string): never => {
  throw new CertificateParseError(`asn1: structure error: ${what}`)
}

/** @returns what was read, and how many bytes it took. @throws CertificateParseError with Go's message */
export function unmarshal(bytes: Uint8Array, type: Type): { value: Value; end: number } {
  return parseField(bytes, 0, { type })
}

export const sequenceType = (name: string, ...fields: Field[]): Type => ({
  name,
  tag: 16,
  isCompound: true,
  read(content) {
    let at = 0
    // what follows the last field is let pass
    return fields.map(field => {
      const { value, end } = parseField(content, at, field)
      at = end
      return value
    })
  },
})

/** A slice: all elements are looked at from outside before the first is read. */
export const listType = (name: string, of: Type, tag = 16): Type => ({
  name,
  tag,
  isCompound: true,
  read(content) {
    for (let at = 0; at < content.length; ) {
      const { header, start } = parseHeader(content, at)
      const isOne = header.class === 0 && header.tag === of.tag && header.isCompound === (of.isCompound ?? false)
      if (!isOne) structureError('sequence tag mismatch')
      if (start + header.length > content.length) syntaxError('truncated sequence')
      at = start + header.length
    }
    const values: Value[] = []
    for (let at = 0; at < content.length; ) {
      const { value, end } = parseField(content, at, { type: of })
      values.push(value)
      at = end
    }
    return values
  },
})

/** fieldParameters of a field that must be there, as Go prints them. */
const parameters =
  '{optional:false explicit:false application:false private:false defaultValue:<nil> tag:<nil> stringType:0 timeType:0 set:false omitEmpty:false}'

function parseField(
  bytes: Uint8Array,
  from: number,
  { type, optional, explicit }: Field,
): { value: Value; end: number } {
  const missing = { value: undefined, end: from }
  if (from === bytes.length) return optional ? missing : syntaxError('sequence truncated')
  let { header, start } = parseHeader(bytes, from)
  if (explicit !== undefined) {
    if (start === bytes.length) structureError('explicit tag has no child')
    const isWrapped = header.class === 2 && header.tag === explicit && (header.length === 0 || header.isCompound)
    if (!isWrapped) return optional ? missing : structureError("explicitly tagged member didn't match")
    if (header.length === 0) structureError('zero length explicit tag was not an asn1.Flag')
    ;({ header, start } = parseHeader(bytes, start))
  }
  const isExpected =
    header.class === 0 &&
    (header.tag === type.tag || header.tag === type.alternative) &&
    header.isCompound === (type.isCompound ?? false)
  if (!type.any && !isExpected) {
    if (optional) return missing
    const expected = header.class === 0 && header.tag === type.alternative ? type.alternative : type.tag
    const found = `{class:${header.class} tag:${header.tag} length:${header.length} isCompound:${header.isCompound}}`
    structureError(`tags don't match (${expected} vs ${found}) ${parameters} ${type.name} @${start}`)
  }
  const end = start + header.length
  if (end > bytes.length) syntaxError('data truncated')
  return { value: type.read(bytes.subarray(start, end), header), end }
}

/** parseTagAndLength. */
function parseHeader(bytes: Uint8Array, from: number): { header: Header; start: number } {
  const first = bytes[from]!
  let at = from + 1
  let tag = first & 0x1f
  if (tag === 0x1f) {
    ;({ value: tag, end: at } = parseBase128(bytes, at))
    if (tag < 0x1f) syntaxError('non-minimal tag')
  }
  const next = () => (at < bytes.length ? bytes[at++]! : syntaxError('truncated tag or length'))
  let length = next()
  if (length & 0x80) {
    let left = length & 0x7f
    if (left === 0) syntaxError('indefinite length found (not DER)')
    for (length = 0; left > 0; left--) {
      const byte = next()
      if (length >= 1 << 23) structureError('length too large')
      length = length * 256 + byte
      if (length === 0) structureError('superfluous leading zeros in length')
    }
    if (length < 0x80) structureError('non-minimal length')
  }
  return { header: { class: first >> 6, tag, isCompound: (first & 0x20) !== 0, length }, start: at }
}

/** parseBase128Int: at most 5 bytes and 31 bits. */
export function parseBase128(bytes: Uint8Array, from: number): { value: number; end: number } {
  let value = 0
  for (let at = from; at < bytes.length; at++) {
    if (at - from === 5) structureError('base 128 integer too large')
    const byte = bytes[at]!
    if (at === from && byte === 0x80) syntaxError('integer is not minimally encoded')
    value = value * 128 + (byte & 0x7f)
    if (byte & 0x80) continue
    return value >= 2 ** 31 ? structureError('base 128 integer too large') : { value, end: at + 1 }
  }
  return syntaxError('truncated base 128 integer')
}
