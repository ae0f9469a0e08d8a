/** What a PKI comes to, connection by connection: who shows what, who checks with what, and what will come of it. Read from certificates; no key is needed. */
import { type KeyObject, X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadKubeconfig, type Source } from '#kubernetes/kubeconfig.ts'
import type { Plan } from '#pki/types.ts'
import { parseCertificate } from '#x509/certificate.ts'
import { cidrToString } from '#x509/ip-addresses.ts'
import type { Subtrees } from '#x509/name-constraints-extension.ts'
import { certificateBlocks } from '#x509/pem.ts'
import type { Certificate } from '#x509/types.ts'
import { describe } from './agreement.ts'
import { type Connection, connections, type Decided } from './connections.ts'
import { fileOf, isKubeconfig, type Layout } from './layout.ts'
import { predict } from './predict.ts'

/** A certificate or kubeconfig of the PKI that is there. */
export interface Holder {
  name: string
  /** As presented, leaf first. */
  chain: readonly Certificate[]
  /** The authority that signed it, by its name in the plan; else by its subject. */
  issuer: string
}

interface RowView {
  from: string
  to: string
  /** What is compared: a line each, by what it is. */
  facts: Readonly<Record<string, string>>
  /** Files of this row that are not there: it cannot be judged. */
  missing: readonly string[]
}

export interface PkiView {
  plan: Plan
  /** By name in the plan; those that are there. */
  authorities: ReadonlyMap<string, Certificate>
  holders: ReadonlyMap<string, Holder>
  rows: readonly RowView[]
  /** The certificates in what a row's end checks with; undefined: it does not check. */
  bundleOf(decided: Decided | undefined): readonly Certificate[] | undefined
  /** The name of a certificate in a bundle. */
  labelOf(certificate: Certificate): string
}

export function viewPki(layout: Layout, now: Date): PkiView {
  const { plan, dir } = layout
  const authorities = new Map(
    plan.authorities.flatMap(row => {
      const [certificate] = quietly(() => certificatesIn(readFileSync(join(dir, row.certificateFile), 'latin1'))) ?? []
      return certificate ? [[row.name, certificate] as const] : []
    }),
  )
  const signers = [...authorities].map(([name, certificate]) => ({ name, ...openssl(certificate) }))
  const issuerOf = (certificate: Certificate): string => {
    const { x509 } = openssl(certificate)
    if (x509.verify(x509.publicKey)) return 'self'
    return signers.find(({ key }) => x509.verify(key))?.name ?? certificate.issuer.toString()
  }
  const holders = new Map<string, Holder>()
  for (const row of [...plan.certificates, ...plan.kubeconfigs]) {
    const chain = quietly(() => chainOf(layout, row.name)) ?? []
    if (chain[0]) holders.set(row.name, { name: row.name, chain, issuer: issuerOf(chain[0]) })
  }
  const labels = new Map<string, string>()
  for (const { name, chain } of holders.values()) if (chain[0]) labels.set(chain[0].sha256, name)
  for (const [name, { sha256 }] of [...authorities].toReversed()) labels.set(sha256, name)
  const labelOf = (certificate: Certificate) => labels.get(certificate.sha256) ?? certificate.subject.toString()
  const bundleOf = (decided: Decided | undefined) => {
    const file = decided && fileOf(layout, decided, 'trust')
    return file === undefined ? undefined : (quietly(() => certificatesIn(trustOf(decided!, file))) ?? [])
  }

  /** Left out by the plan is one thing, a file that is not there another. */
  const isThere = (decided: Decided | undefined) => {
    const file = decided && fileOf(layout, decided, 'trust')
    return file === undefined || existsSync(file)
  }
  const predicted = predict(layout, { now })
  const viewRow = (row: Connection, index: number): RowView => {
    const client = row.clientCertificate && holders.get(row.clientCertificate.name)
    const server = holders.get(row.serverCertificate.name)
    const missing = [
      ...(row.clientCertificate && !client ? [row.clientCertificate.name] : []),
      ...(server ? [] : [row.serverCertificate.name]),
      ...[row.clientTrust, row.serverTrust].flatMap(decided => (isThere(decided) ? [] : [decided!.name])),
    ]
    const trust = (decided: Decided | undefined) => {
      const bundle = bundleOf(decided)
      return bundle ? list(bundle.map(labelOf).toSorted()) : 'nobody: it does not check'
    }
    return {
      from: row.from,
      to: row.to,
      missing,
      facts: {
        'comes to': describe(predicted[index]!),
        ...(row.clientTrust ? { 'client trusts': trust(row.clientTrust) } : {}),
        ...(row.serverTrust ? { 'server trusts': trust(row.serverTrust) } : {}),
        ...(client ? factsOf('client certificate', client, true, labelOf) : {}),
        ...(server ? factsOf('serving certificate', server, false, labelOf) : {}),
      },
    }
  }
  return { plan, authorities, holders, rows: connections.map(viewRow), bundleOf, labelOf }
}

function factsOf(
  what: string,
  { chain, issuer }: Holder,
  isClient: boolean,
  labelOf: (certificate: Certificate) => string,
): Record<string, string> {
  const [leaf, ...served] = chain
  const { subject, notBefore, notAfter, extKeyUsage } = leaf!
  const { x509, key } = openssl(leaf!)
  return {
    [`${what}: issuer`]: issuer,
    ...(isClient ? { [`${what}: user`]: subject.commonName, [`${what}: groups`]: list(subject.organizations) } : {}),
    ...(isClient ? {} : { [`${what}: names`]: namesOf(x509) }),
    [`${what}: usages`]: list(extKeyUsage ?? ['any']),
    [`${what}: key`]: keyNameOf(key),
    [`${what}: signature`]: leaf!.signatureAlgorithm,
    [`${what}: lifetime`]: lifetimeOf(notBefore, notAfter),
    [`${what}: served with`]: list(served.map(labelOf)),
  }
}

const list = (words: readonly string[]): string => (words.length === 0 ? '(none)' : words.join(', '))

const namesOf = ({ subjectAltName = '' }: X509Certificate) =>
  list(
    subjectAltName
      .split(', ')
      .filter(Boolean)
      .map(name => name.replace(/^(DNS|IP Address):/, ''))
      .toSorted(),
  )

/** What an authority may sign, and who signed it. */
export function authorityFacts(view: PkiView, certificate: Certificate): Record<string, string> {
  const { x509, key } = openssl(certificate)
  const issuer = [...view.authorities].find(([, one]) => x509.checkIssued(openssl(one).x509))
  const { basicConstraints, notBefore, notAfter, details } = certificate
  return {
    issuer: x509.verify(x509.publicKey) ? 'self' : (issuer?.[0] ?? certificate.issuer.toString()),
    key: keyNameOf(key),
    lifetime: lifetimeOf(notBefore, notAfter),
    'path length': String(basicConstraints?.pathLength ?? 'any'),
    'may sign for': constraintsOf(details.nameConstraints),
  }
}

function constraintsOf(constraints: Certificate['details']['nameConstraints']): string {
  if (!constraints) return 'any name'
  const texts = ({ dns, ip, uri }: Subtrees) => [
    ...[...dns, ...uri].map(({ text }) => text || 'every DNS name'),
    ...ip.map(cidrToString),
  ]
  return list([...texts(constraints.permitted), ...texts(constraints.excluded).map(text => `not ${text}`)])
}

const lifetimeOf = (notBefore: Date, notAfter: Date) =>
  `${Math.round((notAfter.getTime() - notBefore.getTime()) / 86_400_000)}d`

/** As plans spell it: `RSA-2048`, `ECDSA-P256`. */
function keyNameOf({ asymmetricKeyType, asymmetricKeyDetails = {} }: KeyObject): string {
  const { modulusLength, namedCurve } = asymmetricKeyDetails
  if (modulusLength) return `${(asymmetricKeyType ?? 'unknown').toUpperCase()}-${modulusLength}`
  if (!namedCurve) return asymmetricKeyType === 'ed25519' ? 'Ed25519' : (asymmetricKeyType ?? 'unknown')
  return `ECDSA-${namedCurve.replace('prime256v1', 'P256').replace(/^secp(\d+)r1$/, 'P$1')}`
}

const openssl = ({ der }: Certificate) => {
  const x509 = new X509Certificate(der)
  return { x509, key: x509.publicKey }
}

const certificatesIn = (pem: string): Certificate[] => certificateBlocks(pem).map(der => parseCertificate(der))

function chainOf(layout: Layout, name: string): Certificate[] {
  const decided = { name, flag: '' }
  const file = fileOf(layout, decided, 'certificate')!
  return certificatesIn(
    isKubeconfig(decided) ? pemOf(loadKubeconfig(file).clientCertificate) : readFileSync(file, 'latin1'),
  )
}

const trustOf = (decided: Decided, file: string): string =>
  isKubeconfig(decided) ? pemOf(loadKubeconfig(file).certificateAuthority) : readFileSync(file, 'latin1')

const pemOf = (source: Source | undefined): string =>
  source === undefined ? '' : 'data' in source ? source.data : readFileSync(source.file, 'latin1')

function quietly<T>(action: () => T): T | undefined {
  try {
    return action()
  } catch {
    return undefined
  }
}
