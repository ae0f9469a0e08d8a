/** Rehearsals that were begun in a directory and not brought to their end, by the certificates there. */
import { existsSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { systemClock } from '#clock.ts'
import { recordedPlan } from '#pki/plan-record.ts'
import type { Workshop } from './files.ts'
import { findRehearsal, rehearsalNames } from './find.ts'
import { fitted } from './fit.ts'
import { loadRehearsal } from './load.ts'
import { howFar } from './order.ts'
import { wasBegun } from './store.ts'
import type { Rehearsal } from './types.ts'

export interface UnderWay {
  rehearsal: Rehearsal
  done: number
  next: string
}

/** Those that the package has; of files of your own only their own run knows. */
export async function underWay(dir: string): Promise<UnderWay[]> {
  const folder = join(dir, 'rehearsals')
  if (!existsSync(folder)) return []
  const names = readdirSync(folder).filter(name => rehearsalNames().includes(name))
  const found: UnderWay[] = []
  for (const name of names) {
    try {
      const loaded = await loadRehearsal(findRehearsal(name))
      const rehearsal = await fitted(loaded, await recordedPlan(resolve(dir)), dir)
      const workshop: Workshop = { dir: resolve(dir), rehearsal, clock: systemClock }
      const { done, next } = howFar(workshop, rehearsal.steps)
      // one that was only made ready for, or taken back, has its new authority beside the old one, and that is all
      if (wasBegun(workshop.dir, rehearsal) && done > 1 && next) found.push({ rehearsal, done, next })
    } catch {
      // its PKI is another by now
    }
  }
  return found
}
