/** Tells when files change, by the folder they are in: editors, `mv` and Kubernetes' symlink swaps all replace rather than write. */
import { type FSWatcher, statSync, watch } from 'node:fs'
import { dirname } from 'node:path'

/** apiserver's dynamiccertificates: fsnotify, and every minute whatever it said. */
const pollMs = 60_000
/** Two files that belong together are seldom written in one go. */
const settleMs = 20

/** Calls `onMaybeChanged` after something happened to one of `files`' folders, and every minute. Keeps no process alive. */
export function watchFiles(files: readonly string[], onMaybeChanged: () => void): () => void {
  let settle: NodeJS.Timeout | undefined
  const soon = () => {
    settle ??= setTimeout(() => {
      settle = undefined
      onMaybeChanged()
    }, settleMs).unref()
  }
  const watchers = new Map<string, FSWatcher>()
  for (const folder of new Set(files.map(file => dirname(file)))) {
    try {
      const watcher = watch(folder, { persistent: false }, soon)
      // the folder went away, or there are too many watches: the poll is left
      watcher.on('error', () => watcher.close())
      watchers.set(folder, watcher)
    } catch {}
  }
  const poll = setInterval(onMaybeChanged, pollMs).unref()
  return () => {
    clearTimeout(settle)
    clearInterval(poll)
    for (const watcher of watchers.values()) watcher.close()
  }
}

/** Changes when a file does; '' when it is not there. */
export function fileState(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false })
  // milliseconds with a fraction: two writes may share a whole one
  return stats ? `${stats.mtimeMs}:${stats.ctimeMs}:${stats.size}:${stats.ino}` : ''
}
