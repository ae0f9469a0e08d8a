/** Leases: keys that go when nobody keeps their lease alive. Semantics: etcd's lease/lessor.go. Times are the process's own, not the wall clock. */
import { randomBytes } from 'node:crypto'
import { etcdError } from './errors.ts'
import type { LeaseBook } from './store.ts'
import type { Bytes } from './types.ts'

/** etcd's MaxLeaseTTL, in seconds. */
const maxTtl = 9_000_000_000
/** etcd's least TTL: three halves of an election timeout of 1 s, in whole seconds. */
const minTtl = 2
const retryMs = 500
/** setTimeout takes no more; longer leases are looked at again then. */
const longestTimeoutMs = 2 ** 31 - 1

interface Lease {
  id: bigint
  /** Granted, in seconds. */
  ttl: number
  /** By performance.now(). */
  deadlineMs: number
  keys: Set<Bytes>
}

export class Leases implements LeaseBook {
  readonly #leases = new Map<bigint, Lease>()
  #timer: NodeJS.Timeout | undefined
  #timerAtMs = Number.POSITIVE_INFINITY
  #expire: ((ids: bigint[]) => void) | undefined

  /** From now on `expire` is called with the leases that ran out; it must revoke them. Called once the store is ready: every lease starts afresh. */
  start(expire: (ids: bigint[]) => void): void {
    this.#expire = expire
    for (const lease of this.#leases.values()) this.#refresh(lease)
  }

  stop(): void {
    this.#expire = undefined
    clearTimeout(this.#timer)
  }

  /** All are gone, with nothing said of their keys. */
  clear(): void {
    this.#leases.clear()
  }

  get size(): number {
    return this.#leases.size
  }

  has(id: bigint): boolean {
    return this.#leases.has(id)
  }

  /** A free id of 63 bits. */
  newId(): bigint {
    for (;;) {
      const id = randomBytes(8).readBigUInt64BE() >> 1n
      if (id !== 0n && !this.#leases.has(id)) return id
    }
  }

  /** @returns the TTL that was granted, in seconds. @throws EtcdError leaseTtlTooLarge, leaseExists */
  grant(id: bigint, ttl: number): number {
    if (ttl > maxTtl) throw etcdError('leaseTtlTooLarge')
    if (this.#leases.has(id)) throw etcdError('leaseExists')
    const lease: Lease = { id, ttl: Math.max(ttl, minTtl), deadlineMs: 0, keys: new Set() }
    this.#leases.set(id, lease)
    if (this.#expire) this.#refresh(lease)
    return lease.ttl
  }

  /** Takes the lease away. @returns its keys, in order. @throws EtcdError leaseNotFound */
  revoke(id: bigint): Bytes[] {
    const lease = this.#leases.get(id)
    if (!lease) throw etcdError('leaseNotFound')
    this.#leases.delete(id)
    return [...lease.keys].sort()
  }

  /** @returns its TTL in seconds; 0 when there is no such lease */
  keepAlive(id: bigint): number {
    const lease = this.#leases.get(id)
    if (!lease) return 0
    this.#refresh(lease)
    return lease.ttl
  }

  /** An ended lease that could not be revoked is tried again after etcd's interval. */
  postpone(id: bigint): void {
    const lease = this.#leases.get(id)
    if (!lease || !this.#expire) return
    lease.deadlineMs = performance.now() + retryMs
    this.#wakeAt(lease.deadlineMs)
  }

  timeToLive(id: bigint): { ttl: number; grantedTtl: number; keys: Bytes[] } | undefined {
    const lease = this.#leases.get(id)
    if (!lease) return undefined
    const ttl = Math.max(0, Math.floor((lease.deadlineMs - performance.now()) / 1000))
    return { ttl, grantedTtl: lease.ttl, keys: [...lease.keys].sort() }
  }

  /** Ids, the one that ends first in front. */
  ids(): bigint[] {
    return [...this.#leases.values()].sort((a, b) => a.deadlineMs - b.deadlineMs).map(lease => lease.id)
  }

  /** For a snapshot. */
  all(): { id: bigint; ttl: number }[] {
    return [...this.#leases.values()].map(({ id, ttl }) => ({ id, ttl }))
  }

  attach(id: bigint, key: Bytes): void {
    this.#leases.get(id)?.keys.add(key)
  }

  detach(id: bigint, key: Bytes): void {
    this.#leases.get(id)?.keys.delete(key)
  }

  #refresh(lease: Lease): void {
    lease.deadlineMs = performance.now() + lease.ttl * 1000
    this.#wakeAt(lease.deadlineMs)
  }

  #wakeAt(timeMs: number): void {
    if (timeMs >= this.#timerAtMs) return
    clearTimeout(this.#timer)
    this.#timerAtMs = timeMs
    this.#timer = setTimeout(() => this.#wake(), Math.min(Math.max(0, timeMs - performance.now()), longestTimeoutMs))
    this.#timer.unref()
  }

  #wake(): void {
    this.#timerAtMs = Number.POSITIVE_INFINITY
    const now = performance.now()
    const over: bigint[] = []
    let next = Number.POSITIVE_INFINITY
    for (const lease of this.#leases.values()) {
      if (lease.deadlineMs <= now) over.push(lease.id)
      else next = Math.min(next, lease.deadlineMs)
    }
    if (next < Number.POSITIVE_INFINITY) this.#wakeAt(next)
    if (over.length > 0) this.#expire?.(over)
  }
}
