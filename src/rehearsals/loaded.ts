/**
 * What every component has in memory: a copy of its files as it last read them, in a folder of the same shape as the state directory.
 * Prediction and traffic read there, so that a component that was not restarted goes on with what it had.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import type { Layout } from '#mesh/layout.ts'
import { readBundle } from '#x509/pem.ts'
import type { Pod } from './pods.ts'
import { type Owned, ownedFiles } from './rereads.ts'

export class Loaded {
  /** Where the copies are: the mesh's layout, with another directory. */
  readonly layout: Layout
  readonly #from: Layout
  readonly #owned: readonly Owned[]
  readonly #versions = new Map<string, number>()
  #pod: Pod | undefined

  /** @param folder private: keys are copied, too */
  constructor(layout: Layout, folder: string) {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    this.#from = layout
    this.layout = { ...layout, dir: folder }
    this.#owned = ownedFiles(layout)
    try {
      for (const owned of this.#owned) this.#load(owned)
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** Counts up whenever something of this component's is read again. */
  version(component: string): number {
    return this.#versions.get(component) ?? 0
  }

  /** It has started: everything is read. */
  started(component: string): void {
    for (const owned of this.#owned) {
      if (owned.owner === component && owned.reread !== 'object') this.#load(owned)
    }
    this.#versions.set(component, this.version(component) + 1)
  }

  /** What is read without a restart is read, where it differs and is good. */
  reread(): void {
    for (const owned of this.#owned) {
      if (!this.#differs(owned)) continue
      if (owned.reread === 'use' || (owned.reread === 'watch' && isGood(owned))) this.#load(owned)
    }
  }

  /** The object that holds it was written. */
  applied(name: string): void {
    const owned = this.#owned.find(one => one.name === name)
    if (owned) this.#load(owned)
  }

  /** Undefined before pods have started. */
  get pod(): Pod | undefined {
    return this.#pod
  }

  set pod(pod: Pod | undefined) {
    this.#pod = pod
    this.#versions.set('pod', this.version('pod') + 1)
  }

  /** A file as its owner has it; '' when it has none. */
  text(path: string): string {
    const copy = join(this.layout.dir, path)
    return existsSync(copy) ? readFileSync(copy, 'utf8') : ''
  }

  close(): void {
    rmSync(this.layout.dir, { recursive: true, force: true })
  }

  #copyOf(file: string): string {
    return join(this.layout.dir, relative(this.#from.dir, file))
  }

  #differs({ files }: Owned): boolean {
    return files.some(file => {
      const copy = this.#copyOf(file)
      return existsSync(file) && !(existsSync(copy) && readFileSync(copy).equals(readFileSync(file)))
    })
  }

  #load(owned: Owned): void {
    if (!this.#differs(owned)) return
    for (const file of owned.files) {
      if (!existsSync(file)) continue
      mkdirSync(dirname(this.#copyOf(file)), { recursive: true, mode: 0o700 })
      copyFileSync(file, this.#copyOf(file))
    }
    this.#versions.set(owned.owner, this.version(owned.owner) + 1)
  }
}

/** As far as a component that watches it would take it. */
function isGood({ files }: Owned): boolean {
  try {
    const [first, second] = files.map(file => readFileSync(file, 'utf8'))
    if (second === undefined) return readBundle(first!, 'kube-apiserver', {}).length > 0
    return statSync(files[0]!).size > 0 && new X509Certificate(first!).checkPrivateKey(createPrivateKey(second))
  } catch {
    return false
  }
}
