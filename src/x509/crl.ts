/**
 * Certificate revocation lists, as etcd looks at them (transport.checkCRL): is the serial of a presented certificate in the list?
 * Neither issuer, signature nor dates are looked at.
 */
import { listType, sequenceType, type Type, unmarshal, type Value } from './asn1.ts'
import {
  anyType,
  bigIntType,
  bitStringType,
  booleanType,
  intType,
  octetsType,
  oidType,
  rawType,
  timeType,
} from './asn1-types.ts'
import { CertificateParseError } from './errors.ts'
import { failure } from './failure.ts'
import { scanPem } from './pem-scanner.ts'
import type { Certificate, RevocationList, Verdict } from './types.ts'

/** RFC 5280 §5.1, as Go's pkix.CertificateList has it. */
const algorithm = sequenceType('AlgorithmIdentifier', { type: oidType }, { type: rawType, optional: true })
const attribute = sequenceType('AttributeTypeAndValue', { type: oidType }, { type: anyType })
const name = listType('RDNSequence', listType('RelativeDistinguishedNameSET', attribute, 17))
const extensions = listType(
  '',
  sequenceType('Extension', { type: oidType }, { type: booleanType, optional: true }, { type: octetsType }),
)
const revoked = sequenceType(
  'RevokedCertificate',
  { type: bigIntType },
  { type: timeType },
  { type: extensions, optional: true },
)
const content = sequenceType(
  'TBSCertificateList',
  { type: intType, optional: true },
  { type: algorithm },
  { type: name },
  { type: timeType },
  { type: timeType, optional: true },
  { type: listType('', revoked), optional: true },
  { type: extensions, optional: true, explicit: 0 },
)
const certificateList: Type = sequenceType(
  'CertificateList',
  { type: content },
  { type: algorithm },
  { type: bitStringType },
)

/**
 * For `verify({ crls })`.
 * @example
 * verify({ chain, roots, usage: 'clientAuth', now: new Date(), crls: [parseRevocationList(readFileSync('crl.pem'))] })
 *
 * x509.ParseCRL: PEM when it begins with `-----BEGIN X509 CRL`, DER otherwise.
 * @throws CertificateParseError with Go's message
 */
export function parseRevocationList(file: string | Uint8Array): RevocationList {
  const bytes = typeof file === 'string' ? Buffer.from(file, 'latin1') : Buffer.from(file)
  const isPem = bytes.subarray(0, 19).toString('latin1') === '-----BEGIN X509 CRL'
  const block = isPem ? scanPem(bytes.toString('latin1')).next().value : undefined
  const der = block?.label === 'X509 CRL' ? block.der : bytes
  const { value, end } = unmarshal(der, certificateList)
  if (end !== der.length) throw new CertificateParseError('x509: trailing data after CRL')
  const serials = new Set(serialsOf(value).map(magnitude))
  return { has: serialNumber => serials.has(magnitude(serialNumber)) }
}

/** certList.TBSCertList.RevokedCertificates[i].SerialNumber. */
function serialsOf(list: Value): bigint[] {
  const entries = field(field(list, 0), 5)
  return Array.isArray(entries)
    ? entries.map(entry => field(entry, 0)).filter(serial => typeof serial === 'bigint')
    : []
}

const field = (value: Value, index: number): Value => (Array.isArray(value) ? value[index] : undefined)

/** etcd compares big.Int.Bytes(), which has no sign. */
const magnitude = (serial: bigint) => (serial < 0n ? -serial : serial)

/** The refusal of the first presented certificate that is in one of the lists; the serial in the hex that etcd prints (`%x`). */
export function revocation(chain: readonly Certificate[], lists: readonly RevocationList[]): Verdict | undefined {
  const problem = lists.find(list => list.problem !== undefined)?.problem
  // etcd reads its list for every connection, and one that it cannot read ends it
  if (problem !== undefined && chain[0]) return { verdict: 'reject', ...failure('revoked', problem, chain[0]) }
  const certificate = chain.find(({ serialNumber }) => lists.some(list => list.has(serialNumber)))
  if (!certificate) return undefined
  const digits = magnitude(certificate.serialNumber).toString(16)
  const hex = digits === '0' ? '' : digits.padStart(digits.length + (digits.length % 2), '0')
  const message = `transport: certificate serial ${hex} revoked`
  return { verdict: 'reject', ...failure('revoked', message, certificate) }
}
