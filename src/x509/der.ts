/**
 * A strict reader of DER, with the strictness of golang.org/x/crypto/cryptobyte, which Go's crypto/x509 parses with:
 * what it refuses, Go refuses. Every method returns undefined on bad input, and never throws.
 */
import type { Voice } from './types.ts'

/** Tags as they are on the wire (class and constructed bit included). */
export const tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  numericString: 0x12,
  printableString: 0x13,
  t61String: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const

/** `[number]`, primitive. */
export const context = (number: number) => 0x80 | number
/** `[number]`, constructed. */
export const constructed = (number: number) => 0xa0 | number

/** A view of one element; slices are made when they are asked for. */
class Element {
  readonly tag: number
  private readonly bytes: Uint8Array
  private readonly from: number
  private readonly contentFrom: number
  private readonly to: number

  constructor(bytes: Uint8Array, from: number, contentFrom: number, to: number) {
    this.tag = bytes[from]!
    this.bytes = bytes
    this.from = from
    this.contentFrom = contentFrom
    this.to = to
  }

  /** With header. */
  get whole(): Uint8Array {
    return this.bytes.subarray(this.from, this.to)
  }

  /** Without. */
  get content(): Uint8Array {
    return this.bytes.subarray(this.contentFrom, this.to)
  }
}

export interface BitString {
  bytes: Uint8Array
  /** Bits that count; the rest of the last byte is zero (DER). */
  bitLength: number
}

export class DerReader {
  private readonly bytes: Uint8Array
  private readonly voice: Voice
  private at = 0

  constructor(bytes: Uint8Array, voice: Voice = 'go1.24') {
    this.bytes = bytes
    this.voice = voice
  }

  get empty(): boolean {
    return this.at >= this.bytes.length
  }

  /** The next tag, or -1 at the end. */
  peek(): number {
    return this.bytes[this.at] ?? -1
  }

  /** cryptobyte's readASN1: one-byte tags, definite and minimal lengths of at most 4 bytes. */
  element(): Element | undefined {
    const { bytes, at } = this
    const left = bytes.length - at
    if (left < 2) return undefined
    if ((bytes[at]! & 0x1f) === 0x1f) return undefined
    let length = bytes[at + 1]!
    let header = 2
    if (length & 0x80) {
      const lengthOfLength = length & 0x7f
      if (lengthOfLength === 0 || lengthOfLength > 4 || left < 2 + lengthOfLength) return undefined
      length = 0
      for (let i = 0; i < lengthOfLength; i++) length = length * 256 + bytes[at + 2 + i]!
      // DER: the shortest form
      if (length < 128 || bytes[at + 2] === 0) return undefined
      header += lengthOfLength
    }
    if (header + length > left) return undefined
    this.at = at + header + length
    return new Element(bytes, at, at + header, this.at)
  }

  /** The content of the next element, which must have this tag. */
  read(expected: number): Uint8Array | undefined {
    const element = this.element()
    return element?.tag === expected ? element.content : undefined
  }

  /** The next element with its header, which must have this tag. */
  readWhole(expected: number): Uint8Array | undefined {
    const element = this.element()
    return element?.tag === expected ? element.whole : undefined
  }

  /** A reader of the content of the next element, which must have this tag. */
  enter(expected: number): DerReader | undefined {
    const content = this.read(expected)
    return content && new DerReader(content, this.voice)
  }

  /** An element that may be missing: its content, null when it is not there, undefined when it is malformed. */
  optional(expected: number): Uint8Array | null | undefined {
    return this.peek() === expected ? this.read(expected) : null
  }

  boolean(): boolean | undefined {
    const content = this.read(tag.boolean)
    if (content?.length !== 1) return undefined
    return content[0] === 0xff ? true : content[0] === 0 ? false : undefined
  }

  integer(expected: number = tag.integer): bigint | undefined {
    const content = this.read(expected)
    return content && integerOf(content)
  }

  bitString(): BitString | undefined {
    const content = this.read(tag.bitString)
    if (!content?.length) return undefined
    const padding = content[0]!
    const bytes = content.subarray(1)
    const last = bytes.at(-1)
    if (padding > 7 || (last === undefined && padding !== 0)) return undefined
    if (last !== undefined && last & ((1 << padding) - 1)) return undefined
    return { bytes, bitLength: bytes.length * 8 - padding }
  }

  /** An OBJECT IDENTIFIER as dotted numbers; arcs of 2^31 and more are refused, as in Go. */
  oid(): string | undefined {
    const content = this.read(tag.oid)
    return content && oidOf(content, this.voice)
  }
}

/** A two's-complement INTEGER in its shortest form (checkASN1Integer). */
export function integerOf(content: Uint8Array): bigint | undefined {
  const [first, second = 0] = content
  if (first === undefined) return undefined
  if (content.length > 1 && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))) return undefined
  const magnitude = BigInt(`0x${Buffer.from(content).toString('hex')}`)
  return first & 0x80 ? magnitude - (1n << BigInt(content.length * 8)) : magnitude
}

/** cryptobyte's ReadASN1ObjectIdentifier, without the header. */
export function oidOf(content: Uint8Array, voice: Voice = 'go1.24'): string | undefined {
  if (content.length === 0) return undefined
  const arcs: number[] = []
  let value = 0
  let count = 0
  for (const byte of content) {
    // readBase128Int: at most 5 bytes and less than 2^31
    if (count === 5 || value >= 1 << 24) return undefined
    // X.690 §8.19.2: an arc in the fewest octets; Go 1.19 did not look
    if (count === 0 && byte === 0x80 && voice !== 'go1.19') return undefined
    value = value * 128 + (byte & 0x7f)
    count++
    if (byte & 0x80) continue
    arcs.push(value)
    value = 0
    count = 0
  }
  if (count > 0) return undefined
  const [first = 0, ...rest] = arcs
  const head = first < 80 ? [Math.floor(first / 40), first % 40] : [2, first - 80]
  return [...head, ...rest].join('.')
}

/** A bit string as Go's RightAlign gives it: padding shifted out at the left. */
export function rightAlign({ bytes, bitLength }: BitString): Uint8Array {
  const shift = 8 - (bitLength % 8)
  if (shift === 8 || bytes.length === 0) return bytes
  const aligned = new Uint8Array(bytes.length)
  aligned[0] = bytes[0]! >> shift
  for (let i = 1; i < bytes.length; i++) aligned[i] = ((bytes[i - 1]! << (8 - shift)) | (bytes[i]! >> shift)) & 0xff
  return aligned
}

/** Whether two byte strings are the same. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a === b || (a.length === b.length && Buffer.compare(a, b) === 0)
}
