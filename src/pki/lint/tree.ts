/** The files of a folder, and how open its folders are. Links are not followed; `.git` and `node_modules` are left out. */
import { constants, type Stats } from 'node:fs'
import { lstat, open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { isArchive } from './archive.ts'
import { type Blob, type Looked, mostBytes } from './types.ts'

export interface Tree {
  /** Folder (relative, '' for the top) → mode. */
  folders: Map<string, number>
  /** Archives in it, to be looked into by themselves. */
  archives: string[]
}

const leftOut = new Set(['.git', 'node_modules'])

export async function* readTree(dir: string, tree: Tree, looked: Looked, below = ''): AsyncGenerator<Blob> {
  const folder = join(dir, below)
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    looked.skipped.push(`${below || '.'}: ${error.code ?? error.message}`)
    return []
  })
  tree.folders.set(below, (await lstat(folder)).mode & 0o777)
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = below ? `${below}/${entry.name}` : entry.name
    if (entry.isDirectory() && !leftOut.has(entry.name)) yield* readTree(dir, tree, looked, path)
    if (!entry.isFile()) continue
    try {
      const { data, stats } = await readStart(join(dir, path))
      if (isArchive(data)) tree.archives.push(path)
      if (stats.size > mostBytes) looked.skipped.push(`${path}: only its first ${mostBytes >> 20} MiB`)
      yield { path, data, place: {}, mode: stats.mode & 0o777 }
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      looked.skipped.push(`${path}: ${code ?? message}`)
    }
  }
}

/** Not more of a file than a key can be far in. A FIFO that took a file's place is not waited for. */
export async function readStart(file: string): Promise<{ data: Buffer; stats: Stats }> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const stats = await handle.stat()
    const data = Buffer.alloc(Math.min(stats.size, mostBytes))
    const { bytesRead } = await handle.read(data, 0, data.length, 0)
    return { data: data.subarray(0, bytesRead), stats }
  } finally {
    await handle.close()
  }
}
