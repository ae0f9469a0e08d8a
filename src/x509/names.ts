/** Distinguished names: Go's parseName and pkix.Name. */
import { DerReader, equalBytes, tag } from './der.ts'
import { CertificateParseError } from './errors.ts'
import { goString } from './go-format.ts'
import type { DistinguishedName, Voice } from './types.ts'

/** RFC 4519's short names, those that Go's pkix knows. */
const shortNames: Record<string, string> = {
  '2.5.4.6': 'C',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '2.5.4.3': 'CN',
  '2.5.4.5': 'SERIALNUMBER',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.9': 'STREET',
  '2.5.4.17': 'POSTALCODE',
}

/** The order in which pkix.Name.ToRDNSequence lists them: CN and SERIALNUMBER hold one value (the last), the others all. */
const listed = ['2.5.4.6', '2.5.4.8', '2.5.4.7', '2.5.4.9', '2.5.4.17', '2.5.4.10', '2.5.4.11', '2.5.4.3', '2.5.4.5']
const single = new Set(['2.5.4.3', '2.5.4.5'])

/** @param der a Name with its header */
export function parseName(der: Uint8Array, voice: Voice): DistinguishedName {
  const sequence = new DerReader(der, voice).enter(tag.sequence)
  if (!sequence) throw new CertificateParseError('x509: invalid RDNSequence')
  const attributes: { type: string; value: string }[] = []
  while (!sequence.empty) {
    const set = sequence.enter(tag.set)
    if (!set) throw new CertificateParseError('x509: invalid RDNSequence')
    while (!set.empty) {
      const attribute = set.enter(tag.sequence)
      if (!attribute) throw new CertificateParseError('x509: invalid RDNSequence: invalid attribute')
      const type = attribute.oid()
      if (type === undefined) throw new CertificateParseError('x509: invalid RDNSequence: invalid attribute type')
      const value = attribute.element()
      if (!value) throw new CertificateParseError('x509: invalid RDNSequence: invalid attribute value')
      attributes.push({ type, value: parseString(value.tag, value.content) })
    }
  }
  return new Name(der, attributes)
}

class Name implements DistinguishedName {
  readonly der: Uint8Array
  readonly attributes: readonly { type: string; value: string }[]
  readonly commonName: string
  readonly organizations: readonly string[]

  constructor(der: Uint8Array, attributes: readonly { type: string; value: string }[]) {
    this.der = der
    this.attributes = attributes
    this.commonName = attributes.findLast(({ type }) => type === '2.5.4.3')?.value ?? ''
    this.organizations = attributes.filter(({ type }) => type === '2.5.4.10').map(({ value }) => value)
  }

  /** pkix.Name.String: RFC 2253, last RDN first; attributes that Go has no field for come last. */
  toString(): string {
    const rdns = this.attributes.filter(({ type }) => !shortNames[type]).map(attribute => [attribute])
    for (const type of listed) {
      const values = this.attributes.filter(attribute => attribute.type === type)
      const shown = single.has(type) ? values.slice(-1).filter(({ value }) => value !== '') : values
      if (shown.length > 0) rdns.push(shown)
    }
    return rdns
      .reverse()
      .map(rdn => rdn.map(attributeToString).join('+'))
      .join(',')
  }
}

/** Whether two names are the same to Go: byte for byte. */
export const equalNames = (a: DistinguishedName, b: DistinguishedName) => equalBytes(a.der, b.der)

function attributeToString({ type, value }: { type: string; value: string }): string {
  const short = shortNames[type]
  if (short) return `${short}=${escapeValue(value)}`
  // what is no UTF-8 cannot be marshalled, and is shown as it is
  if (!value.isWellFormed()) return `${type}=${escapeValue(value)}`
  // asn1.Marshal of a string: PrintableString when it fits, without * and &
  const bytes = Buffer.from(value)
  const stringTag = /^[A-Za-z0-9 '()+,\-./:=?]*$/.test(value) ? tag.printableString : tag.utf8String
  const length = bytes.length < 128 ? [bytes.length] : lengthBytes(bytes.length)
  return `${type}=#${Buffer.from([stringTag, ...length, ...bytes]).toString('hex')}`
}

function lengthBytes(length: number): number[] {
  const bytes: number[] = []
  for (let rest = length; rest > 0; rest >>= 8) bytes.unshift(rest & 0xff)
  return [0x80 | bytes.length, ...bytes]
}

function escapeValue(value: string): string {
  const chars = [...value]
  return chars
    .map((char, index) => {
      const atEdge = index === 0 || index === chars.length - 1
      return /[,+"\\<>;]/.test(char) || (char === ' ' && atEdge) || (char === '#' && index === 0) ? `\\${char}` : char
    })
    .join('')
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Go's parseASN1String. */
function parseString(stringTag: number, content: Uint8Array): string {
  const fail = (what: string): never => {
    throw new CertificateParseError(`x509: invalid RDNSequence: invalid attribute value: ${what}`)
  }
  switch (stringTag) {
    case tag.t61String:
      // Go 1.24 and older take the bytes as they are
      return goString(content)
    case tag.printableString: {
      return isPrintable(content) ? Buffer.from(content).toString('latin1') : fail('invalid PrintableString')
    }
    case tag.utf8String:
      try {
        return utf8.decode(content)
      } catch {
        return fail('invalid UTF-8 string')
      }
    case tag.bmpString:
      return parseBmpString(content) ?? fail('invalid BMPString')
    case tag.ia5String:
      return isIa5(content) ? Buffer.from(content).toString('latin1') : fail('invalid IA5String')
    case tag.numericString: {
      return isNumeric(content) ? Buffer.from(content).toString('latin1') : fail('invalid NumericString')
    }
    default:
      return fail(`unsupported string type: ${stringTag}`)
  }
}

function parseBmpString(content: Uint8Array): string | undefined {
  if (content.length % 2 !== 0) return undefined
  let end = content.length
  if (end >= 2 && content[end - 1] === 0 && content[end - 2] === 0) end -= 2
  // a lone surrogate becomes U+FFFD (utf16.Decode)
  return Buffer.from(content.subarray(0, end)).swap16().toString('utf16le').toWellFormed()
}

/** The alphabet of X.680, and * and &, which real certificates use. */
export const isPrintable = (content: Uint8Array) =>
  /^[A-Za-z0-9 '()+,\-./:=?*&]*$/.test(Buffer.from(content).toString('latin1'))

export const isNumeric = (content: Uint8Array) => /^[0-9 ]*$/.test(Buffer.from(content).toString('latin1'))

/** Only ASCII. */
export function isIa5(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i]! >= 0x80) return false
  return true
}
