/** Waiting between tries: at once at first, then as client-go's reflector does. */
import { setTimeout as sleep } from 'node:timers/promises'
import { refusalOf } from '#tls/errors.ts'
import { StatusError } from './status.ts'

export interface BackoffOptions {
  /** Default 20 ms. client-go starts at 800 ms, which no one would wait for when a whole mesh starts at once. */
  firstMs?: number
  /** Default 5 s. The reflector goes up to 30 s; here a person waits for what they just mended. */
  maxMs?: number
  /** For this long after the first failure waits stay at or under `eagerMs`: whoever we dial is about to be there. Default 1500 ms. */
  eagerForMs?: number
  eagerMs?: number
}

// Short of client-go's 800 ms: roles may be a moment behind the server that checks them.
const answeredFirstMs = 200

export class Backoff {
  #failures = 0
  #since = 0
  readonly #options: Required<BackoffOptions>

  constructor(options: BackoffOptions = {}) {
    this.#options = { firstMs: 20, maxMs: 5_000, eagerForMs: 1500, eagerMs: 40, ...options }
  }

  /**
   * The next wait in milliseconds: doubled each time, then stretched by up to its own length.
   * @param answered someone was there and said no: there is no hurry
   */
  next(answered = false): number {
    const { firstMs, maxMs, eagerForMs, eagerMs } = this.#options
    const now = performance.now()
    if (this.#failures === 0) this.#since = now
    const wait = (answered ? answeredFirstMs : firstMs) * 2 ** this.#failures
    const eager = !answered && now - this.#since < eagerForMs
    if (!eager || wait < eagerMs) this.#failures++
    return Math.min(eager ? eagerMs : maxMs, wait) * (1 + Math.random())
  }

  reset(): void {
    this.#failures = 0
  }

  /** Waits; resolves early, without an error, when `signal` aborts. */
  async wait(signal?: AbortSignal, answered = false): Promise<void> {
    await pause(this.next(answered), signal)
  }
}

/** Somebody was there and said no, by a Status or in the handshake: asked again at once, they would say it again. */
export const isAnswer = (error: unknown): boolean =>
  error instanceof StatusError || (error as Error).cause instanceof StatusError || refusalOf(error) !== undefined

/** Sleeps; resolves early, without an error, when `signal` aborts. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { ref: true, ...(signal ? { signal } : {}) }).catch(() => {})
}
