/** A value that is loaded from files and loaded again by policy: what identities and bundles have in common. */

import type { Reload } from './types.ts'
import { fileState, watchFiles } from './watch.ts'

/** client-go's CertCallbackRefreshDuration. */
const clientGoPollMs = 5 * 60_000

export interface Source<T> {
  readonly reload?: Reload
  /** @throws Error by policy `handshake` or `client-go`, when the files cannot be used any more (as Go's GetCertificate of theirs) */
  current(): T
  onChange(listener: () => void): () => void
  close(): void
}

export interface SourceOptions<T> {
  files: readonly string[]
  reload: Reload
  /** @throws Error in the original's words */
  load(): T
  same(a: T, b: T): boolean
  onLoaded(): void
  onBad(error: Error): void
}

/** @throws what `load` throws, when the files cannot be used at start */
export function createSource<T>(options: SourceOptions<T>): Source<T> {
  const { files, reload } = options
  const states = () => files.map(fileState).join('|')
  let state = states()
  let value = options.load()
  let bad: Error | undefined
  const listeners = new Set<() => void>()

  const refresh = () => {
    const now = states()
    if (now === state) return
    state = now
    try {
      const next = options.load()
      bad = undefined
      if (options.same(value, next)) return
      value = next
    } catch (error) {
      bad = error as Error
      options.onBad(bad)
      return
    }
    options.onLoaded()
    for (const listener of [...listeners]) listener()
  }
  const stop =
    reload === 'watch' ? watchFiles(files, refresh) : reload === 'client-go' ? every(clientGoPollMs, refresh) : () => {}
  return {
    reload,
    current() {
      if (reload === 'handshake' || reload === 'client-go') {
        refresh()
        if (bad) throw bad
      }
      return value
    },
    onChange(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    close() {
      stop()
      listeners.clear()
    },
  }
}

function every(ms: number, call: () => void): () => void {
  const timer = setInterval(call, ms).unref()
  return () => clearInterval(timer)
}

/** A value that changes when it is set. */
export function memorySource<T>(first: T): Source<T> & { put(value: T): void } {
  let value = first
  const listeners = new Set<() => void>()
  return {
    current: () => value,
    put(next) {
      value = next
      for (const listener of [...listeners]) listener()
    },
    onChange(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    close: () => listeners.clear(),
  }
}
