/** Distinguished names as Go writes them. */
import { AttributeTypeAndValue, AttributeValue, Name, RelativeDistinguishedName } from '@peculiar/asn1-x509'

export interface Subject {
  /** '' for none. */
  commonName: string
  organizations: readonly string[]
}

const types = { commonName: '2.5.4.3', organization: '2.5.4.10' } as const

/** Go's pkix.Name.ToRDNSequence: every O in one multi-valued RDN, then the CN. */
export function nameOf({ commonName, organizations }: Subject): Name {
  const name: RelativeDistinguishedName[] = []
  if (organizations.length > 0) name.push(rdnOf(types.organization, setOrder(organizations)))
  if (commonName !== '') name.push(rdnOf(types.commonName, [commonName]))
  return new Name(name)
}

function rdnOf(type: string, values: readonly string[]): RelativeDistinguishedName {
  return new RelativeDistinguishedName(
    values.map(text => {
      // encoding/asn1's choice of string
      const value = new AttributeValue(isPrintable(text) ? { printableString: text } : { utf8String: text })
      return new AttributeTypeAndValue({ type, value })
    }),
  )
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
