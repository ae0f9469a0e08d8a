/** How long `trustplane up` takes until every row of the connection table is green, and what the components weigh. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Figure } from './run.ts'

const entry = fileURLToPath(new URL('../bin/trustplane.js', import.meta.url))
const runs = 5

/** Runs the command to its end and gives its wall time in seconds; a failure is an error with its output. */
function timed(args: readonly string[], env: NodeJS.ProcessEnv = {}): number {
  const began = performance.now()
  const { status, stderr, stdout } = spawnSync(process.execPath, args, {
    env: { ...process.env, ...env },
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}: ${stderr || stdout}`)
  return (performance.now() - began) / 1000
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!

/** Proportional set size in MiB: shared pages are counted once among those who share them. Linux only. */
function pssMiB(pid: number): number {
  const kib = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]
  return Number(kib) / 1024
}

export async function run(): Promise<Figure[]> {
  const work = mkdtempSync(join(tmpdir(), 'trustplane-bench-'))
  const up = (dir: string, cache: string) =>
    timed([entry, 'up', '--detach', '--ports', 'random', '--dir', dir], { NODE_COMPILE_CACHE: cache })
  const down = (dir: string) => timed([entry, 'down', '--dir', dir])
  try {
    const bare = median(Array.from({ length: runs }, () => timed(['-e', '0'])))
    const cold = Array.from({ length: runs }, (_, i) => {
      const dir = join(work, `cold-${i}`)
      const seconds = up(dir, join(work, `cache-${i}`))
      down(dir)
      return seconds
    })
    const warmDir = join(work, 'warm')
    const cache = join(work, 'cache')
    up(warmDir, cache)
    down(warmDir)
    const warm = Array.from({ length: runs }, () => {
      const seconds = up(warmDir, cache)
      down(warmDir)
      return seconds
    })
    up(warmDir, cache)
    const mesh = JSON.parse(readFileSync(join(warmDir, 'mesh.json'), 'utf8')) as { components: { pid: number }[] }
    const memory = mesh.components.reduce((sum, component) => sum + pssMiB(component.pid), 0)
    down(warmDir)
    const baseline = `a bare node -e 0: ${bare.toFixed(3)} s`
    return [
      {
        name: 'up from nothing to every row green (median)',
        value: median(cold),
        unit: 's',
        target: '≤ 1.2',
        baseline,
      },
      {
        name: 'up with PKI and warm compile cache (median)',
        value: median(warm),
        unit: 's',
        target: '≤ 0.7',
        baseline,
      },
      { name: 'up with PKI and warm compile cache (minimum)', value: Math.min(...warm), unit: 's' },
      { name: 'memory of all components, PSS', value: memory, unit: 'MiB', target: '≤ 260' },
    ]
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}
