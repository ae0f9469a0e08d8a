/** Waiting between tries: at once at first, then as client-go's reflector does. */
import { setTimeout as sleep } from 'node:timers/promises'

export interface BackoffOptions {
  /** Default 20 ms. client-go starts at 800 ms, which no one would wait for when a whole mesh starts at once. */
  firstMs?: number
  /** Default 30 s, as the reflector. */
  maxMs?: number
  /** For this long after the first failure waits stay at or under `eagerMs`: whoever we dial is about to be there. Default 1500 ms. */
  eagerForMs?: number
  eagerMs?: number
}

export class Backoff {
  #failures = 0
  #since = 0
  readonly #options: Required<BackoffOptions>

  constructor(options: BackoffOptions = {}) {
    this.#options = { firstMs: 20, maxMs: 30_000, eagerForMs: 1500, eagerMs: 40, ...options }
  }

  /** The next wait in milliseconds: doubled each time, then stretched by up to its own length. */
  next(): number {
    const { firstMs, maxMs, eagerForMs, eagerMs } = this.#options
    const now = performance.now()
    if (this.#failures === 0) this.#since = now
    const eager = now - this.#since < eagerForMs
    if (!eager || firstMs * 2 ** this.#failures < eagerMs) this.#failures++
    const wait = Math.min(
      maxMs,
      eager ? Math.min(eagerMs, firstMs * 2 ** (this.#failures - 1)) : firstMs * 2 ** this.#failures,
    )
    return wait * (1 + Math.random())
  }

  reset(): void {
    this.#failures = 0
  }

  /** Waits; resolves early, without an error, when `signal` aborts. */
  async wait(signal?: AbortSignal): Promise<void> {
    await pause(this.next(), signal)
  }
}

/** Sleeps without keeping the process alive; resolves early when `signal` aborts. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { ref: true, ...(signal ? { signal } : {}) }).catch(() => {})
}
