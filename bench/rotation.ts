/**
 * Every rehearsal in its right order, under 200 requests a second over all connections: what was retried while a server restarted, and
 * what failed. `RATE=50 npm run bench:rotation cluster-ca` is a smaller one.
 */
import { findRehearsal, rehearsalNames } from '#rehearsals/find.ts'
import { loadRehearsal } from '#rehearsals/load.ts'
import { rehearse } from '#rehearsals/rehearse.ts'
import type { RehearsalResult } from '#rehearsals/result.ts'
import { startRehearsal } from '#rehearsals/start.ts'
import type { Figure } from './run.ts'

const rate = Number(process.env.RATE ?? 200)

async function once(name: string): Promise<RehearsalResult> {
  const rehearsal = await loadRehearsal(findRehearsal(name))
  const mesh = await startRehearsal(rehearsal, {})
  try {
    return await rehearse({ mesh, rehearsal, rate })
  } finally {
    await mesh.stop()
  }
}

const secondsOf = ({ steps }: RehearsalResult) => steps.reduce((all, step) => all + step.seconds, 0)

/** Not part of `npm run bench`: it takes a while. */
async function rotation(names: readonly string[]): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const name of names) {
    const result = await once(name)
    const seconds = secondsOf(result)
    const baseline = `${result.requests} requests in ${seconds.toFixed(1)} s, ${result.retried} of them retried while a server restarted`
    figures.push(
      { name: `${name}: failed requests`, value: result.failed, unit: 'requests', target: '0', baseline },
      {
        name: `${name}: requests a second, over all connections`,
        value: result.requests / seconds,
        unit: '/s',
        target: String(rate),
      },
    )
    console.log(
      `${result.ok ? 'ok  ' : 'FAIL'} ${name.padEnd(24)} ${result.failed} failed, ${baseline} (${Math.round(result.requests / seconds)}/s)${result.stopped ? `; stopped: ${result.stopped.error}` : ''}`,
    )
  }
  return figures
}

const wanted = process.argv.slice(2).filter(word => !word.startsWith('-'))
const figures = await rotation(wanted.length > 0 ? wanted : rehearsalNames())
process.exitCode = figures.some(({ unit, value }) => unit === 'requests' && value > 0) ? 1 : 0
