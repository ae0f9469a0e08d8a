/** --auto-compaction-mode and --auto-compaction-retention: history that goes by itself (etcd's etcdserver/api/v3compactor). */
import { parseDuration } from '#clock.ts'
import { TrustplaneError } from '#errors.ts'
import type { Log } from '#log.ts'
import type { EtcdServer } from './etcd-server.ts'

export type AutoCompaction = { mode: 'periodic'; periodMs: number } | { mode: 'revision'; revisions: number }

/** @returns undefined when it is off @throws TrustplaneError TP_FLAG_INVALID */
export function parseAutoCompaction(mode: string, retention: string): AutoCompaction | undefined {
  if (mode !== 'periodic' && mode !== 'revision') {
    throw new TrustplaneError('TP_FLAG_INVALID', `etcd: unknown auto-compaction-mode "${mode}"`, {
      fix: 'periodic or revision',
    })
  }
  const whole = /^\d+$/.test(retention) ? Number(retention) : undefined
  if (whole === 0) return undefined
  if (mode === 'revision' && whole !== undefined) return { mode, revisions: whole }
  if (mode === 'periodic') {
    try {
      // a bare number is in hours
      const periodMs = whole === undefined ? parseDuration(retention) : whole * 3_600_000
      return periodMs > 0 ? { mode, periodMs } : undefined
    } catch {
      // said below
    }
  }
  throw new TrustplaneError(
    'TP_FLAG_INVALID',
    `etcd: error parsing CompactionRetention: time: invalid duration ${JSON.stringify(retention)}`,
    { fix: mode === 'periodic' ? 'hours (8) or a duration (30m)' : 'a number of revisions' },
  )
}

const revisionIntervalMs = 5 * 60_000
const samples = 10

/** @returns what stops it */
export function startAutoCompaction(setting: AutoCompaction, server: EtcdServer, log: Log): () => void {
  const compact = async (revision: number) => {
    if (revision <= server.store.compactRevision || revision <= 0) return
    try {
      await server.compact({ revision })
      log.info('completed auto revision compaction', { revision })
    } catch (error) {
      log.warn('failed auto revision compaction', { revision, error: (error as Error).message })
    }
  }
  if (setting.mode === 'revision') {
    const tick = () => void compact(server.store.revision - setting.revisions)
    return clearing(setInterval(tick, revisionIntervalMs))
  }
  // the revision of a period ago, known to a tenth of the period
  const seen: number[] = []
  const tick = () => {
    seen.push(server.store.revision)
    if (seen.length > samples) void compact(seen.shift()!)
  }
  return clearing(setInterval(tick, setting.periodMs / samples))
}

function clearing(timer: NodeJS.Timeout): () => void {
  timer.unref()
  return () => clearInterval(timer)
}
