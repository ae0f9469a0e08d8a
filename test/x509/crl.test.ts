/** What Go 1.19 says of lists that are none: encoding/asn1 reads them, and is laxer and wordier than the reader of certificates. */
import t from 'tap'
import { parseRevocationList } from '#x509/crl.ts'
import { nameOf, pemOf } from './authority.ts'
import { bitString, type Der, element, explicit, ia5, integer, octetString, oid, sequence } from './der-writer.ts'

const algorithm = sequence(oid('1.2.840.10045.4.3.2'))
const issuer = nameOf({ commonName: 'ca' })
const date = (text = '250101000000Z', tag = 0x17) => ia5(tag, text)
const entry = (...parts: Der[]) => sequence(integer(5), date(), ...parts)
const signed = (...parts: Der[]) => sequence(sequence(...parts), algorithm, bitString(Buffer.from('00', 'hex')))
/** With anything after the dates. */
const list = (...parts: Der[]) => signed(integer(1), algorithm, issuer, date(), ...parts)

/** `revokes 5`, `revokes nothing`, or Go's words. */
function said(file: Uint8Array | string): string {
  try {
    return parseRevocationList(file).has(5n) ? 'revokes 5' : 'revokes nothing'
  } catch (error) {
    return (error as Error).message
  }
}

const mismatch = (expected: number, found: string, type: string) =>
  `asn1: structure error: tags don't match (${expected} vs {${found}}) {optional:false explicit:false application:false private:false defaultValue:<nil> tag:<nil> stringType:0 timeType:0 set:false omitEmpty:false} ${type}`

t.test('what Go takes for a list is one', async t => {
  const lists: [string, Uint8Array, string][] = [
    ['without entries', list(), 'revokes nothing'],
    ['with an empty sequence of them', list(sequence()), 'revokes nothing'],
    ['with one', list(sequence(entry())), 'revokes 5'],
    ['without a version', signed(algorithm, issuer, date(), sequence(entry())), 'revokes 5'],
    ['with a nextUpdate', list(date(), sequence(entry())), 'revokes 5'],
    ['a negative serial has no sign', list(sequence(sequence(integer(-5), date()))), 'revokes 5'],
    ['with extensions of both kinds', list(sequence(entry(sequence())), explicit(0, sequence())), 'revokes 5'],
    ['what follows is let pass', list(sequence(entry(integer(1))), octetString(Buffer.of(1))), 'revokes 5'],
    ['GeneralizedTime', list(date('20250101000000Z', 0x18)), 'revokes nothing'],
  ]
  for (const [what, der, verdict] of lists) t.equal(said(der), verdict, what)
  t.equal(said(pemOf(list(sequence(entry())), 'X509 CRL')), 'revokes 5', 'in PEM')
})

t.test('what Go cannot read, it says in its words', async t => {
  const lists: [string, Uint8Array | string, string][] = [
    ['an empty file', '', 'asn1: syntax error: sequence truncated'],
    ['text', 'garbage', mismatch(16, 'class:1 tag:7 length:97 isCompound:true', 'CertificateList @2')],
    ['cut off', list().subarray(0, -1), 'asn1: syntax error: data truncated'],
    ['more after it', Buffer.concat([list(), Buffer.of(0)]), 'x509: trailing data after CRL'],
    ['BER', Buffer.from('30800000', 'hex'), 'asn1: syntax error: indefinite length found (not DER)'],
    ['a long length', Buffer.from('308100', 'hex'), 'asn1: structure error: superfluous leading zeros in length'],
    ['no date', signed(integer(1), algorithm, issuer), 'asn1: syntax error: sequence truncated'],
    [
      'a date of another kind',
      signed(integer(1), algorithm, issuer, integer(7)),
      mismatch(23, 'class:0 tag:2 length:1 isCompound:false', 'Time @32'),
    ],
    [
      'a date of letters',
      list(date('2501xx000000Z')),
      'parsing time "2501xx000000Z" as "060102150405Z0700": cannot parse "xx000000Z" as "02"',
    ],
    ['the 30th of February', list(date('250230000000Z')), 'parsing time "250230000000Z": day out of range'],
    ['entries that are none', list(sequence(integer(5))), 'asn1: structure error: sequence tag mismatch'],
    [
      'a serial that is none',
      list(sequence(sequence(date()))),
      mismatch(2, 'class:0 tag:23 length:13 isCompound:false', ' @2'),
    ],
    [
      'a long serial',
      list(sequence(sequence(element(2, [0, 5]), date()))),
      'asn1: structure error: integer not minimally-encoded',
    ],
    [
      'an empty OID',
      signed(integer(1), sequence(element(6)), issuer),
      'asn1: syntax error: zero length OBJECT IDENTIFIER',
    ],
    ['extensions without any', list(explicit(0)), 'asn1: structure error: explicit tag has no child'],
  ]
  for (const [what, file, words] of lists) t.equal(said(file), words, what)
})
