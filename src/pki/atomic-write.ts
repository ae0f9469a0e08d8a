/**
 * Files that appear whole or not at all, and many of them together. Each is written beside its place, synced and renamed; for a set,
 * a list of the renames is left on disk first, so that after a crash the next run finishes them. A reader never sees half a file.
 */
import { closeSync, fchmodSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { diskTrouble, TrustplaneError } from '#errors.ts'
import type { PkiFiles } from './types.ts'

/** Beside the file that it becomes; the name is fixed, so that the next run writes over what a crash left. */
export const temporaryName = (path: string) => join(dirname(path), `.${path.split('/').at(-1)}.new`)

/** The renames still to be done, relative to the directory. */
const journal = '.pki-commit.json'

/** Puts all `files` into `dir`, or (when it fails or dies before the list of renames is on disk) none. */
export async function writeTogether(dir: string, files: PkiFiles): Promise<void> {
  if (files.size === 0) return
  const folders = new Set([...files.keys()].map(path => dirname(join(dir, path))))
  try {
    for (const folder of [dir, ...folders]) await mkdir(folder, { recursive: true, mode: 0o700 })
    await Promise.all(
      [...files].map(async ([path, { content, mode }]) => {
        await writeSynced(temporaryName(join(dir, path)), content, mode).catch(cause => {
          // the system says only what is wrong
          throw Object.assign(cause, { path: join(dir, path) })
        })
      }),
    )
    await writeSynced(temporaryName(join(dir, journal)), JSON.stringify([...files.keys()]), 0o600)
    await rename(temporaryName(join(dir, journal)), join(dir, journal))
  } catch (cause) {
    await Promise.allSettled(
      [...files.keys(), journal].map(path => rm(temporaryName(join(dir, path)), { force: true })),
    )
    const { code, path } = cause as NodeJS.ErrnoException
    const disk = diskTrouble(cause)
    const why = disk ? `${disk.what} (${code})` : (code ?? String(cause))
    throw new TrustplaneError('TP_FILE_UNREADABLE', `cannot write ${path ?? dir}: ${why}`, {
      fix: `${disk?.fix ?? 'choose a folder that you may write to'}; nothing was changed`,
      cause,
    })
  }
  await finish(dir, [...files.keys()])
}

/** Puts all `files` into a new `dir` that nobody reads yet. @throws Error EEXIST for a file that is there */
export async function writeAnew(dir: string, files: PkiFiles): Promise<void> {
  const folders = new Set([...files.keys()].map(path => dirname(join(dir, path))))
  for (const folder of folders) mkdirSync(folder, { recursive: true, mode: 0o700 })
  for (const [path, { content, mode }] of files) {
    const file = openSync(join(dir, path), 'wx', mode)
    try {
      // whatever the umask says
      fchmodSync(file, mode)
      writeSync(file, content)
    } finally {
      closeSync(file)
    }
  }
}

/** Finishes what an earlier run was killed in. Returns the files that it put in place. */
export async function recover(dir: string): Promise<string[]> {
  let paths: string[]
  try {
    paths = JSON.parse(await readFile(join(dir, journal), 'utf8')) as string[]
  } catch {
    return []
  }
  await finish(dir, paths)
  return paths
}

async function finish(dir: string, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await rename(temporaryName(join(dir, path)), join(dir, path)).catch((error: NodeJS.ErrnoException) => {
      // done already, before the crash
      if (error.code !== 'ENOENT') throw error
    })
  }
  await Promise.all([...new Set(paths.map(path => dirname(join(dir, path))))].map(syncFolder))
  await rm(join(dir, journal), { force: true })
}

async function writeSynced(path: string, content: string, mode: number): Promise<void> {
  // what a crash left may have another mode
  await rm(path, { force: true })
  const file = await open(path, 'wx', mode)
  try {
    // whatever the umask says
    await file.chmod(mode)
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
