/** Certificates with one defect, made now: nobody's suite breaks on the day when a committed certificate runs out. */
import { parseDuration } from '#clock.ts'
import { nearest, TrustplaneError } from '#errors.ts'
import { type CertificateDefect, type CertificateDefectName, certificateDefects } from './defects.ts'
import { type Authority, createWorkshop, makeAuthority } from './workshop.ts'

export interface FixtureOptions {
  /** Who issues it, so that several fixtures share a CA; left out: a new one. */
  authority?: Authority
  /** DNS names and IPs that a good one is for; default localhost, 127.0.0.1 and ::1. */
  hosts?: readonly string[]
  /** Which end will show it: decides what `wrong-usage` means. Default `server`, or `client` for what only a client can show. */
  side?: 'server' | 'client'
  commonName?: string
  /** Groups, for a client of Kubernetes. */
  organizations?: readonly string[]
  /** When it is made; default now. */
  now?: Date
}

export interface CertificateFixture {
  name: CertificateDefectName
  description: string
  /** The leaf alone, PEM; empty for `no-certificate`. */
  cert: string
  /** PKCS#8 PEM. */
  key: string
  /** What to present: the leaf and the intermediates behind it. */
  chain: string
  /** What the other end has to trust (and then refuses this certificate for its defect alone, and accepts `good`). */
  ca: string
  /** A revocation list, for `revoked`. */
  crl?: string
}

const defaultHosts = ['localhost', '127.0.0.1', '::1']

/**
 * A CA whose certificates last for ten years, and which is gone with this process unless you write it down.
 * @example
 * const authority = await createAuthority()
 * const server = await certificateFixture('good', { authority })
 * const client = await certificateFixture('expired', { authority, side: 'client' })
 */
export async function createAuthority(options: { commonName?: string; now?: Date } = {}): Promise<Authority> {
  const { commonName = 'trustplane throw-away CA', now = new Date() } = options
  const { cert, key } = await makeAuthority({ commonName }, now)
  return { commonName, cert, key }
}

/**
 * A certificate with one defect (or `good`), its key, and the CA that the other end has to trust; all PEM.
 * @example
 * const { chain, key, ca } = await certificateFixture('expired')
 * const server = https.createServer({ cert: chain, key })
 * // a client with `ca` as its CA refuses it: certificate has expired
 * @throws TrustplaneError TP_NAME_UNKNOWN
 */
export async function certificateFixture(
  name: CertificateDefectName,
  options: FixtureOptions = {},
): Promise<CertificateFixture> {
  const row = certificateDefect(name)
  const now = options.now ?? new Date()
  const hosts = options.hosts ?? defaultHosts
  const side = options.side ?? (row.server ? 'server' : 'client')
  const trusted = options.authority ?? (await createAuthority({ now }))
  const subject = { commonName: options.commonName ?? row.name, organizations: options.organizations ?? [] }
  const made = await row.make(createWorkshop({ side, hosts, trusted, subject, now }))
  return {
    name,
    description: row.description,
    cert: made.cert,
    key: made.key,
    chain: made.cert + made.intermediates.join(''),
    ca: made.ca ?? trusted.cert,
    ...(made.crl ? { crl: made.crl } : {}),
  }
}

export interface IssueOptions {
  authority: Authority
  commonName: string
  /** Groups, for a client of Kubernetes. */
  organizations?: readonly string[]
  /** DNS names and IPs; none by default. */
  hosts?: readonly string[]
  /** Default both. */
  usages?: readonly ('serverAuth' | 'clientAuth')[]
  /** How long it lasts from now on: `90s`, `365d` (default). */
  validity?: string
}

/** PEM. */
export interface IssuedCertificate {
  cert: string
  key: string
  ca: string
}

/**
 * An ordinary certificate, by an authority of `createAuthority`.
 * @example
 * const authority = await createAuthority()
 * const { cert, key } = await issue({ authority, commonName: 'jane', organizations: ['dev'], usages: ['clientAuth'] })
 * @throws TrustplaneError TP_FLAG_INVALID for a validity that is none
 */
export async function issue(options: IssueOptions): Promise<IssuedCertificate> {
  const { authority, commonName, organizations = [], hosts = [], usages, validity = '365d' } = options
  const notAfter = new Date(Date.now() + parseDuration(validity))
  const workshop = createWorkshop({
    side: 'server',
    hosts,
    trusted: authority,
    subject: { commonName, organizations },
    now: new Date(),
  })
  const { cert, key } = await workshop.issue({ notAfter, ...(usages ? { extKeyUsages: usages } : {}) })
  return { cert, key, ca: authority.cert }
}

const rows: readonly CertificateDefect[] = certificateDefects

/** The row of a name. @throws TrustplaneError TP_NAME_UNKNOWN, with the nearest known name */
export function certificateDefect(name: string): CertificateDefect {
  const row = rows.find(candidate => candidate.name === name)
  if (row) return row
  throw unknownName('certificate defect', name, rows)
}

export function unknownName(what: string, name: string, known: readonly { name: string }[]): TrustplaneError {
  const names = known.map(row => row.name)
  const near = nearest(name, names)
  return new TrustplaneError('TP_NAME_UNKNOWN', `there is no ${what} ${JSON.stringify(name)}`, {
    fix: near ? `did you mean ${near}?` : `known: ${names.join(', ')}`,
  })
}
