/**
 * What an action does to files: what it would write, whether that has been done, and what takes it back. The same for a mesh that runs
 * and for a prediction, which works on a copy of the directory.
 */
import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import type { Clock } from '#clock.ts'
import { TrustplaneError } from '#errors.ts'
import { readKubeconfigIdentity, withClientCertificate } from '#pki/kubeconfig.ts'
import type { PkiFiles, Plan } from '#pki/types.ts'
import { has, readTrust, sameBlock, type TrustTarget, trustTarget, withTrust } from './bundles.ts'
import { issueLeaf, makeReplacement } from './issue.ts'
import { newPath, oldPath, readIfThere, readThere } from './store.ts'
import type { Action, Rehearsal, Replaced } from './types.ts'

export interface Workshop {
  /** The state directory, or a copy of it. */
  dir: string
  rehearsal: Rehearsal
  clock: Clock
}

interface Pair {
  /** A certificate, or a public key. */
  open: string
  key: string
}

/** The files that an authority, a self-signed certificate or a key pair consists of. */
export function pairOfName(plan: Plan, name: string): Pair | undefined {
  const row = [...plan.authorities, ...plan.certificates].find(candidate => candidate.name === name)
  if (row) return { open: row.certificateFile, key: row.keyFile }
  const pair = plan.keyPairs.find(candidate => candidate.name === name)
  return pair && { open: pair.publicKeyFile, key: pair.keyFile }
}

const replacedBy = ({ replaces }: Rehearsal, name: string): Replaced =>
  replaces.find(one => one.new === name || one.old === name)!
const oldPair = ({ plan }: Rehearsal, { old }: Replaced): Pair => pairOfName(plan, old)!
const newPair = ({ target }: Rehearsal, one: Replaced): Pair => pairOfName(target, one.new)!

/** Those of the replaced that are in a trust target, with both generations' blocks; the new one's is there once it is made. */
function members({ dir, rehearsal }: Workshop, target: TrustTarget) {
  return rehearsal.replaces
    .filter(one => target.names.includes(one.old) && movesTo(rehearsal.target, target.name, one))
    .map(one => ({
      old: readThere(dir, oldPath(rehearsal, oldPair(rehearsal, one).open)),
      new: readIfThere(dir, newPath(rehearsal, newPair(rehearsal, one).open)),
      path: newPath(rehearsal, newPair(rehearsal, one).open),
    }))
}

/** One that takes over in some places only (a split) leaves the others alone. */
const movesTo = (plan: Plan, name: string, one: Replaced): boolean =>
  one.new === one.old || (trustTarget(plan, name)?.names.includes(one.new) ?? false)

/** Old, new or both, by what a trust target really holds; undefined when nothing in it is replaced. */
export function trusted(workshop: Workshop, name: string, dir = workshop.dir): 'old' | 'new' | 'both' | undefined {
  const target = trustTarget(workshop.rehearsal.plan, name)
  return target && trustedIn(workshop, name, readTrust(dir, target))
}

/** The same for blocks that are elsewhere. */
export function trustedIn(
  workshop: Workshop,
  name: string,
  there: readonly string[],
): 'old' | 'new' | 'both' | undefined {
  const target = trustTarget(workshop.rehearsal.plan, name)
  const concerned = target ? members(workshop, target) : []
  if (concerned.length === 0) return undefined
  const old = concerned.some(one => has(there, one.old))
  const young = concerned.some(one => one.new !== undefined && has(there, one.new))
  return old && young ? 'both' : young ? 'new' : 'old'
}

const targetOf = ({ rehearsal }: Workshop, name: string): TrustTarget => {
  const target = trustTarget(rehearsal.plan, name)
  if (target) return target
  throw new TrustplaneError('TP_NAME_UNKNOWN', `the plan has no trust slot, kubeconfig or key pair ${name}`)
}

/** What the file's own words say: is it done? */
export function isDone(workshop: Workshop, { name, targets }: Action): boolean {
  const { dir, rehearsal } = workshop
  const done = (target: string): boolean => {
    switch (name) {
      case 'make':
        return readIfThere(dir, newPath(rehearsal, newPair(rehearsal, replacedBy(rehearsal, target)).key)) !== undefined
      case 'trust-new':
        return members(workshop, targetOf(workshop, target)).every(
          one => one.new !== undefined && has(readTrust(dir, targetOf(workshop, target)), one.new),
        )
      case 'distrust-old':
        return members(workshop, targetOf(workshop, target)).every(
          one => !has(readTrust(dir, targetOf(workshop, target)), one.old),
        )
      case 'sign-with-new': {
        const { key } = newPair(rehearsal, replacedBy(rehearsal, target))
        const made = readIfThere(dir, newPath(rehearsal, key))
        return made !== undefined && readIfThere(dir, key) === made
      }
      case 'reissue':
        return isReissued(workshop, target)
      default:
        return true
    }
  }
  return targets.every(done)
}

/** It is another than before, and, where its authority is replaced, signed by the new one. */
function isReissued({ dir, rehearsal }: Workshop, name: string): boolean {
  const now = leafPem(dir, rehearsal.plan, name)
  const before = leafPem(join(dir, oldPath(rehearsal, '.')), rehearsal.plan, name)
  if (now === undefined || before === undefined || sameBlock(now, before)) return false
  const { issuer } = [...rehearsal.target.certificates, ...rehearsal.target.kubeconfigs].find(row => row.name === name)!
  const replaced = rehearsal.replaces.find(one => one.new === issuer)
  if (!replaced) return true
  const authority = readIfThere(dir, newPath(rehearsal, newPair(rehearsal, replaced).open))
  return authority !== undefined && isSignedBy(now, authority)
}

/** Asked after every step, of the same few certificates. */
const signed = new Map<string, boolean>()

export function isSignedBy(certificate: string, authority: string): boolean {
  const key = `${certificate}\0${authority}`
  const known = signed.get(key)
  if (known !== undefined) return known
  const answer = new X509Certificate(certificate).verify(new X509Certificate(authority).publicKey)
  signed.set(key, answer)
  return answer
}

/** The first certificate of a leaf's file or kubeconfig. */
export function leafPem(dir: string, plan: Plan, name: string): string | undefined {
  const kubeconfig = plan.kubeconfigs.find(row => row.name === name)
  const path = kubeconfig?.file ?? plan.certificates.find(row => row.name === name)?.certificateFile
  const text = path && readIfThere(dir, path)
  if (!text) return undefined
  return kubeconfig ? readKubeconfigIdentity(text, join(dir, path)).clientCertificate : text
}

/** What an action writes. Empty: it is done already, or it changes no file. */
export async function filesOf(workshop: Workshop, action: Action): Promise<PkiFiles> {
  const { dir, rehearsal, clock } = workshop
  const files: PkiFiles = new Map()
  for (const target of action.targets) {
    if (isDone(workshop, { name: action.name, targets: [target] })) continue
    switch (action.name) {
      case 'make': {
        const one = replacedBy(rehearsal, target)
        const { open, key } = newPair(rehearsal, one)
        const made = await makeReplacement(rehearsal.target, one.new, clock)
        files.set(newPath(rehearsal, key), { content: made.key, mode: 0o600 })
        files.set(newPath(rehearsal, open), { content: made.open, mode: one.kind === 'keyPair' ? 0o600 : 0o644 })
        break
      }
      case 'trust-new': {
        const trust = targetOf(workshop, target)
        const there = readTrust(dir, trust)
        const missing = members(workshop, trust).map(one => one.new ?? readThere(dir, one.path))
        put(files, workshop, trust, [...there, ...missing.filter(block => !has(there, block))])
        break
      }
      case 'distrust-old': {
        const trust = targetOf(workshop, target)
        const there = readTrust(dir, trust)
        const unwanted = members(workshop, trust).map(one => one.old)
        const left = there.filter(block => !has(unwanted, block))
        if (left.length === 0) {
          throw new TrustplaneError('TP_REHEARSAL_STOPPED', `${trust.path} would be empty without the old authority`, {
            fix: 'put the new one in first',
            at: { file: join(dir, trust.path) },
          })
        }
        put(files, workshop, trust, left)
        break
      }
      case 'sign-with-new': {
        const one = replacedBy(rehearsal, target)
        const { open, key } = newPair(rehearsal, one)
        const made = { open: readThere(dir, newPath(rehearsal, open)), key: readThere(dir, newPath(rehearsal, key)) }
        mustFit(made, newPath(rehearsal, key), newPath(rehearsal, open))
        files.set(key, { content: made.key, mode: 0o600 })
        // a key pair's public half is what tokens are checked with: `trust-new` and `distrust-old` are for that
        if (one.kind !== 'keyPair') files.set(open, { content: made.open, mode: 0o644 })
        break
      }
      case 'reissue':
        for (const [path, file] of await issueLeaf(dir, rehearsal, target, clock)) files.set(path, file)
        break
    }
  }
  return files
}

/** What takes an action back: the files as they were, or bundles without the new authority. */
export function filesToUndo(workshop: Workshop, action: Action): PkiFiles {
  const { dir, rehearsal } = workshop
  const files: PkiFiles = new Map()
  const restore = (path: string) => {
    const content = readIfThere(dir, oldPath(rehearsal, path))
    if (content === undefined || content === readIfThere(dir, path)) return
    files.set(path, { content, mode: path.endsWith('.crt') ? 0o644 : 0o600 })
  }
  for (const target of action.targets) {
    switch (action.name) {
      case 'trust-new':
      case 'distrust-old': {
        const trust = targetOf(workshop, target)
        const there = readTrust(dir, trust)
        const concerned = members(workshop, trust)
        const added = concerned.map(one => one.old).filter(block => !has(there, block))
        const removed = action.name === 'trust-new' ? concerned.flatMap(one => one.new ?? []) : []
        const wanted = [...added, ...there.filter(block => !has(removed, block))]
        if (wanted.join('') !== there.join('')) put(files, workshop, trust, wanted)
        break
      }
      case 'sign-with-new': {
        const one = replacedBy(rehearsal, target)
        const { open, key } = newPair(rehearsal, one)
        restore(key)
        if (one.kind !== 'keyPair') restore(open)
        break
      }
      case 'reissue': {
        const certificate = rehearsal.plan.certificates.find(row => row.name === target)
        const kubeconfig = rehearsal.plan.kubeconfigs.find(row => row.name === target)
        if (certificate) for (const path of [certificate.keyFile, certificate.certificateFile]) restore(path)
        // its CA is another step's
        if (kubeconfig) files.set(kubeconfig.file, withOldIdentity(workshop, kubeconfig.file))
        break
      }
    }
  }
  return files
}

function withOldIdentity({ dir, rehearsal }: Workshop, path: string) {
  const text = readThere(dir, path)
  const { clientCertificate, clientKey } = readKubeconfigIdentity(readThere(dir, oldPath(rehearsal, path)), path)
  return { content: withClientCertificate(text, clientCertificate, clientKey), mode: 0o600 }
}

function put(files: PkiFiles, { dir }: Workshop, target: TrustTarget, wanted: readonly string[]): void {
  const mode = target.kind === 'bundle' ? 0o644 : 0o600
  files.set(target.path, { content: withTrust(dir, target, wanted), mode })
}

/** @throws TrustplaneError TP_REHEARSAL_STOPPED for a key that belongs to another certificate */
function mustFit({ open, key }: Pair, keyFile: string, openFile: string): void {
  const isCertificate = open.includes('BEGIN CERTIFICATE')
  const publicKey = isCertificate ? new X509Certificate(open).publicKey : createPublicKey(open)
  if (publicKey.equals(createPublicKey(readKey(key, keyFile)))) return
  throw new TrustplaneError('TP_REHEARSAL_STOPPED', `${keyFile} does not belong to ${openFile}; nothing was changed`, {
    fix: `put back the key that belongs to ${openFile}, or remove both and make them anew with --resume`,
  })
}

function readKey(pem: string, file: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch (cause) {
    throw new TrustplaneError('TP_PEM_INVALID', `${file} holds no private key that can be read; nothing was changed`, {
      fix: 'put it back, or remove it and its certificate and make them anew with --resume',
      cause,
    })
  }
}
