/** The time by which trustplane judges and issues. It is always an argument, so that expiry can be seen without touching the system's date. */
import { TrustplaneError } from './errors.ts'

export interface Clock {
  now(): Date
}

export const systemClock: Clock = { now: () => new Date() }

/** A clock that runs beside the system's, `offsetMs` ahead (negative: behind). */
export function offsetClock(offsetMs: number): Clock {
  return offsetMs === 0 ? systemClock : { now: () => new Date(Date.now() + offsetMs) }
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
