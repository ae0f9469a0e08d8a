/** A copy of a collection that follows it: list, then watch from there; client-go's Reflector and its store. */
import { EventEmitter } from 'node:events'
import { messageOf } from '#errors.ts'
import type { Log } from '#log.ts'
import { Backoff, isAnswer } from './backoff.ts'
import type { Client } from './client.ts'
import type { ListOptions } from './client-options.ts'
import { goType, keyOf, type Resource } from './resources.ts'
import { isExpired, StatusError } from './status.ts'
import { isConnectionRefused } from './transport.ts'
import type { KubeObject } from './types.ts'

export interface InformerOptions<T extends KubeObject> {
  client: Client
  resource: Resource<T>
  log: Log
  namespace?: string
  labelSelector?: string
  fieldSelector?: string
  /** An index by name: the values under which an object is found with `by(name, value)`. */
  indexers?: Record<string, (object: T) => string[]>
  /** The server is asked to end each watch after this long, so that a dead one is noticed. Default: 5 to 10 minutes, as the reflector. */
  watchSeconds?: number
}

interface Events<T> {
  add: [object: T]
  update: [object: T, old: T]
  delete: [object: T]
  /** A list or watch failed, and will be tried again; also logged. */
  trouble: [error: unknown]
}

export class Informer<T extends KubeObject> extends EventEmitter<Events<T>> {
  /** Resolves when the first list is in the store and its `add` events were emitted. */
  readonly synced: Promise<void>
  hasSynced = false
  readonly resource: Resource<T>
  /** That of the last list, event or bookmark. */
  resourceVersion = ''
  readonly #options: InformerOptions<T>
  readonly #objects = new Map<string, T>()
  readonly #indices = new Map<string, Map<string, Set<string>>>()
  readonly #stop = new AbortController()
  readonly #markSynced: () => void
  #running: Promise<void> | undefined

  constructor(options: InformerOptions<T>) {
    super()
    this.#options = options
    this.resource = options.resource
    const { promise, resolve } = Promise.withResolvers<void>()
    this.synced = promise
    this.#markSynced = resolve
    for (const name of Object.keys(options.indexers ?? {})) this.#indices.set(name, new Map())
  }

  start(): this {
    this.#running ??= this.#run()
    return this
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  /** By `namespace/name`, or by name for what has no namespace. The object is the store's own: copy it before you change it. */
  get(key: string): T | undefined {
    return this.#objects.get(key)
  }

  list(): T[] {
    return [...this.#objects.values()]
  }

  get size(): number {
    return this.#objects.size
  }

  /** The objects that the indexer `name` filed under `value`. */
  by(name: string, value: string): T[] {
    const keys = this.#indices.get(name)?.get(value)
    return keys ? [...keys].map(key => this.#objects.get(key)!) : []
  }

  async #run(): Promise<void> {
    const backoff = new Backoff()
    const { signal } = this.#stop
    while (!signal.aborted) {
      let answered = false
      try {
        await this.#listAndWatch(backoff)
      } catch (error) {
        if (signal.aborted) return
        answered = isAnswer(error)
        this.emit('trouble', error)
        this.#report(error)
      }
      await backoff.wait(signal, answered)
    }
  }

  async #listAndWatch(backoff: Backoff): Promise<void> {
    const { client, resource, namespace, labelSelector, fieldSelector, log } = this.#options
    const { signal } = this.#stop
    const selection = {
      ...(namespace ? { namespace } : {}),
      ...(labelSelector ? { labelSelector } : {}),
      ...(fieldSelector ? { fieldSelector } : {}),
      signal,
    }
    let listed: { items: T[]; resourceVersion: string }
    try {
      listed = await this.#list(selection)
    } catch (error) {
      throw new Error(`failed to list ${goType(resource)}: ${messageOf(error)}`, { cause: error })
    }
    this.#replace(listed.items)
    this.resourceVersion = listed.resourceVersion
    this.#sync()
    backoff.reset()

    while (!signal.aborted) {
      const started = performance.now()
      let events = 0
      const seconds = this.#options.watchSeconds ?? Math.round(300 * (1 + Math.random()))
      try {
        for await (const { type, object } of client.watch(resource, {
          ...selection,
          resourceVersion: this.resourceVersion,
          timeoutSeconds: seconds,
        })) {
          events++
          this.resourceVersion = object.metadata.resourceVersion ?? this.resourceVersion
          if (type === 'DELETED') this.#remove(object)
          else if (type !== 'BOOKMARK') this.#put(object)
        }
      } catch (error) {
        if (signal.aborted) return
        if (isExpired(error)) {
          log.info(`watch of ${goType(resource)} closed with: ${messageOf(error)}`, {}, 4)
          return
        }
        // isWatchErrorRetriable: nobody there, or too busy; the place is kept.
        if ((error instanceof StatusError && error.code === 429) || isConnectionRefused(error)) {
          this.emit('trouble', error)
          log.info(`watch of ${goType(resource)} returned ${messageOf(error)} - backing off`, {}, 4)
          await backoff.wait(signal)
          continue
        }
        throw error
      }
      if (events === 0 && performance.now() - started < 1000 && !signal.aborted) {
        log.warn(
          `watch of ${goType(resource)} ended with: very short watch: ${resource.resource}: Unexpected watch close - watch lasted less than a second and no items received`,
        )
        return
      }
      backoff.reset()
    }
  }

  /**
   * Everything, in pages. At first whatever the server has at hand (`resourceVersion=0`), later nothing older than what was seen;
   * when that version is gone, or not there yet, whatever is newest (relistResourceVersion).
   */
  async #list(selection: ListOptions): Promise<{ items: T[]; resourceVersion: string }> {
    const { client, resource } = this.#options
    const pages = async (from: string) => {
      const items: T[] = []
      let list = await client.list(resource, { ...selection, limit: 500, resourceVersion: from })
      for (;;) {
        items.push(...(list.items ?? []))
        const { continue: next, resourceVersion = '' } = list.metadata
        if (!next) return { items, resourceVersion }
        list = await client.list(resource, { ...selection, limit: 500, continue: next })
      }
    }
    try {
      return await pages(this.resourceVersion || '0')
    } catch (error) {
      const tooLarge =
        error instanceof StatusError &&
        error.status.details?.causes?.some(({ reason }) => reason === 'ResourceVersionTooLarge')
      if (isExpired(error) || tooLarge) return pages('')
      throw error
    }
  }

  /** cache.DefaultWatchErrorHandler. */
  #report(error: unknown): void {
    this.#options.log.error('Failed to watch', messageOf(error), {
      logger: 'UnhandledError',
      reflector: 'k8s.io/client-go/informers/factory.go:160',
      type: goType(this.resource),
    })
  }

  #sync(): void {
    if (this.hasSynced) return
    this.hasSynced = true
    this.#options.log.info(
      'Caches populated',
      { type: goType(this.resource), reflector: 'k8s.io/client-go/informers/factory.go:160' },
      2,
    )
    this.#markSynced()
  }

  #replace(items: T[]): void {
    const keys = new Set(items.map(keyOf))
    for (const [key, object] of this.#objects) if (!keys.has(key)) this.#remove(object)
    for (const object of items) {
      const had = this.#objects.get(keyOf(object))
      if (
        had?.metadata.resourceVersion === undefined ||
        had.metadata.resourceVersion !== object.metadata.resourceVersion
      )
        this.#put(object)
    }
  }

  #put(object: T): void {
    const key = keyOf(object)
    const old = this.#objects.get(key)
    if (old) this.#unindex(key, old)
    this.#objects.set(key, object)
    for (const [name, valuesOf] of Object.entries(this.#options.indexers ?? {})) {
      const index = this.#indices.get(name)!
      for (const value of valuesOf(object)) {
        const filed = index.get(value)
        if (filed) filed.add(key)
        else index.set(value, new Set([key]))
      }
    }
    if (old) this.#tell(() => this.emit('update', object, old))
    else this.#tell(() => this.emit('add', object))
  }

  #remove(object: T): void {
    const key = keyOf(object)
    const old = this.#objects.get(key)
    if (!old) return
    this.#unindex(key, old)
    this.#objects.delete(key)
    this.#tell(() => this.emit('delete', object))
  }

  #unindex(key: string, object: T): void {
    for (const [name, valuesOf] of Object.entries(this.#options.indexers ?? {})) {
      const index = this.#indices.get(name)!
      for (const value of valuesOf(object)) {
        const filed = index.get(value)
        filed?.delete(key)
        if (filed?.size === 0) index.delete(value)
      }
    }
  }

  /** A handler that throws harms nobody else: util/runtime's HandleCrash without the crash. */
  #tell(emit: () => void): void {
    try {
      emit()
    } catch (error) {
      this.#options.log.error('Observed a panic', error, { stacktrace: (error as Error).stack })
    }
  }
}

export const createInformer = <T extends KubeObject>(options: InformerOptions<T>) => new Informer<T>(options)
