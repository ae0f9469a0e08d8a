/**
 * How soon the library's mesh is ready in the process that asked for it, how long one simple scenario takes, and with
 * TRUSTPLANE_BENCH_CATALOGUE=1 all of them. Machines differ: figures are told in the time that a bare `node -e 0` takes there, and the
 * targets are 300 ms, 500 ms and 30 s on a machine where that is 20 ms.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Figure } from './run.ts'

const runs = 5
const referenceMs = 20
const scenario = 'server-certificates/apiserver-expired'
const library = new URL('../dist/index.js', import.meta.url).href
const entry = fileURLToPath(new URL('../bin/trustplane.js', import.meta.url))

/** What a process does that uses the library, and how long each part took it, in milliseconds. */
const meshes = `
  const laps = {}
  let last = performance.now()
  const lap = name => {
    const now = performance.now()
    laps[name] = Math.min(laps[name] ?? Infinity, now - last)
    last = performance.now()
  }
  const { startMesh } = await import(${JSON.stringify(library)})
  lap('import')
  for (const name of ['first', 'later', 'later', 'later']) {
    const mesh = await startMesh()
    lap(name)
    await mesh.stop()
    lap('stop')
  }
  console.log(JSON.stringify(laps))`

const oneScenario = `
  const { findScenarioFiles, loadScenarios, runScenarios } = await import(${JSON.stringify(library)})
  const [result] = await runScenarios(await loadScenarios(findScenarioFiles([${JSON.stringify(scenario)}])))
  if (!result.ok) throw result.error ?? new Error('it did not do as expected')
  console.log(JSON.stringify({ scenario: result.seconds * 1000 }))`

/** Runs Node to its end; a failure is an error with its output. */
function timed(args: readonly string[], cache: string): { ms: number; stdout: string } {
  const began = performance.now()
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    env: { ...process.env, NODE_COMPILE_CACHE: cache },
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  if (status !== 0) throw new Error(`${args.join(' ').slice(0, 80)} ended with ${status}: ${stderr || stdout}`)
  return { ms: performance.now() - began, stdout }
}

export async function run(): Promise<Figure[]> {
  const cache = mkdtempSync(join(tmpdir(), 'trustplane-bench-'))
  const script = (code: string) =>
    JSON.parse(timed(['--input-type=module', '-e', code], cache).stdout) as Record<string, number>
  try {
    // fills the compile cache
    script(meshes)
    script(oneScenario)
    const least: Record<string, number> = {}
    const note = (found: Record<string, number>) => {
      for (const [name, ms] of Object.entries(found))
        least[name] = Math.min(least[name] ?? Number.POSITIVE_INFINITY, ms)
    }
    // by turns, so that all have the same luck
    for (let i = 0; i < runs; i++) {
      note({ bare: timed(['-e', '0'], cache).ms })
      note(script(meshes))
      note(script(oneScenario))
      note({ command: timed([entry, 'run', scenario], cache).ms })
    }
    if (process.env.TRUSTPLANE_BENCH_CATALOGUE) note({ catalogue: timed([entry, 'run', '--jobs', '2'], cache).ms })
    const bare = least.bare!
    const figure = (key: string, name: string, targetMs?: number): Figure[] => {
      const ms = least[key]
      if (ms === undefined) return []
      return [
        {
          name,
          value: ms / bare,
          unit: '× bare',
          ...(targetMs ? { target: `≤ ${targetMs / referenceMs}` } : {}),
          baseline: `${(ms / 1000).toFixed(2)} s; a bare node -e 0: ${(bare / 1000).toFixed(3)} s`,
        },
      ]
    }
    return [
      ...figure('import', 'the library is imported'),
      ...figure('first', 'first mesh of a process is ready', 300),
      ...figure('later', 'later mesh of a process is ready', 300),
      ...figure('stop', 'mesh is stopped'),
      ...figure('scenario', `a simple scenario in process: ${scenario}`, 500),
      ...figure('command', 'the same by `trustplane run`, the whole process'),
      ...figure('catalogue', 'all scenarios with --jobs 2', 30_000),
    ]
  } finally {
    rmSync(cache, { recursive: true, force: true })
  }
}
