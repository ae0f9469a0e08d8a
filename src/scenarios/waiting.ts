/** Waiting for something to come about: looked for whenever anything has happened, until it is there or its time is over. */
import { mkdirSync, watch as watchFolder } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '#errors.ts'
import type { Resource } from '#kubernetes/resources.ts'
import { recordsFolder } from '#mesh/records.ts'
import type { Seen } from './notices/notice.ts'
import { adminClient, type Stage } from './stage.ts'

export interface Waiting {
  withinMs: number
  look(): Promise<Seen>
  /** Calls `again` when a look may come out otherwise. Left out: when a log, a record or a component has changed. */
  watch?: ((again: () => void, signal: AbortSignal) => void) | undefined
}

/** The last look: what was waited for, or what was there instead when the time was over. */
export async function until(stage: Stage, { withinMs, look, watch }: Waiting): Promise<Seen> {
  const over = AbortSignal.any([AbortSignal.timeout(withinMs), ...(stage.signal ? [stage.signal] : [])])
  let seen = await quietly(look)
  if (seen.ok || seen.skipped) return seen
  const done = new AbortController()
  let bell = Promise.withResolvers<void>()
  const again = () => bell.resolve()
  over.addEventListener('abort', again)
  watchFiles(stage, again, done.signal)
  watch?.(again, done.signal)
  try {
    while (!seen.ok && !over.aborted) {
      await bell.promise
      bell = Promise.withResolvers()
      seen = await quietly(look)
    }
    return seen
  } finally {
    over.removeEventListener('abort', again)
    done.abort()
  }
}

async function quietly(look: () => Promise<Seen>): Promise<Seen> {
  try {
    return await look()
  } catch (error) {
    return { ok: false, seen: messageOf(error) }
  }
}

/** Logs and records are written whenever anything happens to a component; and time itself changes things, too. */
function watchFiles({ mesh }: Stage, again: () => void, signal: AbortSignal): void {
  for (const folder of [join(mesh.dir, 'logs'), recordsFolder(mesh.dir)]) {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    watchFolder(folder, { signal }, again)
  }
  mesh.on('component', again)
  const tick = setInterval(again, 250)
  signal.addEventListener('abort', () => {
    mesh.off('component', again)
    clearInterval(tick)
  })
}

/** Watches a resource as admin. A watch that ends is begun again: the apiserver may be what was broken. */
export function watchObjects(stage: Stage, resource: Resource, again: () => void, signal: AbortSignal): void {
  const go = async () => {
    const client = adminClient(stage)
    try {
      while (!signal.aborted) {
        try {
          for await (const _ of client.watch(resource, { signal })) again()
        } catch {}
        await new Promise(resolve => setTimeout(resolve, 200))
      }
    } finally {
      await client.close()
    }
  }
  go().catch(() => {})
}
