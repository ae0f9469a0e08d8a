/** One leader at a time, by a Lease that it keeps renewing: client-go's leaderelection with its LeaseLock. */
import { randomUUID } from 'node:crypto'
import { EventEmitter } from 'node:events'
import type { Clock } from '#clock.ts'
import { messageOf } from '#errors.ts'
import { type Log, nodeName } from '#log.ts'
import { Backoff, pause } from './backoff.ts'
import type { Client } from './client.ts'
import { resources } from './resources.ts'
import { isNotFound, StatusError } from './status.ts'
import { microTime } from './time.ts'
import type { Lease } from './types.ts'

export interface LeaderElectionOptions {
  client: Client
  lock: { namespace: string; name: string }
  /** Default: `<host>_<uuid>`, as kube-scheduler and kube-controller-manager. */
  identity?: string
  clock: Clock
  log: Log
  /** Defaults are the originals': 15 s, 10 s, 2 s. */
  leaseDurationMs?: number
  renewDeadlineMs?: number
  retryPeriodMs?: number
}

interface Events {
  started: []
  /** The lease was lost, or given up by `stop()`. The originals end with status 1 when they lose it: `leaderelection lost`. */
  stopped: []
  /** Another holder was seen, or ourselves. */
  leader: [identity: string]
}

// client-go's JitterFactor: a retry comes after one to 2.2 periods.
const jitter = 1.2
// A component that stops does not wait long for a server that hangs.
const releaseTimeoutMs = 3000

class LeaderElection extends EventEmitter<Events> {
  readonly identity: string
  isLeader = false
  /** Who holds it, as last seen. */
  leader = ''
  readonly #options: Required<LeaderElectionOptions>
  readonly #stop = new AbortController()
  #observed: Lease | undefined
  /** When `#observed` was seen to change, by our own monotonic clock: other people's clocks are not trusted. */
  #observedAt = 0
  /** Someone is there, whatever they said. */
  #answered = false
  #running: Promise<void> | undefined

  constructor(options: LeaderElectionOptions) {
    super()
    this.identity = options.identity ?? `${nodeName()}_${randomUUID()}`
    this.#options = {
      identity: this.identity,
      leaseDurationMs: 15_000,
      renewDeadlineMs: 10_000,
      retryPeriodMs: 2_000,
      ...options,
    }
    const { leaseDurationMs, renewDeadlineMs, retryPeriodMs } = this.#options
    if (leaseDurationMs <= renewDeadlineMs) throw new Error('leaseDuration must be greater than renewDeadline')
    if (renewDeadlineMs <= jitter * retryPeriodMs)
      throw new Error('renewDeadline must be greater than retryPeriod*JitterFactor')
  }

  start(): this {
    this.#running ??= this.#run()
    return this
  }

  /** Gives the lease up, if it is held, so that the next one need not wait for it to run out. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  get #lock(): string {
    return `${this.#options.lock.namespace}/${this.#options.lock.name}`
  }

  async #run(): Promise<void> {
    const { log } = this.#options
    const { signal } = this.#stop
    log.info('attempting to acquire leader lease...', { lock: this.#lock })
    const { retryPeriodMs } = this.#options
    // Nobody to talk to yet, at the start of a mesh: ask again at once rather than in two seconds.
    const eager = new Backoff({ maxMs: retryPeriodMs })
    while (!(await this.#tryAcquireOrRenew(signal))) {
      log.info('failed to acquire lease', { lock: this.#lock }, 4)
      if (this.#answered) await pause(retryPeriodMs * (1 + Math.random() * jitter), signal)
      else await eager.wait(signal)
      if (signal.aborted) return
    }
    if (signal.aborted) return
    this.isLeader = true
    log.info('successfully acquired lease', { lock: this.#lock })
    this.emit('started')
    await this.#renew()
    this.isLeader = false
    this.emit('stopped')
  }

  async #renew(): Promise<void> {
    const { log, renewDeadlineMs, retryPeriodMs } = this.#options
    const { signal } = this.#stop
    while (!signal.aborted) {
      await pause(retryPeriodMs, signal)
      if (signal.aborted) break
      const renewed = await this.#renewInTime(renewDeadlineMs, retryPeriodMs)
      if (renewed || signal.aborted) continue
      log.error('Failed to renew lease', 'context deadline exceeded', { lock: this.#lock })
      return
    }
    await this.#release()
  }

  async #renewInTime(deadlineMs: number, retryMs: number): Promise<boolean> {
    const deadline = new AbortController()
    const expire = () => deadline.abort()
    const timer = setTimeout(expire, deadlineMs)
    this.#stop.signal.addEventListener('abort', expire, { once: true })
    try {
      while (!deadline.signal.aborted) {
        if (await this.#tryAcquireOrRenew(deadline.signal)) return true
        await pause(retryMs, deadline.signal)
      }
      return false
    } finally {
      clearTimeout(timer)
      this.#stop.signal.removeEventListener('abort', expire)
    }
  }

  async #release(): Promise<void> {
    const { client, log, lock, clock, renewDeadlineMs } = this.#options
    const signal = AbortSignal.timeout(Math.min(renewDeadlineMs, releaseTimeoutMs))
    try {
      // Read anew: a renewal that was cut off may have been written.
      const lease = await client.get(resources.leases, { ...lock, signal })
      if (lease.spec?.holderIdentity !== this.identity) return
      const now = microTime(clock.now())
      const spec = {
        holderIdentity: '',
        leaseDurationSeconds: 1,
        acquireTime: now,
        renewTime: now,
        leaseTransitions: lease.spec.leaseTransitions ?? 0,
      }
      await client.update(resources.leases, { ...lease, spec }, { signal })
    } catch (error) {
      log.error('Failed to release lock', messageOf(error), { lock: this.#lock })
    }
  }

  async #tryAcquireOrRenew(signal: AbortSignal): Promise<boolean> {
    const { client, clock, lock, leaseDurationMs, log } = this.#options
    const now = microTime(clock.now())
    const spec: NonNullable<Lease['spec']> = {
      holderIdentity: this.identity,
      leaseDurationSeconds: Math.round(leaseDurationMs / 1000),
      acquireTime: now,
      renewTime: now,
      leaseTransitions: 0,
    }
    // While we lead, what we wrote last is what is there: one PUT is enough.
    if (
      this.#observed?.spec?.holderIdentity === this.identity &&
      performance.now() < this.#observedAt + leaseDurationMs
    ) {
      try {
        this.#observe(await client.update(resources.leases, this.#renewed(this.#observed, spec), { signal }))
        return true
      } catch (error) {
        if (signal.aborted) return false
        log.error('Failed to update lease optimistically, falling back to slow path', messageOf(error), {
          lock: this.#lock,
        })
      }
    }
    let lease: Lease
    try {
      lease = await client.get(resources.leases, { ...lock, signal })
      this.#answered = true
    } catch (error) {
      if (signal.aborted) return false
      this.#answered = error instanceof StatusError
      if (!isNotFound(error)) {
        log.error('error retrieving resource lock', messageOf(error), { lock: this.#lock })
        return false
      }
      try {
        this.#observe(await client.create(resources.leases, { metadata: { ...lock }, spec }, { signal }))
        return true
      } catch (error) {
        if (!signal.aborted)
          log.error('error initially creating leader election record', messageOf(error), { lock: this.#lock })
        return false
      }
    }
    if (lease.metadata.resourceVersion !== this.#observed?.metadata.resourceVersion) this.#observe(lease)
    const holder = lease.spec?.holderIdentity ?? ''
    const valid = performance.now() < this.#observedAt + (lease.spec?.leaseDurationSeconds ?? 0) * 1000
    if (holder !== '' && holder !== this.identity && valid) {
      log.info('lock is held and has not yet expired', { lock: this.#lock, holder }, 4)
      return false
    }
    try {
      this.#observe(await client.update(resources.leases, this.#renewed(lease, spec), { signal }))
      return true
    } catch (error) {
      if (!signal.aborted) log.error('Failed to update lock', messageOf(error), { lock: this.#lock })
      return false
    }
  }

  #renewed(lease: Lease, spec: NonNullable<Lease['spec']>): Lease {
    const ours = lease.spec?.holderIdentity === this.identity
    const transitions = lease.spec?.leaseTransitions ?? 0
    return {
      ...lease,
      spec: {
        ...spec,
        acquireTime: (ours && lease.spec?.acquireTime) || spec.acquireTime!,
        leaseTransitions: ours ? transitions : transitions + 1,
      },
    }
  }

  #observe(lease: Lease): void {
    this.#observed = lease
    this.#observedAt = performance.now()
    const holder = lease.spec?.holderIdentity ?? ''
    if (holder === this.leader) return
    this.leader = holder
    this.emit('leader', holder)
  }
}

export const createLeaderElection = (options: LeaderElectionOptions) => new LeaderElection(options)
