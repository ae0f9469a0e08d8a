/**
 * One etcd watch over everything under /registry, shared by all that watch: the API's watchers and the apiserver's own informers.
 * Recent events are kept so that a watch from a revision just passed needs no etcd watch of its own; older ones get theirs.
 */
import { StringDecoder } from 'node:string_decoder'
import { setTimeout as pause } from 'node:timers/promises'
import { tooOldResourceVersion } from '#kubernetes/status.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import type { Log } from '#log.ts'
import { decode } from './codec.ts'
import type { Etcd } from './etcd.ts'

/** How many events are kept at most, and how long: the original's watch cache has eventFreshDuration, 75 s. */
const windowSize = 4096
const freshMs = 75_000

/** What happened to one key, parsed when somebody looks. */
export class StoreEvent {
  readonly key: string
  readonly revision: number
  readonly deleted: boolean
  /** When it came, by performance.now(). */
  readonly at = performance.now()
  readonly #value: Buffer | undefined
  readonly #previous: Buffer | undefined
  #object: Unstructured | undefined
  #before: Unstructured | undefined
  /** For the API's watchers: the line they are sent, by type. Shared by all that ask for plain JSON. */
  readonly lines = new Map<string, string>()

  constructor(key: string, revision: number, deleted: boolean, value?: string, previous?: string) {
    this.key = key
    this.revision = revision
    this.deleted = deleted
    this.#value = value === undefined ? undefined : ownBytes(value)
    this.#previous = previous === undefined ? undefined : ownBytes(previous)
  }

  /** After the event; of a deleted key, as it was last, with the revision of its deletion. Not to be changed. */
  get object(): Unstructured {
    const value = this.deleted ? this.#previous : this.#value
    this.#object ??= value
      ? decode(value, this.revision)
      : { metadata: { name: this.key.slice(this.key.lastIndexOf('/') + 1), resourceVersion: String(this.revision) } }
    return this.#object
  }

  /** Before the event, with the revision of the event; undefined when it was not there. */
  get previous(): Unstructured | undefined {
    if (this.#previous === undefined) return undefined
    this.#before ??= decode(this.#previous, this.revision)
    return this.#before
  }
}

/** Outside Buffer's pool: what is kept for a minute would keep 64 KiB of it each (Node 24.21). */
function ownBytes(base64: string): Buffer {
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(base64, 'base64'))
  return bytes.subarray(0, bytes.write(base64, 'base64'))
}

export interface Listener {
  onEvent(event: StoreEvent): void
  /** etcd has no events before a revision that is later than what was delivered: nothing more will come. */
  onExpired(): void
  /** Every event up to `revision` was delivered. */
  onProgress?(revision: number): void
}

interface WireWatch {
  result?: {
    header: { revision: string }
    created?: boolean
    canceled?: boolean
    compact_revision?: string
    events?: {
      type?: 'DELETE'
      kv: { key: string; value?: string; mod_revision: string }
      prev_kv?: { value?: string }
    }[]
  }
  error?: { message?: string; grpc_code?: number }
}

const compactedSign = Symbol('compacted')

/** Reads one etcd watch until it ends, is compacted (returns `compactedSign`) or fails. */
async function readWatch(
  stream: AsyncIterable<Buffer>,
  onAnswer: (events: StoreEvent[], revision: number, created: boolean) => void,
): Promise<typeof compactedSign | undefined> {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  for await (const chunk of stream) {
    const lines = (rest + decoder.write(chunk)).split('\n')
    rest = lines.pop()!
    for (const line of lines) {
      if (line === '') continue
      const { result, error } = JSON.parse(line) as WireWatch
      if (!result) throw new Error(error?.message ?? `etcd watch: ${line.slice(0, 200)}`)
      if (result.compact_revision) return compactedSign
      if (result.canceled) return undefined
      const events = (result.events ?? []).map(
        ({ type, kv, prev_kv }) =>
          new StoreEvent(
            Buffer.from(kv.key, 'base64').toString('utf8'),
            Number(kv.mod_revision),
            type === 'DELETE',
            kv.value,
            prev_kv?.value,
          ),
      )
      onAnswer(events, Number(result.header.revision), result.created === true)
    }
  }
  return undefined
}

export class WatchHub {
  readonly #etcd: Etcd
  readonly #root: string
  readonly #log: Log
  readonly #stop = new AbortController()
  readonly #listeners = new Map<string, Set<Listener>>()
  readonly #waiting = new Set<{ revision: number; done: () => void }>()
  #window: StoreEvent[] = []
  /** Watches from here on need no etcd watch of their own. */
  #oldest = 0
  /** Everything up to here was delivered. */
  #revision = 0
  #running: Promise<void> | undefined

  constructor(options: { etcd: Etcd; root: string; log: Log }) {
    this.#etcd = options.etcd
    this.#root = options.root
    this.#log = options.log
  }

  get revision(): number {
    return this.#revision
  }

  /** @param revision the store's; events after it will be delivered */
  start(revision: number): void {
    this.#revision = revision
    this.#oldest = revision
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    for (const set of this.#listeners.values()) for (const listener of set) listener.onExpired()
    this.#listeners.clear()
    await this.#running
  }

  /**
   * Delivers every event of keys under `prefix` after `revision`, first those that have been, before this returns.
   * @returns stops it
   * @throws StatusError 410 when etcd has compacted them
   */
  subscribe(prefix: string, revision: number, listener: Listener): () => void {
    if (revision < this.#oldest) return this.#catchUp(prefix, revision, listener)
    for (const event of this.#window) {
      if (event.revision > revision && event.key.startsWith(prefix)) listener.onEvent(event)
    }
    const set = this.#listeners.get(prefix) ?? new Set()
    this.#listeners.set(prefix, set)
    set.add(listener)
    return () => {
      set.delete(listener)
      if (set.size === 0 && this.#listeners.get(prefix) === set) this.#listeners.delete(prefix)
    }
  }

  /** Resolves when every event up to `revision` was delivered. */
  async reached(revision: number): Promise<void> {
    if (revision <= this.#revision) return
    await new Promise<void>(done => this.#waiting.add({ revision, done }))
  }

  /** A watch from before the window: an etcd watch of its own. */
  #catchUp(prefix: string, revision: number, listener: Listener): () => void {
    const own = new AbortController()
    const signal = AbortSignal.any([own.signal, this.#stop.signal])
    const read = async () => {
      const stream = await this.#etcd.openWatch(prefix, revision + 1, signal)
      await readWatch(stream, events => {
        for (const event of events) listener.onEvent(event)
      })
    }
    read()
      .catch(error => {
        if (!signal.aborted) this.#log.error('watch chan error', error)
      })
      .finally(() => {
        if (!signal.aborted) listener.onExpired()
      })
    return () => own.abort()
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    let pauseMs = 10
    while (!signal.aborted) {
      try {
        const stream = await this.#etcd.openWatch(this.#root, this.#revision + 1, signal)
        const end = await readWatch(stream, (events, revision, created) => {
          pauseMs = 10
          // A store that went back in time is another one (its data was lost, or replaced).
          if (created && revision < this.#revision) {
            if (this.#etcd.isCluster) void this.#expireIfOlder()
            else this.#expire(revision)
          }
          this.#deliver(events, created ? this.#revision : revision)
        })
        if (end === compactedSign) this.#expire((await this.#etcd.range({ key: this.#root })).revision)
      } catch (error) {
        if (signal.aborted) return
        this.#log.error('watch chan error', error)
        await pause(pauseMs, undefined, { signal }).catch(() => {})
        pauseMs = Math.min(pauseMs * 2, 1000)
      }
    }
  }

  /** One member of several may just be behind: what all of them have agreed on tells. */
  async #expireIfOlder(): Promise<void> {
    try {
      const { revision } = await this.#etcd.range({ key: this.#root })
      if (revision < this.#revision) this.#expire(revision)
    } catch {
      // then the watch does not go on either
    }
  }

  #deliver(events: readonly StoreEvent[], revision: number): void {
    for (const event of events) {
      this.#window.push(event)
      for (const [prefix, set] of this.#listeners) {
        if (event.key.startsWith(prefix)) for (const listener of set) listener.onEvent(event)
      }
    }
    this.#forget()
    this.#revision = Math.max(this.#revision, events.at(-1)?.revision ?? 0, revision)
    for (const set of this.#listeners.values()) for (const l of set) l.onProgress?.(this.#revision)
    for (const waiting of this.#waiting) {
      if (waiting.revision > this.#revision) continue
      this.#waiting.delete(waiting)
      waiting.done()
    }
  }

  /** Now and then, many at once. */
  #forget(): void {
    const [first] = this.#window
    const now = performance.now()
    if (!first || (this.#window.length <= windowSize * 2 && now - first.at <= freshMs * 2)) return
    const fresh = this.#window.findIndex(({ at }) => now - at <= freshMs)
    const stale = fresh < 0 ? this.#window.length : fresh
    const gone = this.#window.splice(0, Math.max(stale, this.#window.length - windowSize))
    const last = gone.at(-1)
    if (last) this.#oldest = last.revision
  }

  #expire(revision: number): void {
    this.#log.warn('etcd has compacted what was to be watched: watches start again', { revision })
    this.#window = []
    this.#oldest = revision
    this.#revision = revision
    const all = [...this.#listeners.values()].flatMap(set => [...set])
    this.#listeners.clear()
    for (const listener of all) listener.onExpired()
  }
}

/** The 410 that ends a watch. */
export const watchExpired = (asked: number, oldest: number) => tooOldResourceVersion(asked, oldest)
