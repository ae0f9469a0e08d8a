/** etcd's history goes after a while: storage/etcd3/compact.go, which etcd itself does not do unless it is told to. */
import { after, type Clock } from '#clock.ts'
import { messageOf } from '#errors.ts'
import type { Log } from '#log.ts'
import { type Etcd, isCompacted } from './etcd.ts'

/** Every `intervalMs` of the clock to the revision of one interval ago; 0: never. @returns what stops it */
export function startCompactor(options: {
  etcd: Etcd
  /** Of the last change that is known here. */
  revision: () => number
  intervalMs: number
  clock: Clock
  log: Log
}): () => void {
  const { etcd, revision, intervalMs, clock, log } = options
  if (intervalMs <= 0) return () => {}
  let before = revision()
  let cancel = () => {}
  const tick = () => {
    const wanted = before
    before = revision()
    // a second apiserver may have done it
    if (wanted > 0)
      etcd.compact(wanted).catch(error => {
        if (!isCompacted(error)) log.error('etcd: endpoint compact failed', messageOf(error), { revision: wanted })
      })
    cancel = after(clock, intervalMs, tick)
  }
  cancel = after(clock, intervalMs, tick)
  return () => cancel()
}
