/** client-go's workqueue: keys to be looked at, each once however often it is added meanwhile, with longer and longer waits after failures. */
import { after, type Clock, systemClock } from '#clock.ts'
import { messageOf } from '#errors.ts'
import type { Log } from '#log.ts'

export interface WorkQueueOptions {
  /** For log lines, as the original names it: `deployment`. */
  name: string
  log: Log
  /** Brings what the key names to where it should be. Throws to be called again later. */
  sync(key: string): Promise<void>
  /** How many keys at once. Default 5. */
  workers?: number
  /** Waits after failures: 5 ms, doubled, at most this. The original's most is 1000 s, which here would outlive the mesh. */
  maxDelayMs?: number
  /** By which `addAfter` waits; the waits after failures are real ones. Default: the system's. */
  clock?: Clock
}

const firstDelayMs = 5

export class WorkQueue {
  readonly #options: Required<WorkQueueOptions>
  readonly #queued = new Set<string>()
  readonly #running = new Set<string>()
  readonly #again = new Set<string>()
  readonly #failures = new Map<string, number>()
  readonly #timers = new Map<string, { at: number; cancel: () => void }>()
  readonly #idle: (() => void)[] = []
  #stopped = false

  constructor(options: WorkQueueOptions) {
    this.#options = { workers: 5, maxDelayMs: 30_000, clock: systemClock, ...options }
  }

  add(key: string): void {
    if (this.#stopped) return
    if (this.#running.has(key)) this.#again.add(key)
    else this.#queued.add(key)
    // What comes in one turn of the event loop (a list, a burst of events) is looked at together.
    queueMicrotask(() => this.#work())
  }

  /** A later time for a key that waits already does not put it off; an earlier one brings it forward. */
  addAfter(key: string, ms: number): void {
    this.#addAfter(key, ms, this.#options.clock)
  }

  #addAfter(key: string, ms: number, clock: Clock): void {
    if (this.#stopped) return
    const at = clock.now().getTime() + ms
    const waiting = this.#timers.get(key)
    if (waiting && waiting.at <= at) return
    waiting?.cancel()
    const wake = () => {
      this.#timers.delete(key)
      this.add(key)
    }
    this.#timers.set(key, { at, cancel: after(clock, ms, wake) })
  }

  /** What it names is gone: no more waiting for it. */
  forget(key: string): void {
    this.#timers.get(key)?.cancel()
    this.#timers.delete(key)
    this.#queued.delete(key)
    this.#failures.delete(key)
  }

  /** Resolves when what runs has ended; nothing new is begun. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#queued.clear()
    this.#again.clear()
    for (const { cancel } of this.#timers.values()) cancel()
    this.#timers.clear()
    if (this.#running.size > 0) await new Promise<void>(resolve => this.#idle.push(resolve))
  }

  #work(): void {
    for (const key of this.#queued) {
      if (this.#running.size >= this.#options.workers) return
      this.#queued.delete(key)
      this.#running.add(key)
      void this.#run(key)
    }
  }

  async #run(key: string): Promise<void> {
    const { sync, log, name, maxDelayMs } = this.#options
    try {
      await sync(key)
      this.#failures.delete(key)
    } catch (error) {
      const failures = (this.#failures.get(key) ?? 0) + 1
      this.#failures.set(key, failures)
      if (!this.#stopped) {
        log.info(`Error syncing ${name}`, { key, err: messageOf(error) }, failures > 3 ? 0 : 2)
        this.#addAfter(key, Math.min(maxDelayMs, firstDelayMs * 2 ** (failures - 1)), systemClock)
      }
    }
    this.#running.delete(key)
    if (this.#again.delete(key)) this.#queued.add(key)
    if (this.#stopped) {
      if (this.#running.size === 0) for (const resolve of this.#idle.splice(0)) resolve()
    } else this.#work()
  }
}
