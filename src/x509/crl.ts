/**
 * Certificate revocation lists, as etcd looks at them (transport.checkCRL): is the serial of a presented certificate in the list?
 * Neither issuer, signature nor dates are looked at.
 */
import { constructed, DerReader, tag } from './der.ts'
import { CertificateParseError } from './errors.ts'
import { failure } from './failure.ts'
import { scanPem } from './pem-scanner.ts'
import type { Certificate, RevocationList, Verdict } from './types.ts'

/**
 * For `verify({ crls })`.
 * @example
 * verify({ chain, roots, usage: 'clientAuth', now: new Date(), crls: [parseRevocationList(readFileSync('crl.pem'))] })
 *
 * x509.ParseCRL: PEM when it begins with `-----BEGIN X509 CRL`, DER otherwise.
 * @throws CertificateParseError
 */
export function parseRevocationList(file: string | Uint8Array): RevocationList {
  const bytes = typeof file === 'string' ? Buffer.from(file, 'latin1') : Buffer.from(file)
  const isPem = bytes.subarray(0, 19).toString('latin1') === '-----BEGIN X509 CRL'
  const block = isPem ? scanPem(bytes.toString('latin1')).next().value : undefined
  const serials = new Set(readSerials(block?.label === 'X509 CRL' ? block.der : bytes).map(magnitude))
  return { has: serialNumber => serials.has(magnitude(serialNumber)) }
}

/** etcd compares big.Int.Bytes(), which has no sign. */
const magnitude = (serial: bigint) => (serial < 0n ? -serial : serial)

function readSerials(der: Uint8Array): bigint[] {
  const malformed = (what: string): never => {
    throw new CertificateParseError(`x509: malformed ${what}`)
  }
  const outer = new DerReader(der)
  const list = outer.enter(tag.sequence) ?? malformed('crl')
  if (!outer.empty) malformed('crl: trailing data')
  const tbs = list.enter(tag.sequence) ?? malformed('tbs crl')
  if (tbs.peek() === tag.integer) tbs.integer() ?? malformed('crl')
  tbs.read(tag.sequence) ?? malformed('signature algorithm identifier')
  tbs.read(tag.sequence) ?? malformed('issuer')
  const isTime = () => tbs.peek() === tag.utcTime || tbs.peek() === tag.generalizedTime
  if (!isTime() || !tbs.element()) malformed('thisUpdate')
  if (isTime()) tbs.element() ?? malformed('nextUpdate')
  if (tbs.empty || tbs.peek() === constructed(0)) return []
  const revoked = tbs.enter(tag.sequence) ?? malformed('crl')
  const serials: bigint[] = []
  while (!revoked.empty) serials.push(revoked.enter(tag.sequence)?.integer() ?? malformed('serial number'))
  return serials
}

/** The refusal of the first presented certificate that is in one of the lists; the serial in the hex that etcd prints (`%x`). */
export function revocation(chain: readonly Certificate[], lists: readonly RevocationList[]): Verdict | undefined {
  const certificate = chain.find(({ serialNumber }) => lists.some(list => list.has(serialNumber)))
  if (!certificate) return undefined
  const digits = magnitude(certificate.serialNumber).toString(16)
  const hex = digits === '0' ? '' : digits.padStart(digits.length + (digits.length % 2), '0')
  const message = `transport: certificate serial ${hex} revoked`
  return { verdict: 'reject', ...failure('revoked', message, certificate) }
}
