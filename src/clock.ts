/** The time by which trustplane judges and issues. It is always an argument, so that expiry can be seen without touching the system's date. */
import { TrustplaneError } from './errors.ts'

export interface Clock {
  now(): Date
  /** Calls `wake` once this clock is `ms` further; returns what gives it up. Left out: it goes as fast as the system's. */
  after?(ms: number, wake: () => void): () => void
}

export const systemClock: Clock = { now: () => new Date() }

// setTimeout's most
const longestMs = 2 ** 31 - 1

/** A timer by a clock. Returns what gives it up. */
export function after(clock: Clock, ms: number, wake: () => void): () => void {
  if (clock.after) return clock.after(ms, wake)
  let timer: NodeJS.Timeout
  const wait = (left: number) => {
    timer = setTimeout(() => (left > longestMs ? wait(left - longestMs) : wake()), Math.min(left, longestMs))
  }
  wait(Math.max(0, ms))
  return () => clearTimeout(timer)
}

/** Resolves when the clock has got there, or at once when `signal` aborts. */
export function sleepUntil(clock: Clock, when: Date, signal?: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const left = when.getTime() - clock.now().getTime()
    if (left <= 0 || signal?.aborted) return resolve()
    const done = () => {
      cancel()
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const cancel = after(clock, left, done)
    signal?.addEventListener('abort', done)
  })
}

export interface ManualClock extends Clock {
  /** When the next timer is due; undefined: there is none. */
  next(): Date | undefined
  /** Goes on; timers that come due meanwhile are called at their time, in their order. */
  advance(ms: number): void
}

/** A clock that stands still until it is told to go on: a day of renewals in minutes, however slow the machine. */
export function manualClock(start: Date = new Date()): ManualClock {
  let now = start.getTime()
  let count = 0
  const timers = new Map<number, { at: number; wake: () => void }>()
  const first = () => {
    let found: [number, { at: number; wake: () => void }] | undefined
    for (const entry of timers) if (!found || entry[1].at < found[1].at) found = entry
    return found
  }
  return {
    now: () => new Date(now),
    after(ms, wake) {
      const id = count++
      timers.set(id, { at: now + Math.max(0, ms), wake })
      return () => void timers.delete(id)
    },
    next() {
      const found = first()
      return found && new Date(found[1].at)
    },
    advance(ms) {
      const end = now + ms
      for (let found = first(); found && found[1].at <= end; found = first()) {
        timers.delete(found[0])
        now = Math.max(now, found[1].at)
        found[1].wake()
      }
      now = end
    },
  }
}

/** A clock that runs beside the system's, `offsetMs` ahead (negative: behind). */
export function offsetClock(offsetMs: number): Clock {
  return offsetMs === 0 ? systemClock : { now: () => new Date(Date.now() + offsetMs) }
}

/** A clock that can be put forward and back while others look at it; their timers come sooner or later then. */
export function adjustableClock(offsetMs: number): Clock & { set(offsetMs: number): void } {
  let offset = offsetMs
  const timers = new Set<{ at: number; wake: () => void; cancel: () => void }>()
  const arm = (timer: { at: number; wake: () => void; cancel: () => void }) => {
    timer.cancel = after(systemClock, timer.at - Date.now() - offset, () => {
      timers.delete(timer)
      timer.wake()
    })
  }
  return {
    now: () => new Date(Date.now() + offset),
    after(ms, wake) {
      const timer = { at: Date.now() + offset + ms, wake, cancel() {} }
      timers.add(timer)
      arm(timer)
      return () => {
        timer.cancel()
        timers.delete(timer)
      }
    },
    set(next) {
      offset = next
      for (const timer of timers) {
        timer.cancel()
        arm(timer)
      }
    },
  }
}

const unitMs: Record<string, number> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  y: 31_536_000_000,
}

/**
 * A duration as Go's time.ParseDuration reads it, and in days (d), weeks (w) and years (y, 365 days): `364d`, `-10m`, `1h30m`.
 * @returns milliseconds
 * @throws TrustplaneError TP_FLAG_INVALID
 */
export function parseDuration(text: string): number {
  const match = /^([+-]?)((?:\d+(?:\.\d+)?(?:ms|[smhdwy]))+|0)$/.exec(text.trim())
  if (!match) {
    throw new TrustplaneError('TP_FLAG_INVALID', `not a duration: ${JSON.stringify(text)}`, {
      fix: 'write it as 90s, 10m, 1h30m, 364d or -10m',
    })
  }
  let ms = 0
  for (const part of match[2]!.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdwy])/g)) ms += Number(part[1]) * unitMs[part[2]!]!
  return match[1] === '-' ? -ms : ms
}
