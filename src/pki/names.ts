/** Distinguished names as Go writes them. */
import type { JsonNameParams } from '@peculiar/x509'

export interface Subject {
  /** '' for none. */
  commonName: string
  organizations: readonly string[]
}

/**
 * Go's pkix.Name.ToRDNSequence: every O in one multi-valued RDN, then the CN. The array form takes values as they are, where the
 * text form would let `x, O=system:masters` become a group.
 */
export function nameOf({ commonName, organizations }: Subject): JsonNameParams {
  const name: JsonNameParams = []
  if (organizations.length > 0) name.push({ O: setOrder(organizations).map(stringOf) })
  if (commonName !== '') name.push({ CN: [stringOf(commonName)] })
  return name
}

/** PrintableString where it can be, else UTF8String: encoding/asn1's choice. */
function stringOf(value: string): { printableString: string } | { utf8String: string } {
  return isPrintable(value) ? { printableString: value } : { utf8String: value }
}

const isPrintable = (value: string) => /^[A-Za-z0-9 '()+,\-./:=?]*$/.test(value)

/** The order of DER's SET OF (X.690 §11.6): by encoding, so shorter ones first; PrintableString's tag is above UTF8String's. */
function setOrder(values: readonly string[]): string[] {
  const bytes = (value: string) =>
    Buffer.concat([
      lengthOf(Buffer.byteLength(value) + 9),
      Buffer.from([isPrintable(value) ? 0x13 : 0x0c]),
      lengthOf(Buffer.byteLength(value)),
      Buffer.from(value),
    ])
  return values.toSorted((a, b) => Buffer.compare(bytes(a), bytes(b)))
}

/** Enough of a DER length to compare by. */
function lengthOf(length: number): Buffer {
  const bytes = Buffer.alloc(3)
  if (length < 0x80) bytes[0] = length
  else if (length < 0x100) bytes.set([0x81, length])
  else bytes.set([0x82, length >> 8, length & 0xff])
  return bytes
}
