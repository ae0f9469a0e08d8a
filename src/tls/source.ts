/** A value that is loaded from files and loaded again by policy: what identities and bundles have in common. */

import type { Reload } from './types.ts'
import { fileState, watchFiles } from './watch.ts'

export interface Source<T> {
  /** @throws Error by policy `handshake`, when the files cannot be used any more (as etcd's GetCertificate) */
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
  const stop = reload === 'watch' ? watchFiles(files, refresh) : () => {}
  return {
    current() {
      if (reload === 'handshake') {
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
