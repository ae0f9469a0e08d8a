/** Objects in etcd: read, write with optimistic concurrency, list at one revision. */
import { compacted } from '#kubernetes/status.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import { decode, encode } from './codec.ts'
import { type Etcd, isCompacted, type KeyValue, prefixEnd, type RangeAnswer } from './etcd.ts'
import type { WatchHub } from './watch.ts'

/** Leases are shared by what is written within a minute, as the original's lease manager does. */
const leaseReuseMs = 60_000

export interface ListRequest {
  prefix: string
  limit?: number
  /** Of a continue token: the first key wanted. */
  from?: string
  revision?: number
}

export class Store {
  readonly etcd: Etcd
  readonly hub: WatchHub
  #lease: { id: Promise<string>; ttlSeconds: number; until: number } | undefined

  constructor(etcd: Etcd, hub: WatchHub) {
    this.etcd = etcd
    this.hub = hub
  }

  async get(key: string): Promise<KeyValue | undefined> {
    return (await this.etcd.range({ key })).kvs[0]
  }

  async read(key: string): Promise<Unstructured | undefined> {
    const found = await this.get(key)
    return found && decode(found.value, found.modRevision)
  }

  /** @throws StatusError 410 when the revision is compacted */
  async list({ prefix, limit, from, revision }: ListRequest): Promise<RangeAnswer> {
    try {
      return await this.etcd.range({
        key: from ?? prefix,
        rangeEnd: prefixEnd(prefix),
        ...(limit ? { limit } : {}),
        ...(revision ? { revision } : {}),
      })
    } catch (error) {
      throw isCompacted(error) ? compacted() : error
    }
  }

  /** @returns the object with its resourceVersion; undefined when there is one already */
  async create(key: string, object: Unstructured, ttlSeconds?: number): Promise<Unstructured | undefined> {
    const lease = ttlSeconds ? { lease: await this.#leaseFor(ttlSeconds) } : {}
    const { succeeded, revision } = await this.etcd.txn(
      [{ key, modRevision: 0 }],
      [{ put: { key, value: encode(object), ...lease } }],
    )
    return succeeded ? withVersion(object, revision) : undefined
  }

  /**
   * Reads, lets `change` make the new object, and writes when nobody else has meanwhile; else starts over with what the other wrote.
   * `change` gets a copy of its own; `undefined` when there is none. It may throw, or return `unchanged`.
   * @returns undefined when there was nothing and `change` made nothing
   */
  async update(
    key: string,
    change: (current: Unstructured | undefined) => Unstructured | Promise<Unstructured>,
    options: { ttlSeconds?: number } = {},
  ): Promise<{ object: Unstructured; created: boolean }> {
    let found = await this.get(key)
    for (;;) {
      const current = found && decode(found.value, found.modRevision)
      const wanted = await change(current)
      const value = encode(wanted)
      if (found?.value.equals(Buffer.from(value)))
        return { object: withVersion(wanted, found.modRevision), created: false }
      const lease = options.ttlSeconds ? { lease: await this.#leaseFor(options.ttlSeconds) } : {}
      const answer: Awaited<ReturnType<Etcd['txn']>> = await this.etcd.txn(
        [{ key, modRevision: found?.modRevision ?? 0 }],
        [{ put: { key, value, ...lease } }],
        [{ range: { key } }],
      )
      if (answer.succeeded) return { object: withVersion(wanted, answer.revision), created: !found }
      found = answer.ranges[0]?.[0]
    }
  }

  /** @returns the revision of the deletion; undefined when the key was changed since `modRevision` */
  async remove(key: string, modRevision: number): Promise<number | undefined> {
    const { succeeded, revision } = await this.etcd.txn([{ key, modRevision }], [{ delete: { key } }])
    return succeeded ? revision : undefined
  }

  #leaseFor(ttlSeconds: number): Promise<string> {
    const now = performance.now()
    if (!this.#lease || this.#lease.until < now || this.#lease.ttlSeconds !== ttlSeconds) {
      const id = this.etcd.grantLease(ttlSeconds + leaseReuseMs / 1000)
      this.#lease = { id, ttlSeconds, until: now + leaseReuseMs }
      id.catch(() => {
        this.#lease = undefined
      })
    }
    return this.#lease.id
  }
}

function withVersion(object: Unstructured, revision: number): Unstructured {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } }
}
