/** What a plan's row puts into its certificate, now: names, usages, and kubeadm's rules for validity. */
import { X509Certificate } from 'node:crypto'
import { parseDuration } from '#clock.ts'
import type { CertificateContent } from './certificates.ts'
import type { AuthoritySpec, Issuance } from './types.ts'
import { fillUnixTime } from './variables.ts'

/** kubeadm's rules for validity: to `now + validity`, an authority from 5 minutes ago on, a leaf from its authority's notBefore on. */
export function contentOf(
  row: Issuance,
  certificates: ReadonlyMap<string, string>,
  now: Date,
  authority: AuthoritySpec | undefined,
): CertificateContent {
  const issuer = row.issuer === 'self' ? undefined : certificates.get(row.issuer)
  const from =
    row.backdateMs === undefined && issuer
      ? new X509Certificate(issuer).validFromDate
      : new Date(now.getTime() - (row.backdateMs ?? 0))
  let notBefore = row.notBefore === undefined ? from : instant(row.notBefore, now)
  let notAfter = row.notAfter === undefined ? new Date(now.getTime() + row.validityMs) : instant(row.notAfter, now)
  // an expired one has lived for its usual time, one of the future will
  if (notAfter <= notBefore) {
    if (row.notBefore === undefined) notBefore = new Date(notAfter.getTime() - row.validityMs)
    else if (row.notAfter === undefined) notAfter = new Date(notBefore.getTime() + row.validityMs)
  }
  return {
    subject: { commonName: fillUnixTime(row.commonName, now), organizations: row.organizations },
    notBefore: wholeSeconds(notBefore),
    notAfter: wholeSeconds(notAfter),
    isCa: row.isCa,
    keyUsages: row.keyUsages,
    extKeyUsages: row.extKeyUsages,
    dnsNames: row.dnsNames,
    ipAddresses: row.ipAddresses,
    uris: row.uris,
    emailAddresses: row.emailAddresses,
    ...(authority?.pathLength === undefined ? {} : { pathLength: authority.pathLength }),
    ...(authority?.nameConstraints ? { nameConstraints: authority.nameConstraints } : {}),
    ...(row.serialNumber ? { serialNumber: row.serialNumber } : {}),
    ...(row.signatureHash ? { signatureHash: row.signatureHash } : {}),
    ...(row.extraExtensions
      ? {
          extraExtensions: row.extraExtensions.map(({ oid, critical = false, value }) => ({
            oid,
            critical,
            value: Buffer.from(value, 'hex'),
          })),
        }
      : {}),
  }
}

/** A duration from now, or RFC 3339. */
const instant = (when: string, now: Date) =>
  /^\d{4}-/.test(when) ? new Date(when) : new Date(now.getTime() + parseDuration(when))

/** Certificates know no fractions. */
const wholeSeconds = (date: Date) => new Date(Math.floor(date.getTime() / 1000) * 1000)
