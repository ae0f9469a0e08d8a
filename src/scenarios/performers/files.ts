/** Files of the mesh: changed, taken away, and put back as they were. */
import { chmod, mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { messageOf, TrustplaneError } from '#errors.ts'
import { inDir, type Layout } from '#mesh/layout.ts'
import type { Stage } from '../stage.ts'
import type { FileChange } from '../types.ts'

interface Place {
  mesh: { layout: Pick<Layout, 'dir'> }
  originals?: Stage['originals']
}

/** Remembers a file as it is, the first time that it is about to be changed. */
export async function keepOriginal({ mesh, originals }: Place, path: string): Promise<void> {
  if (!originals || originals.has(path)) return
  const file = inDir(mesh.layout, path)
  const found = await Promise.all([readFile(file), stat(file)]).catch(() => undefined)
  originals.set(path, found && { content: found[0], mode: found[1].mode & 0o7777 })
}

export async function changeFile(place: Place, path: string, change: FileChange): Promise<void> {
  const file = inDir(place.mesh.layout, path)
  await keepOriginal(place, path)
  if (change.remove) {
    await rm(file, { force: true })
    return
  }
  const before = await stat(file).catch(() => undefined)
  const content = await contentOf(place, path, change)
  const mode = change.mode ?? (before ? before.mode & 0o7777 : 0o600)
  if (content !== undefined) await put(file, content, mode)
  else if (change.mode !== undefined) await chmod(file, mode)
}

async function contentOf({ mesh }: Place, path: string, { content, from }: FileChange) {
  if (from !== undefined) {
    return readFile(inDir(mesh.layout, from)).catch(cause => {
      throw new TrustplaneError('TP_FILE_UNREADABLE', `${path} is to be a copy of ${from}: ${messageOf(cause)}`, {
        cause,
        fix: 'name a file that is there by then; `trustplane pki init` shows which files a plan makes',
      })
    })
  }
  return typeof content === 'function' ? content(mesh.layout.dir) : content
}

export async function restoreFile({ mesh, originals }: Place, path: string): Promise<void> {
  if (!originals?.has(path)) return
  const original = originals.get(path)
  const file = inDir(mesh.layout, path)
  if (original) await put(file, original.content, original.mode)
  else await rm(file, { force: true })
  originals.delete(path)
}

/** Whole or not at all: a watcher never reads half of it. */
async function put(file: string, content: string | Uint8Array, mode: number): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const next = `${file}.${process.pid}`
  await writeFile(next, content, { mode })
  await chmod(next, mode)
  await rename(next, file)
}

/** The files that a command line names, and those that its `--config` does; missing ones are left out. */
export async function touch(argv: readonly string[]): Promise<void> {
  const named = argv.flatMap(word => /^--[\w-]+=(\/.+)$/.exec(word)?.[1] ?? [])
  const config = argv.findLast(word => word.startsWith('--config='))?.slice('--config='.length)
  const text = config ? await readFile(config, 'utf8') : ''
  const files = [...named, ...[...text.matchAll(/: (\/\S+)$/gm)].map(match => match[1]!)]
  const now = new Date()
  for (const file of files) {
    if ((await stat(file).catch(() => undefined))?.isFile()) await utimes(file, now, now)
  }
}
