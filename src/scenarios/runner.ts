/** Runs scenarios: a mesh each, every connection really dialled, what was seen held against what was expected and what was predicted. */
import { startMesh } from '#mesh/launcher.ts'
import type { Mesh } from '#mesh/mesh.ts'
import type { ConnectionStatus } from '#mesh/status.ts'
import { loadPlan } from '#pki/plan.ts'
import { givenBy } from './given.ts'
import { everythingOk, type Judgement, judge } from './judge.ts'
import { perform, type Stage } from './perform.ts'
import type { ExpectDocument, Scenario } from './types.ts'

export type Phase = 'expect' | 'fix'

export interface PhaseResult extends Judgement {
  phase: Phase
  rows: readonly ConnectionStatus[]
  /** Components that had ended by then, with their last words. */
  dead: readonly { id: string; words: string }[]
}

export interface ScenarioResult {
  scenario: Scenario
  ok: boolean
  seconds: number
  phases: readonly PhaseResult[]
  /** The scenario could not be run at all. */
  error?: unknown
  /** The mesh of a failed one, left running (`keep`): whoever asked for it stops it. */
  kept?: Mesh
}

export interface RunOptions {
  jobs?: number
  /** Leave the mesh of a failed scenario running. */
  keep?: boolean
  etcdBinary?: string
  /** Default `in-process`: all components of a mesh in this process. */
  isolation?: 'process' | 'in-process'
  signal?: AbortSignal
  onStart?: (scenario: Scenario) => void
  onResult?: (result: ScenarioResult) => void
}

/** Results in the order of the scenarios, whichever ended first. */
export async function runScenarios(
  scenarios: readonly Scenario[],
  options: RunOptions = {},
): Promise<ScenarioResult[]> {
  const results: ScenarioResult[] = []
  const waiting = [...scenarios.entries()]
  const worker = async () => {
    for (let next = waiting.shift(); next && !options.signal?.aborted; next = waiting.shift()) {
      const [index, scenario] = next
      options.onStart?.(scenario)
      const result = await runScenario(scenario, options)
      results[index] = result
      options.onResult?.(result)
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, options.jobs ?? 2) }, worker))
  return results.filter(Boolean)
}

export async function runScenario(scenario: Scenario, options: RunOptions = {}): Promise<ScenarioResult> {
  const began = performance.now()
  const phases: PhaseResult[] = []
  const done = (more: Partial<ScenarioResult> = {}): ScenarioResult => ({
    scenario,
    ok: more.error === undefined && phases.every(isGood),
    seconds: (performance.now() - began) / 1000,
    phases,
    ...more,
  })
  let mesh: Mesh | undefined
  try {
    const given = givenBy(scenario.faults)
    mesh = await startMesh({
      plan: scenario.plan,
      nodes: scenario.nodes,
      changes: given.changes,
      flags: given.flags,
      clockOffsets: given.clockOffsets,
      isolation: options.isolation ?? 'in-process',
      ...(options.etcdBinary ? { etcdBinary: options.etcdBinary } : {}),
    })
    const stage: Stage = { mesh, given, plan: await loadPlan(scenario.plan) }
    for (const step of scenario.steps) await perform(stage, step)
    phases.push(await look(mesh, 'expect', scenario.expect, options.signal))
    if (phases.every(isGood) && scenario.fix.length > 0) {
      for (const step of scenario.fix) await perform(stage, step)
      phases.push(await look(mesh, 'fix', everythingOk, options.signal))
    }
    if (options.keep && !phases.every(isGood)) return done({ kept: mesh })
    await mesh.stop()
    return done()
  } catch (error) {
    await mesh?.stop().catch(() => {})
    return done({ error: error ?? new Error('unknown') })
  }
}

const isGood = ({ differences, disagreements }: Judgement) => differences.length === 0 && disagreements.length === 0

/** A component may still be on its way (a file re-read, a lease taken): rows that differ are dialled again for a while. */
async function look(mesh: Mesh, phase: Phase, expect: ExpectDocument, signal?: AbortSignal): Promise<PhaseResult> {
  const deadline = performance.now() + 5000
  // a kubelet that cannot ask the apiserver whether somebody may takes 4 s to give up, as its original does: that is no refusal
  let rows = await mesh.probe(undefined, { timeoutMs: 1500 })
  for (;;) {
    const judgement = judge(expect, rows, mesh.predict())
    if (isGood(judgement) || performance.now() > deadline || signal?.aborted) {
      return { phase, rows, dead: deadOf(mesh), ...judgement }
    }
    await new Promise(resolve => setTimeout(resolve, 100))
    const names = new Set(judgement.differences.map(one => one.connection))
    const stale = rows.filter(row => names.has(`${row.from} -> ${row.to}`))
    const fresh = await mesh.probe(stale.length > 0 ? stale : rows)
    rows = rows.map(row => fresh.find(one => one.from === row.from && one.to === row.to) ?? row)
  }
}

const deadOf = (mesh: Mesh) =>
  mesh.members.filter(({ state }) => state === 'dead').map(({ id, words }) => ({ id, words: words ?? '' }))
