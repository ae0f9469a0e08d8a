/** A PKI's files put in order: which certificates there are, where, and who signed them. */
import type { Certificate } from '#x509/types.ts'
import { opensslView, publicKeyHash } from './inspect.ts'
import type { Finding, Inspected } from './types.ts'

/** A certificate, once, wherever it lies. */
export interface Entry {
  certificate: Certificate
  /** The first is where findings are placed. */
  paths: readonly string[]
  /** SHA-256 of its public key. */
  publicKey: string
  isCa: boolean
  /** Another entry, or itself when it is self-signed; undefined when the signer is not here. */
  issuer?: Entry
}

export interface Inventory {
  dir: string
  now: Date
  files: readonly Inspected[]
  folders: ReadonlyMap<string, number>
  entries: readonly Entry[]
  /** Who signs the cluster's users and components. */
  clusterCa?: Entry
}

export type Check = (inventory: Inventory) => Finding[]

export function takeInventory(given: Omit<Inventory, 'entries' | 'clusterCa'>): Inventory {
  const entries = entriesOf(given.files)
  const clusterCa = clusterCaOf(entries)
  return { ...given, entries, ...(clusterCa ? { clusterCa } : {}) }
}

function entriesOf(files: readonly Inspected[]): Entry[] {
  const byHash = new Map<string, Entry & { paths: string[] }>()
  const put = (certificate: Certificate, path: string) => {
    const known = byHash.get(certificate.sha256)
    if (known) {
      if (!known.paths.includes(path)) known.paths.push(path)
      return
    }
    const isCa = certificate.basicConstraints?.isCa === true
    byHash.set(certificate.sha256, { certificate, paths: [path], publicKey: publicKeyHash(certificate), isCa })
  }
  for (const { path, certificates, kubeconfig } of files) {
    for (const certificate of [...certificates, ...(kubeconfig?.certificates ?? [])]) put(certificate, path)
  }
  const entries = [...byHash.values()]
  const authorities = entries.filter(({ isCa }) => isCa)
  for (const entry of entries) {
    const issuer = [entry, ...authorities].find(candidate => hasSigned(candidate.certificate, entry.certificate))
    if (issuer) entry.issuer = issuer
  }
  return entries
}

function hasSigned(issuer: Certificate, subject: Certificate): boolean {
  try {
    return (
      Buffer.compare(issuer.subject.der, subject.issuer.der) === 0 &&
      opensslView(subject).verify(opensslView(issuer).publicKey)
    )
  } catch {
    // a key or algorithm that OpenSSL does not take
    return false
  }
}

/** By who signed the administrator and the controllers; else the CA of kubeadm's name. */
function clusterCaOf(entries: readonly Entry[]): Entry | undefined {
  for (const name of ['admin.conf', 'super-admin.conf', 'controller-manager.conf', 'scheduler.conf']) {
    const issuer = entries.find(entry => entry.paths.some(path => isNamed(path, name)))?.issuer
    if (issuer?.isCa) return issuer
  }
  return entries.find(({ isCa, paths }) => isCa && paths.some(path => /^(pki\/)?ca\.crt$/.test(path)))
}

export const isNamed = (path: string, name: string): boolean => path === name || path.endsWith(`/${name}`)

export const usages = ({ certificate }: Entry): readonly string[] => certificate.extKeyUsage ?? []

export const isSelfSigned = (entry: Entry): boolean => entry.issuer === entry

export const finding = (rule: Finding['rule'], { certificate, paths }: Entry, detail = ''): Finding => ({
  rule,
  path: paths[0]!,
  detail: [certificate.subject.toString() || '(no subject)', detail].filter(Boolean).join(', '),
})
