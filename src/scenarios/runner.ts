/** Runs scenarios: a mesh each, every connection really dialled, what was seen held against what was expected and what was predicted. */
import { startMesh } from '#mesh/launcher.ts'
import type { Mesh } from '#mesh/mesh.ts'
import { type Timeline, timeline } from '#mesh/timeline.ts'
import { applyChanges, loadPlan } from '#pki/plan.ts'
import type { Plan } from '#pki/types.ts'
import { givenBy, lastingChanges, meshOptionsOf } from './given.ts'
import { everythingOk } from './judge.ts'
import { isGood, type LookFor, look, type PhaseResult } from './look.ts'
import { findNotice } from './notices/index.ts'
import { perform } from './perform.ts'
import { applyObjects } from './performers/objects.ts'
import { whyNotOn } from './real-etcd.ts'
import type { Original, Stage } from './stage.ts'
import { isLook } from './steps.ts'
import type { ExpectDocument, Notice, NoticeAttributes, NoticeDocument, Scenario, Step } from './types.ts'

export interface ScenarioResult {
  scenario: Scenario
  ok: boolean
  seconds: number
  phases: readonly PhaseResult[]
  /** Why it was not run at all: a real etcd cannot play it. It counts as well then. */
  skipped?: string
  /** The scenario could not be run at all, or not to its end. */
  error?: unknown
  /** Of the PKI as it was at first; with the option `timeline`. */
  timeline?: Timeline
  /** The mesh of a failed one, left running (`keep`): whoever asked for it stops it. */
  kept?: Mesh
}

export interface RunOptions {
  jobs?: number
  /** Leave the mesh of a failed scenario running. */
  keep?: boolean
  etcdBinary?: string
  /** Work out what expires when, and what breaks then. */
  timeline?: boolean
  /** Default `in-process`: all components of a mesh in this process. */
  isolation?: 'process' | 'in-process'
  signal?: AbortSignal
  onStart?: (scenario: Scenario) => void
  onResult?: (result: ScenarioResult) => void
}

/**
 * Runs scenarios, each on a mesh of its own. Results in the order of the scenarios, whichever ended first.
 * @example
 * const results = await runScenarios(await loadScenarios(findScenarioFiles(['etcd'])), { jobs: 2 })
 */
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
  const skipped = options.etcdBinary ? whyNotOn(options.etcdBinary, scenario) : undefined
  if (skipped) return done({ skipped })
  let stage: Stage | undefined
  let ends: { timeline?: Timeline } = {}
  try {
    stage = await begin(scenario, options)
    if (options.timeline) ends = { timeline: timeline(stage.mesh.layout, nowOf(stage.mesh)) }
    await play(stage, scenario, phases)
  } catch (error) {
    const failed = { error: error ?? new Error('unknown') }
    if (stage && options.keep) return done({ ...failed, kept: stage.mesh })
    await stage?.mesh.stop().catch(() => {})
    return done(failed)
  }
  if (options.keep && !phases.every(isGood)) return done({ ...ends, kept: stage.mesh })
  await stage.mesh.stop()
  return done(ends)
}

const nowOf = ({ state }: Mesh) => new Date(Date.now() + state.clockOffsetMs)

/** Starts a mesh as `given` says. */
async function begin(scenario: Scenario, { isolation = 'in-process', etcdBinary, signal }: RunOptions): Promise<Stage> {
  const given = givenBy(scenario.faults, scenario.more)
  const originals = new Map<string, Original | undefined>()
  const mesh = await startMesh({
    plan: scenario.plan,
    nodes: scenario.nodes,
    ...meshOptionsOf(given, originals),
    isolation,
    ...(etcdBinary ? { etcdBinary } : {}),
    ...(signal ? { signal } : {}),
  })
  const stage: Stage = {
    mesh,
    given,
    originals,
    plan: await planAsMeant(scenario),
    ...(etcdBinary ? { programs: new Set(['etcd']) } : {}),
    ...(signal ? { signal } : {}),
  }
  try {
    if (given.objects) await applyObjects(stage, given.objects)
    return stage
  } catch (error) {
    await mesh.stop()
    throw error
  }
}

/** What `renew` and the like go back to. */
async function planAsMeant({ plan, more }: Scenario): Promise<Plan> {
  const base = await loadPlan(plan)
  const rows = [...base.authorities, ...base.certificates, ...base.kubeconfigs, ...base.keyPairs]
  return applyChanges(base, lastingChanges(more, new Set(rows.map(({ name }) => name))))
}

/** Stops at the first look that is not as it should be. */
async function play(stage: Stage, scenario: Scenario, phases: PhaseResult[]): Promise<void> {
  const { steps, expect, notices, fix } = scenario
  if (!(await act(stage, steps, phases))) return
  if (!(await lookOnce(stage, { phase: 'expect', expect, notices }, phases)) || fix.length === 0) return
  if (!(await act(stage, fix, phases))) return
  await lookOnce(stage, { phase: 'fix', expect: everythingOk }, phases)
}

async function act(stage: Stage, steps: readonly Step[], phases: PhaseResult[]): Promise<boolean> {
  let after = 'at first'
  for (const step of steps) {
    if (stage.signal?.aborted) return false
    if (!isLook(step.name)) {
      await perform(stage, step)
      after = `after ${describeStep(step)}`
    } else if (!(await lookOnce(stage, { phase: 'step', after, ...lookOf(step) }, phases))) return false
  }
  return true
}

async function lookOnce(stage: Stage, what: LookFor, phases: PhaseResult[]): Promise<boolean> {
  const result = await look(stage, what)
  phases.push(result)
  return isGood(result)
}

/** What a step that only looks is about. */
function lookOf({ name, value }: Step): Pick<LookFor, 'expect' | 'notices'> {
  if (name === 'expect') return { expect: value as ExpectDocument }
  if (name === 'notices') {
    const all = (value as NoticeDocument[]).flatMap(one => Object.entries(one))
    return { notices: all.map(([key, attributes]) => ({ name: key, attributes })) }
  }
  return { notices: [asNotice(name, value as NoticeAttributes)] }
}

/** `run` and `request` are notices that must come out well. */
const asNotice = (name: string, attributes: NoticeAttributes): Notice => ({
  name: findNotice(name) ? name : 'command',
  attributes,
})

/** `renew apiserver`, `advance-clock by 364d` */
export function describeStep({ name, targets, value }: Step): string {
  if (value === undefined) return [name, targets.join(', ')].join(' ')
  const words = JSON.stringify(value).replaceAll(/["{}]/g, '').replaceAll(':', ' ').replaceAll(',', ', ')
  return `${name} ${words.length > 80 ? `${words.slice(0, 79)}…` : words}`
}
