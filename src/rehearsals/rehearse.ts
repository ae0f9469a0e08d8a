/** A rehearsal on a mesh that runs: step after step under traffic, with the state of every connection after each. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { offsetClock } from '#clock.ts'
import { diskTrouble, messageOf, TrustplaneError } from '#errors.ts'
import { recover, writeTogether } from '#pki/atomic-write.ts'
import { withLock } from '#pki/lock.ts'
import { findAction } from './actions.ts'
import { filesOf, filesToUndo, type Workshop } from './files.ts'
import { fitted } from './fit.ts'
import { rowGenerations } from './generations.ts'
import { performLive, restartMember, type Stage, startPods, withAdmin, writeFiles } from './live.ts'
import { Loaded } from './loaded.ts'
import { howFar, type OrderOptions, stepsBack, stepsBehind, stepsInOrder } from './order.ts'
import type { PlayedMember, PlayedMesh } from './played-mesh.ts'
import { type RehearsalResult, resultOf } from './result.ts'
import { copiesOf, removeUnfinished, storeOf, wasBegun } from './store.ts'
import { type RowTraffic, Traffic } from './traffic.ts'
import type { Action, Rehearsal, RowState, Step, StepResult } from './types.ts'
import { underWay } from './under-way.ts'

export interface RehearseOptions extends OrderOptions {
  mesh: PlayedMesh
  rehearsal: Rehearsal
  /** Requests a second, over all connections; default 200. 0: only those after each step. */
  rate?: number
  /** A request that nobody has answered well by then has failed; default 10 s. */
  timeLimitMs?: number
  /** Go on with one that was begun in this directory. */
  resume?: boolean
  /** Take back what was done. */
  rollback?: boolean
  signal?: AbortSignal
  onProgress?: (line: string) => void
  onStep?: (result: StepResult) => void
}

/**
 * What a step cannot do is a result, not an error: the state of every connection is told, and how to go on.
 * @throws TrustplaneError TP_NAME_UNKNOWN, TP_REHEARSAL_STOPPED (nothing was done)
 */
export async function rehearse(options: RehearseOptions): Promise<RehearsalResult> {
  const { mesh, rate = 200, timeLimitMs = 10_000, signal } = options
  const rehearsal = await fitted(options.rehearsal, mesh.layout.plan, mesh.dir)
  const workshop: Workshop = { dir: mesh.dir, rehearsal, clock: offsetClock(mesh.state.clockOffsetMs) }
  const steps = stepsInOrder(rehearsal, options)
  await finishWhatWasKilled(workshop)
  const isBegun = mayBegin(workshop, steps, options)
  if (!isBegun) await mustBeAlone(workshop)
  await withLock(mesh.dir, () => writeTogether(mesh.dir, copiesOf(mesh.dir, rehearsal)))
  if (!isBegun) await takeAway(mesh, rehearsal.without)
  mkdirSync(join(mesh.dir, storeOf(rehearsal)), { recursive: true, mode: 0o700 })
  const loaded = new Loaded(mesh.layout, join(mesh.dir, storeOf(rehearsal), 'loaded'))
  const traffic = new Traffic({ loaded, dir: mesh.dir, rate, timeLimitMs, voice: mesh.voice, clock: workshop.clock })
  const stage: Stage = { mesh, loaded, traffic, unread: new Map(), ...(signal ? { signal } : {}) }
  const played = new Performance(stage, workshop, options)
  try {
    await startPods(stage)
    traffic.start()
    const { preparation } = mesh
    if (preparation) {
      const { outcome } = await played.run(
        { step: 'prepare', does: preparation.does, direction: 'forward' },
        async () => {
          for (const id of preparation.restarts) {
            signal?.throwIfAborted()
            await restartMember(stage, id)
          }
          return 'done'
        },
      )
      if (outcome === 'stopped') return resultOf(rehearsal, played.results)
    }
    const does = isBegun ? 'What earlier runs left here.' : 'Nothing has been done: what there is.'
    const before = await played.run({ step: 'before', does, direction: 'forward' }, async () => 'done')
    if (before.outcome === 'stopped') return resultOf(rehearsal, played.results)
    const plan = options.rollback ? wayBack(stage, workshop, steps) : wayForward(stage, workshop, steps)
    for (const [named, work] of plan) {
      const { outcome } = await played.run(named, work)
      if (outcome === 'stopped') break
    }
  } finally {
    played.close()
    await traffic.stop()
    loaded.close()
  }
  return resultOf(rehearsal, played.results)
}

/** Files that a run was killed in before all of them were in their places: they are put there. What it had not finished writing goes. */
async function finishWhatWasKilled({ dir, rehearsal }: Workshop): Promise<void> {
  await withLock(dir, async () => {
    await recover(dir)
    removeUnfinished(dir, rehearsal)
  })
}

/** Has one been begun? @throws TrustplaneError TP_REHEARSAL_STOPPED when that is not what was asked for */
function mayBegin(workshop: Workshop, steps: readonly Step[], { resume, rollback }: RehearseOptions): boolean {
  const { dir, rehearsal } = workshop
  const isBegun = wasBegun(dir, rehearsal)
  if (isBegun && !resume && !rollback) {
    const { done, next } = howFar(workshop, steps)
    const far = next
      ? `${done} of its ${steps.length} steps are behind it, by the certificates; the next is ${next}`
      : 'by the certificates it was brought to its end'
    throw new TrustplaneError('TP_REHEARSAL_STOPPED', `${rehearsal.name} was begun in ${dir} before: ${far}`, {
      fix: `go on with --resume, take it back with --rollback, or begin again once ${storeOf(rehearsal)}/ is removed`,
    })
  }
  if (isBegun || !rollback) return isBegun
  throw new TrustplaneError('TP_REHEARSAL_STOPPED', `${rehearsal.name} was not begun in ${dir}`, {
    fix: 'there is nothing to take back',
  })
}

/** Two that replace the same would take each other for the old one. @throws TrustplaneError TP_REHEARSAL_STOPPED */
async function mustBeAlone({ dir, rehearsal }: Workshop): Promise<void> {
  const mine = rehearsal.replaces.map(one => one.old)
  const other = (await underWay(dir)).find(one => one.rehearsal.replaces.some(({ old }) => mine.includes(old)))
  if (!other) return
  const { name, steps } = other.rehearsal
  throw new TrustplaneError(
    'TP_REHEARSAL_STOPPED',
    `${name} replaces the same and is under way in ${dir}: ${other.done} of its ${steps.length} steps are behind it; nothing was changed`,
    {
      fix: `bring it to its end with \`trustplane rehearse ${name} --dir ${dir} --resume\`, or take it back with --rollback`,
    },
  )
}

type Named = Pick<StepResult, 'step' | 'does' | 'direction'>
type Work = () => Promise<StepResult['outcome']>

/** Step after step, with what became of the connections, and of the components. */
class Performance {
  readonly results: StepResult[] = []
  readonly #stage: Stage
  readonly #workshop: Workshop
  readonly #options: RehearseOptions
  readonly #watch: (member: PlayedMember) => void
  #died: string[] = []

  constructor(stage: Stage, workshop: Workshop, options: RehearseOptions) {
    this.#stage = stage
    this.#workshop = workshop
    this.#options = options
    this.#watch = member => {
      if (member.state === 'dead') this.#died.push(`${member.id} ${member.words ?? 'ended'}`)
      // the kubelet starts a static pod again that has ended, and then it reads its files, too
      if (member.state !== 'running' || member.restarts === 0) return
      stage.loaded.started(member.id)
      for (const readers of stage.unread.values()) readers.delete(member.id)
    }
    stage.mesh.on('component', this.#watch)
  }

  close(): void {
    this.#stage.mesh.off('component', this.#watch)
  }

  async run(named: Named, work: Work): Promise<StepResult> {
    const { mesh, traffic, loaded, signal } = this.#stage
    const began = performance.now()
    traffic.reset()
    this.#died = []
    this.#options.onProgress?.(`${named.step}: ${named.does}`)
    let outcome: StepResult['outcome']
    let trouble: Pick<StepResult, 'error' | 'fix'> = {}
    try {
      signal?.throwIfAborted()
      outcome = await work()
    } catch (error) {
      outcome = 'stopped'
      trouble = troubleOf(error, this.#options)
    }
    const rows = (await traffic.take()).map(rowStates(this.#workshop, loaded))
    const gone = signal?.aborted ? undefined : mesh.gone?.()
    if (gone) {
      outcome = 'stopped'
      trouble = {
        error: trouble.error ? `${trouble.error}\n${gone.error}` : gone.error,
        fix: trouble.fix ? `${gone.fix}; ${trouble.fix}` : goOn(this.#options, gone.fix),
      }
    }
    const seconds = (performance.now() - began) / 1000
    const result: StepResult = {
      ...named,
      outcome,
      ...trouble,
      died: this.#died,
      rows,
      seconds,
      predicted: false,
    }
    this.results.push(result)
    this.#options.onStep?.(result)
    return result
  }
}

type Planned = [named: Named, work: Work]

function wayForward(stage: Stage, workshop: Workshop, steps: readonly Step[]): Planned[] {
  let behind = stepsBehind(workshop, steps)
  // Whoever wrote these files may have been killed before anybody had read them. A mesh that was started since has.
  if (stage.mesh.gone && steps[behind - 1]?.actions.some(({ name }) => actsOnMesh(name))) behind--
  return steps.map((step, index) => [
    { step: step.name, does: step.does, direction: 'forward' },
    async () => {
      if (index < behind) return 'already'
      for (const action of step.actions) {
        stage.signal?.throwIfAborted()
        await writeFiles(stage, await filesOf(workshop, action))
        await performLive(stage, action)
      }
      return 'done'
    },
  ])
}

/** Whoever watches a file reads it without us. */
const actsOnMesh = (name: Action['name']): boolean => !findAction(name)!.files && name !== 'await-reread'

function wayBack(stage: Stage, workshop: Workshop, steps: readonly Step[]): Planned[] {
  return stepsBack(workshop, steps).map(phase => {
    const first = phase[0]!
    return [
      { step: first.name, does: `Takes back: ${first.does}`, direction: 'back' },
      async () => {
        const actions: Action[] = phase.flatMap(step => step.actions)
        for (const action of actions.toReversed()) await writeFiles(stage, filesToUndo(workshop, action))
        for (const action of actions) {
          stage.signal?.throwIfAborted()
          await performLive(stage, action)
        }
        return 'done'
      },
    ]
  })
}

/** What the cluster of this story does not have. */
async function takeAway(mesh: PlayedMesh, bindings: readonly string[]): Promise<void> {
  if (bindings.length === 0) return
  await withAdmin(mesh, async client => {
    for (const name of bindings) {
      const path = `/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/${encodeURIComponent(name)}`
      await (await client.raw({ method: 'DELETE', path, signal: AbortSignal.timeout(10_000) })).text()
    }
  })
}

function troubleOf(error: unknown, options: RehearseOptions): Pick<StepResult, 'error' | 'fix'> {
  if ((error as { name?: string })?.name === 'AbortError') return { error: 'it was interrupted', fix: goOn(options) }
  const disk = diskTrouble(error)
  if (disk) return { error: `${options.mesh.dir}: ${disk.what} (${messageOf(error)})`, fix: goOn(options, disk.fix) }
  const [, fix, nothing = ''] = /^(.*?)(; nothing was changed)?$/s.exec((error as TrustplaneError).fix ?? '')!
  return { error: `${messageOf(error)}${nothing}`, fix: goOn(options, fix) }
}

function goOn({ mesh, rehearsal }: RehearseOptions, first?: string): string {
  const where = `trustplane rehearse ${rehearsal.name} --dir ${mesh.dir}`
  const then = first ? `${first}; then ` : ''
  return `${then}go on with \`${where} --resume\`, or take everything back with \`${where} --rollback\``
}

/** What traffic saw, with whose certificates were shown: by the handshake where there was one, else by what is in memory. */
function rowStates(workshop: Workshop, loaded: Loaded): (traffic: RowTraffic) => RowState {
  const generations = rowGenerations(workshop, loaded)
  return ({ row, requests, retried, failed, failure, well }) => {
    const { on, trusts } = generations(row)
    const isBroken = !well
    return {
      from: row.from,
      to: row.to,
      on,
      trusts,
      state: isBroken ? 'failed' : 'ok',
      requests,
      retried,
      failed,
      ...(failure ? { client: failure.client, notice: row.notice } : {}),
      ...(failure?.server ? { server: failure.server } : {}),
      ...(failure?.refusedBy ? { refusedBy: failure.refusedBy } : {}),
    }
  }
}
