/** A resource's objects as etcd has them now, kept up to date by the shared watch: what authorization and admission look into. */
import type { Unstructured } from '#kubernetes/types.ts'
import type { ResourceDefinition } from '../resources/types.ts'
import { decode } from './codec.ts'
import type { Store } from './store.ts'

export interface InformerEvents {
  put?: (object: Unstructured, old: Unstructured | undefined) => void
  remove?: (object: Unstructured) => void
}

export class StoreInformer {
  readonly #store: Store
  readonly #prefix: string
  readonly #events: InformerEvents
  #objects = new Map<string, Unstructured>()
  #unsubscribe = () => {}

  constructor(store: Store, definition: ResourceDefinition, events: InformerEvents = {}) {
    this.#store = store
    this.#prefix = `${definition.registry}/`
    this.#events = events
  }

  /** Lists, then follows. Resolves when the list is in. */
  async start(): Promise<void> {
    const { kvs, revision } = await this.#store.list({ prefix: this.#prefix })
    const before = this.#objects
    this.#objects = new Map()
    for (const { key, value, modRevision } of kvs) this.#put(key, decode(value, modRevision), before.get(key))
    for (const [key, object] of before) if (!this.#objects.has(key)) this.#events.remove?.(object)
    this.#unsubscribe = this.#store.hub.subscribe(this.#prefix, revision, {
      onEvent: event => {
        if (!event.deleted) this.#put(event.key, event.object, this.#objects.get(event.key))
        else {
          this.#objects.delete(event.key)
          this.#events.remove?.(event.object)
        }
      },
      // etcd has compacted what came between, or is being replaced: again from the start.
      onExpired: () => void this.#restart(),
    })
  }

  stop(): void {
    this.#restart = async () => {}
    this.#unsubscribe()
  }

  #restart = async (): Promise<void> => {
    try {
      await this.start()
    } catch {
      setTimeout(() => void this.#restart(), 1000).unref()
    }
  }

  #put(key: string, object: Unstructured, old: Unstructured | undefined): void {
    this.#objects.set(key, object)
    this.#events.put?.(object, old)
  }

  /** Not to be changed. */
  get(name: string, namespace = ''): Unstructured | undefined {
    return this.#objects.get(namespace ? `${this.#prefix}${namespace}/${name}` : `${this.#prefix}${name}`)
  }

  list(): IterableIterator<Unstructured> {
    return this.#objects.values()
  }

  get size(): number {
    return this.#objects.size
  }
}
