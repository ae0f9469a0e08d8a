/**
 * What a rehearsal keeps in the state directory: `rehearsals/<name>/old/`, the PKI as it was before the first step, and `…/new/`, the
 * authorities and keys that take over. Keys are 0600 there, too, and stay until the folder is removed: none is ever lost.
 */
import { readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { TrustplaneError } from '#errors.ts'
import { temporaryName } from '#pki/atomic-write.ts'
import { ownCertificates, trustFiles } from '#pki/lookup.ts'
import type { TrustSlot } from '#pki/trust-slots.ts'
import type { PkiFiles, Plan } from '#pki/types.ts'
import type { Rehearsal } from './types.ts'

export const storeOf = ({ name }: Pick<Rehearsal, 'name'>): string => `rehearsals/${name}`
export const oldPath = (rehearsal: Pick<Rehearsal, 'name'>, path: string): string => `${storeOf(rehearsal)}/old/${path}`
export const newPath = (rehearsal: Pick<Rehearsal, 'name'>, path: string): string => `${storeOf(rehearsal)}/new/${path}`

/** Undefined when it is not there. */
export function readIfThere(dir: string, path: string): string | undefined {
  try {
    return readFileSync(join(dir, path), 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new TrustplaneError('TP_FILE_UNREADABLE', `cannot read ${path}: ${code}`, {
      fix: 'let this user read it',
      at: { file: join(dir, path) },
      cause,
    })
  }
}

/** @throws TrustplaneError TP_PKI_MISSING */
export function readThere(dir: string, path: string): string {
  const text = readIfThere(dir, path)
  if (text !== undefined) return text
  throw new TrustplaneError('TP_PKI_MISSING', `${path} is not there`, {
    fix: 'do the step that makes it first, or put it back from your backup',
    at: { file: join(dir, path) },
  })
}

/** Every file that a step may change. */
const pathsOf = (plan: Plan): string[] => [
  ...plan.authorities.flatMap(row => [row.certificateFile, row.keyFile]),
  ...ownCertificates(plan).flatMap(row => [row.certificateFile, row.keyFile]),
  ...plan.kubeconfigs.map(row => row.file),
  ...plan.keyPairs.flatMap(row => [row.keyFile, row.publicKeyFile]),
  ...Object.keys(plan.trust).flatMap(slot => trustFiles(plan, slot as TrustSlot)),
]

/** The copies of what is there now; none when an earlier run has made them. */
export function copiesOf(dir: string, rehearsal: Rehearsal): PkiFiles {
  const files: PkiFiles = new Map()
  for (const path of pathsOf(rehearsal.plan)) {
    if (readIfThere(dir, oldPath(rehearsal, path)) !== undefined) return new Map()
    const content = readIfThere(dir, path)
    if (content !== undefined) files.set(oldPath(rehearsal, path), { content, mode: modeOf(join(dir, path)) })
  }
  return files
}

/** What a run had begun to write, beside its place, when it was killed: keys that nobody has used. */
export function removeUnfinished(dir: string, rehearsal: Rehearsal): void {
  for (const path of [...pathsOf(rehearsal.plan), ...pathsOf(rehearsal.target)]) {
    for (const place of [path, oldPath(rehearsal, path), newPath(rehearsal, path)]) {
      rmSync(temporaryName(join(dir, place)), { force: true })
    }
  }
}

/** Never more open than it was, and a key never open at all. */
const modeOf = (path: string) => statSync(path).mode & (path.endsWith('.crt') ? 0o644 : 0o600)

export const wasBegun = (dir: string, rehearsal: Rehearsal): boolean => copiesThere(dir, rehearsal).length > 0

const copiesThere = (dir: string, rehearsal: Rehearsal) =>
  pathsOf(rehearsal.plan).filter(path => readIfThere(dir, oldPath(rehearsal, path)) !== undefined)
