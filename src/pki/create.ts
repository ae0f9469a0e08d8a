/**
 * A PKI on disk. As kubeadm's phases do: what is there and fits is kept ("Using existing …"), what is missing is made, and a key is
 * never written over unless told to.
 */
import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, systemClock } from '#clock.ts'
import { messageOf, TrustplaneError } from '#errors.ts'
import { recover, writeTogether } from './atomic-write.ts'
import { issuePki } from './issue.ts'
import { readKubeconfigIdentity, withServer } from './kubeconfig.ts'
import { withLock } from './lock.ts'
import { ownCertificates } from './lookup.ts'
import { applyChanges } from './plan.ts'
import { planRecord, renderPlanRecord } from './plan-record.ts'
import type { Issuance, PkiFiles, Plan, PlanChanges } from './types.ts'

export interface CreateOptions {
  plan: Plan
  dir: string
  clock?: Clock
  /** Make everything anew, over what is there. */
  force?: boolean
  /** Changes to the plan, for this time. */
  overrides?: PlanChanges
}

export interface CreatedFile {
  /** Relative to the state directory. */
  file: string
  notAfter?: Date
}

export interface Created {
  /** The plan, with the overrides in it. */
  plan: Plan
  written: CreatedFile[]
  /** Names of entries that were there already. */
  kept: string[]
  /** Authorities whose certificate is there without its key: somebody else signs. */
  external: string[]
}

/** @throws TrustplaneError TP_PKI_EXISTS, TP_PKI_CA_KEY_MISSING, TP_PKI_LOCKED, TP_FILE_UNREADABLE, TP_PLAN_INVALID */
export async function createPki(options: CreateOptions): Promise<Created> {
  const plan = options.overrides ? await applyChanges(options.plan, options.overrides) : options.plan
  // what is wrong with the folder is said when something is written to it
  await mkdir(options.dir, { recursive: true, mode: 0o700 }).catch(() => {})
  return withLock(options.dir, () => create(plan, options))
}

async function create(plan: Plan, { dir, clock = systemClock, force = false }: CreateOptions): Promise<Created> {
  await recover(dir)
  const nothing: Existing = { files: new Map(), moved: new Map(), kept: [], external: [] }
  const existing = force ? nothing : await readExisting(plan, dir)
  const files = await issuePki(plan, clock, existing.files)
  await leaveOutUnchanged(dir, files)
  for (const [path, file] of existing.moved) files.set(path, file)
  const written = [...files].map(([file, { notAfter }]) => (notAfter ? { file, notAfter } : { file }))
  const record = renderPlanRecord(plan)
  if ((await readIfThere(join(dir, planRecord))) !== record) files.set(planRecord, { content: record, mode: 0o644 })
  await writeTogether(dir, files)
  return { plan, written, kept: existing.kept, external: existing.external }
}

/** Files without secrets that come out the same (trust bundles) need no writing. */
async function leaveOutUnchanged(dir: string, files: PkiFiles): Promise<void> {
  for (const [path, { content }] of files) {
    if (path.startsWith('trust/') && (await readIfThere(join(dir, path))) === content) files.delete(path)
  }
}

interface Existing {
  files: Map<string, string>
  /** Kubeconfigs that dial another address than the plan says: the same identity, with the new one. */
  moved: PkiFiles
  kept: string[]
  external: string[]
}

/** What is there, by path, when it is usable: pairs that belong together, under the authority that the plan says. */
async function readExisting(plan: Plan, dir: string): Promise<Existing> {
  const found: Existing = { files: new Map(), moved: new Map(), kept: [], external: [] }
  const read = async (path: string) => {
    const content = await readIfThere(join(dir, path))
    if (content !== undefined) found.files.set(path, content)
    return content
  }
  const paths = [
    ...plan.authorities.flatMap(row => [row.certificateFile, row.keyFile]),
    ...ownCertificates(plan).flatMap(row => [row.certificateFile, row.keyFile]),
    ...plan.kubeconfigs.map(row => row.file),
    ...plan.keyPairs.flatMap(row => [row.keyFile, row.publicKeyFile]),
  ]
  await Promise.all(paths.map(read))
  if (found.files.size === 0) return found

  const certificates = new Map<string, X509Certificate>()
  for (const row of plan.authorities) {
    const certificate = certificateIn(found.files.get(row.certificateFile), join(dir, row.certificateFile))
    const key = found.files.get(row.keyFile)
    if (certificate) {
      certificates.set(row.name, certificate)
      found.kept.push(row.name)
      if (key !== undefined) mustMatch(certificate, keyIn(key, join(dir, row.keyFile)), join(dir, row.keyFile))
      else if (!row.sameKeyAs) found.external.push(row.name)
    } else if (key !== undefined) keyIn(key, join(dir, row.keyFile))
  }
  const checkIssuer = (row: Issuance, certificate: X509Certificate, path: string) => {
    const issuer = row.issuer === 'self' ? certificate : certificates.get(row.issuer)
    if (!issuer || !certificate.verify(issuer.publicKey)) {
      throw inTheWay(path, issuer ? `it is not signed by ${row.issuer}` : `its authority ${row.issuer} is missing`)
    }
  }
  for (const row of ownCertificates(plan)) {
    const path = join(dir, row.certificateFile)
    const certificate = certificateIn(found.files.get(row.certificateFile), path)
    const key = found.files.get(row.keyFile)
    if (certificate) {
      if (key === undefined) throw inTheWay(path, `its key ${row.keyFile} is missing`)
      if (!row.keyFrom) mustMatch(certificate, keyIn(key, join(dir, row.keyFile)), join(dir, row.keyFile))
      checkIssuer(row, certificate, path)
      const missing = namesMissing(row, certificate)
      if (missing.length > 0) throw inTheWay(path, `it does not have the names ${missing.join(', ')} of this plan`)
      found.kept.push(row.name)
    } else if (key !== undefined) keyIn(key, join(dir, row.keyFile))
  }
  for (const row of plan.kubeconfigs) {
    const text = found.files.get(row.file)
    if (text === undefined) continue
    const path = join(dir, row.file)
    const identity = readKubeconfigIdentity(text, path)
    const certificate = certificateIn(identity.clientCertificate, path)
    if (!certificate) throw inTheWay(path, 'it has no client certificate')
    mustMatch(certificate, keyIn(identity.clientKey, path), path)
    checkIssuer(row, certificate, path)
    if (identity.server !== row.server) {
      const content = withServer(text, row.server)
      found.moved.set(row.file, { content, mode: row.mode, notAfter: certificate.validToDate })
    }
    found.kept.push(row.name)
  }
  for (const row of plan.keyPairs) {
    const key = found.files.get(row.keyFile)
    const publicKey = found.files.get(row.publicKeyFile)
    if (key === undefined) {
      if (publicKey !== undefined) throw inTheWay(join(dir, row.publicKeyFile), `its key ${row.keyFile} is missing`)
      continue
    }
    const expected = createPublicKey(keyIn(key, join(dir, row.keyFile))).export({ format: 'pem', type: 'spki' })
    if (publicKey === undefined) continue
    if (publicKey.trim() !== expected.toString().trim()) {
      throw inTheWay(join(dir, row.publicKeyFile), `it does not belong to ${row.keyFile}`)
    }
    found.kept.push(row.name)
  }
  return found
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new TrustplaneError('TP_FILE_UNREADABLE', `cannot read ${path}: ${code ?? messageOf(cause)}`, {
      fix: 'let this user read it, or choose another --dir',
      cause,
    })
  }
}

const inTheWay = (path: string, why: string, cause?: unknown) =>
  new TrustplaneError('TP_PKI_EXISTS', `${path} is there already, and ${why}`, {
    fix: 'move it away, choose another --dir, or make everything anew with --force',
    at: { file: path },
    ...(cause === undefined ? {} : { cause }),
  })

/** kubeadm's check of a serving certificate that it finds: every name of the configuration must be in it. */
function namesMissing(row: Issuance, certificate: X509Certificate): string[] {
  const has = new Set((certificate.subjectAltName ?? '').split(', '))
  return [
    ...row.dnsNames.filter(name => !has.has(`DNS:${name}`)),
    ...row.ipAddresses.filter(address => certificate.checkIP(address) === undefined),
  ]
}

function certificateIn(text: string | undefined, path: string): X509Certificate | undefined {
  if (text === undefined || text === '') return undefined
  try {
    return new X509Certificate(text)
  } catch (cause) {
    throw inTheWay(path, 'it holds no certificate that can be read', cause)
  }
}

function keyIn(text: string, path: string): KeyObject {
  try {
    return createPrivateKey(text)
  } catch (cause) {
    throw inTheWay(path, 'it holds no private key that can be read', cause)
  }
}

function mustMatch(certificate: X509Certificate, key: KeyObject, path: string): void {
  if (!certificate.checkPrivateKey(key)) throw inTheWay(path, 'its key does not belong to its certificate')
}
