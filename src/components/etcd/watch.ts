/**
 * Watches: a stream carries any number of them, and each sees every event of its keys from its start revision on, once and
 * in order. A stream that does not take more (its socket is full) keeps no queue: its watches fall behind and read the
 * history when it takes again, as etcd's "unsynced" watchers do. Semantics: etcd's mvcc/watchable_store.go and v3rpc/watch.go.
 */
import type { Store } from './store.ts'
import type { Bytes, Event, KeyValue, WatchCreateRequest, WatchRequest, WatchResponse } from './types.ts'

/** Takes a response; false: full, wait for `resume()`. */
export type Send = (response: WatchResponse) => boolean

/** As in etcd: so many revisions in one response to a watch that catches up. */
const batchRevisions = 1000

interface Watcher {
  id: number
  stream: WatchStream
  key: Bytes
  /** '': only `key`; undefined: to the last key. */
  end: Bytes | undefined
  wantsPut: boolean
  wantsDelete: boolean
  prevKv: boolean
  fragment: boolean
  progressNotify: boolean
  /** The next revision to send. */
  next: number
  /** It must read the history from `next` on before it takes new events. */
  behind: boolean
  /** An event went out since the last progress notice was due. */
  active: boolean
}

export interface WatchOptions {
  /** A response that is larger is split, for watches that allow it (`fragment`). */
  fragmentBytes: number
  progressIntervalMs: number
}

export class Watches {
  readonly #store: Store
  readonly #options: WatchOptions
  readonly #byKey = new Map<Bytes, Set<Watcher>>()
  readonly #ranges = new Set<Watcher>()
  #progressTimer: NodeJS.Timeout | undefined
  /** For metrics. */
  streams = 0
  events = 0

  constructor(store: Store, options: WatchOptions) {
    this.#store = store
    this.#options = options
    store.onCommit((revision, records) => this.#notify(revision, records))
  }

  get size(): number {
    let size = this.#ranges.size
    for (const watchers of this.#byKey.values()) size += watchers.size
    return size
  }

  open(send: Send): WatchStream {
    this.streams++
    return new WatchStream(this, this.#store, this.#options, send)
  }

  /** The store was put in place by another member's: what is new in it is in its history. */
  rewind(): void {
    const all = [...this.#ranges, ...[...this.#byKey.values()].flatMap(watchers => [...watchers])]
    for (const watcher of all) watcher.behind = true
    for (const stream of new Set(all.map(watcher => watcher.stream))) stream.resume()
  }

  stop(): void {
    clearInterval(this.#progressTimer)
  }

  add(watcher: Watcher): void {
    if (watcher.end === '') {
      const watchers = this.#byKey.get(watcher.key)
      if (watchers) watchers.add(watcher)
      else this.#byKey.set(watcher.key, new Set([watcher]))
    } else this.#ranges.add(watcher)
    if (watcher.progressNotify && !this.#progressTimer) {
      this.#progressTimer = setInterval(() => this.#progress(), this.#options.progressIntervalMs).unref()
    }
  }

  remove(watcher: Watcher): void {
    this.#ranges.delete(watcher)
    const watchers = this.#byKey.get(watcher.key)
    if (watchers?.delete(watcher) && watchers.size === 0) this.#byKey.delete(watcher.key)
  }

  #notify(revision: number, records: readonly KeyValue[]): void {
    if (this.#ranges.size === 0 && this.#byKey.size === 0) return
    const wanted = new Map<Watcher, KeyValue[]>()
    const want = (watcher: Watcher, kv: KeyValue) => {
      if (watcher.behind || revision < watcher.next || !wantsKind(watcher, kv)) return
      const kvs = wanted.get(watcher)
      if (kvs) kvs.push(kv)
      else wanted.set(watcher, [kv])
    }
    for (const kv of records) {
      for (const watcher of this.#byKey.get(kv.key) ?? []) want(watcher, kv)
      for (const watcher of this.#ranges) {
        if (kv.key >= watcher.key && (watcher.end === undefined || kv.key < watcher.end)) want(watcher, kv)
      }
    }
    for (const [watcher, kvs] of wanted) {
      this.events += kvs.length
      watcher.stream.deliver(watcher, revision, kvs)
    }
  }

  #progress(): void {
    for (const watchers of [this.#ranges, ...this.#byKey.values()]) {
      for (const watcher of watchers) {
        if (watcher.progressNotify && !watcher.active && !watcher.behind) watcher.stream.progress(watcher.id)
        watcher.active = false
      }
    }
  }
}

export class WatchStream {
  readonly #watches: Watches
  readonly #store: Store
  readonly #options: WatchOptions
  readonly #send: Send
  readonly #watchers = new Map<number, Watcher>()
  #nextId = 0
  #full = false
  /** A progress request that waits until nothing is behind. */
  #progressAsked = false
  #closed = false

  constructor(watches: Watches, store: Store, options: WatchOptions, send: Send) {
    this.#watches = watches
    this.#store = store
    this.#options = options
    this.#send = send
  }

  request(request: WatchRequest): void {
    if (this.#closed) return
    if (request.createRequest) this.#create(request.createRequest)
    else if (request.cancelRequest) this.#cancel(request.cancelRequest.watchId ?? 0)
    else if (request.progressRequest) {
      this.#progressAsked = true
      this.#catchUp()
    }
  }

  /** The other end takes again. */
  resume(): void {
    this.#full = false
    this.#catchUp()
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#watches.streams--
    for (const watcher of this.#watchers.values()) this.#watches.remove(watcher)
    this.#watchers.clear()
  }

  deliver(watcher: Watcher, revision: number, kvs: readonly KeyValue[]): void {
    if (this.#full) {
      watcher.behind = true
      watcher.next = revision
      return
    }
    watcher.next = revision + 1
    watcher.active = true
    this.#sendEvents(
      watcher,
      revision,
      kvs.map(kv => this.#store.event(kv, watcher.prevKv)),
    )
  }

  progress(watchId: number): void {
    if (!this.#full) this.#out({ revision: this.#store.revision, watchId })
  }

  #create(request: WatchCreateRequest): void {
    const { startRevision = 0, watchId = 0, rangeEnd = '', filters = [] } = request
    const revision = this.#store.revision
    // no key means the first one there can be
    const key = request.key === '' ? '\0' : request.key
    const end = rangeEnd === '\0' ? undefined : rangeEnd
    const isEmpty = end !== undefined && end !== '' && key >= end
    if (isEmpty || (watchId !== 0 && this.#watchers.has(watchId))) {
      const cancelReason = isEmpty
        ? 'mvcc: watcher range is empty'
        : 'mvcc: duplicate watch ID provided on the WatchStream'
      this.#out({ revision, watchId: -1, created: true, canceled: true, cancelReason })
      return
    }
    const next = startRevision > 0 ? startRevision : revision + 1
    const watcher: Watcher = {
      id: watchId === 0 ? this.#freeId() : watchId,
      stream: this,
      key,
      end,
      wantsPut: !filters.includes('NOPUT'),
      wantsDelete: !filters.includes('NODELETE'),
      prevKv: request.prevKv ?? false,
      fragment: request.fragment ?? false,
      progressNotify: request.progressNotify ?? false,
      next,
      behind: next <= revision,
      active: true,
    }
    this.#watchers.set(watcher.id, watcher)
    this.#watches.add(watcher)
    this.#out({ revision, watchId: watcher.id, created: true })
    this.#catchUp()
  }

  #freeId(): number {
    while (this.#watchers.has(this.#nextId)) this.#nextId++
    return this.#nextId++
  }

  #cancel(watchId: number): void {
    if (this.#drop(watchId)) this.#out({ revision: this.#store.revision, watchId, canceled: true })
  }

  #drop(watchId: number): boolean {
    const watcher = this.#watchers.get(watchId)
    if (!watcher) return false
    this.#watchers.delete(watchId)
    this.#watches.remove(watcher)
    return true
  }

  #catchUp(): void {
    for (const watcher of this.#watchers.values()) {
      while (watcher.behind && !this.#full && !this.#closed) this.#sendHistory(watcher)
    }
    if (this.#progressAsked && !this.#full) {
      this.#progressAsked = false
      this.progress(-1)
    }
  }

  #sendHistory(watcher: Watcher): void {
    const { revision, compactRevision } = this.#store
    if (watcher.next < compactRevision) {
      this.#drop(watcher.id)
      watcher.behind = false
      this.#out({ revision: 0, watchId: watcher.id, canceled: true, compactRevision })
      return
    }
    const wants = (key: Bytes) =>
      watcher.end === '' ? key === watcher.key : key >= watcher.key && (watcher.end === undefined || key < watcher.end)
    const events: Event[] = []
    let revisions = 0
    let last = 0
    watcher.behind = false
    for (const event of this.#store.eventsSince(watcher.next, wants, watcher.prevKv)) {
      if (!wantsKind(watcher, event.kv)) continue
      if (event.kv.modRevision !== last) {
        if (++revisions > batchRevisions) {
          watcher.behind = true
          watcher.next = event.kv.modRevision
          break
        }
        last = event.kv.modRevision
      }
      events.push(event)
    }
    if (!watcher.behind) watcher.next = revision + 1
    if (events.length > 0) this.#sendEvents(watcher, revision, events)
  }

  #sendEvents(watcher: Watcher, revision: number, events: readonly Event[]): void {
    const limit = this.#options.fragmentBytes
    if (!watcher.fragment || totalBytes(events) <= limit) {
      this.#out({ revision, watchId: watcher.id, events })
      return
    }
    let part: Event[] = []
    let bytes = 0
    for (const event of events) {
      const more = bytesOf(event)
      if (part.length > 0 && bytes + more > limit) {
        this.#out({ revision, watchId: watcher.id, events: part, fragment: true })
        part = []
        bytes = 0
      }
      part.push(event)
      bytes += more
    }
    this.#out({ revision, watchId: watcher.id, events: part })
  }

  #out(response: WatchResponse): void {
    if (!this.#closed && !this.#send(response)) this.#full = true
  }
}

const wantsKind = (watcher: Watcher, kv: KeyValue) => (kv.version > 0 ? watcher.wantsPut : watcher.wantsDelete)

const bytesOf = ({ kv, prevKv }: Event) =>
  kv.key.length + kv.value.length + (prevKv ? prevKv.key.length + prevKv.value.length : 0) + 40

const totalBytes = (events: readonly Event[]) => events.reduce((sum, event) => sum + bytesOf(event), 0)
