/** A rehearsal on a mesh that runs: step after step under traffic, with the state of every connection after each. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { offsetClock } from '#clock.ts'
import { messageOf, TrustplaneError } from '#errors.ts'
import type { Member } from '#mesh/member.ts'
import type { Mesh } from '#mesh/mesh.ts'
import { writeTogether } from '#pki/atomic-write.ts'
import { filesOf, filesToUndo, type Workshop } from './files.ts'
import { rowGenerations } from './generations.ts'
import { performLive, type Stage, startPods, withAdmin, writeFiles } from './live.ts'
import { Loaded } from './loaded.ts'
import { type OrderOptions, stepsBack, stepsBehind, stepsInOrder } from './order.ts'
import { type RehearsalResult, resultOf } from './result.ts'
import { copiesOf, storeOf, wasBegun } from './store.ts'
import { type RowTraffic, Traffic } from './traffic.ts'
import type { Action, Rehearsal, RowState, Step, StepResult } from './types.ts'

export interface RehearseOptions extends OrderOptions {
  mesh: Mesh
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
  const { mesh, rehearsal, rate = 200, timeLimitMs = 10_000, signal, onProgress = () => {} } = options
  const workshop: Workshop = { dir: mesh.dir, rehearsal, clock: offsetClock(mesh.state.clockOffsetMs) }
  const steps = stepsInOrder(rehearsal, options)
  const isBegun = wasBegun(mesh.dir, rehearsal)
  if (isBegun && !options.resume && !options.rollback) {
    throw new TrustplaneError('TP_REHEARSAL_STOPPED', `${rehearsal.name} was begun in ${mesh.dir} before`, {
      fix: `go on with --resume, take it back with --rollback, or begin again once ${storeOf(rehearsal)}/ is removed`,
    })
  }
  if (!isBegun && options.rollback) {
    throw new TrustplaneError('TP_REHEARSAL_STOPPED', `${rehearsal.name} was not begun in ${mesh.dir}`, {
      fix: 'there is nothing to take back',
    })
  }
  await writeTogether(mesh.dir, copiesOf(mesh.dir, rehearsal))
  if (!isBegun) await takeAway(mesh, rehearsal.without)
  mkdirSync(join(mesh.dir, storeOf(rehearsal)), { recursive: true, mode: 0o700 })
  const loaded = new Loaded(mesh.layout, join(mesh.dir, storeOf(rehearsal), 'loaded'))
  const traffic = new Traffic({ loaded, dir: mesh.dir, rate, timeLimitMs, voice: mesh.voice, clock: workshop.clock })
  const stage: Stage = { mesh, loaded, traffic, unread: new Map(), ...(signal ? { signal } : {}) }
  const results: StepResult[] = []
  let died: string[] = []
  // the kubelet starts a static pod again that has ended, and then it reads its files, too
  const watch = (member: Member) => {
    if (member.state === 'dead') died.push(`${member.id} ${member.words ?? 'ended'}`)
    if (member.state === 'running' && member.restarts > 0) loaded.started(member.component)
  }
  mesh.on('component', watch)
  const run = async (
    named: Pick<StepResult, 'step' | 'does' | 'direction'>,
    work: () => Promise<StepResult['outcome']>,
  ): Promise<StepResult> => {
    const began = performance.now()
    traffic.reset()
    died = []
    onProgress(`${named.step}: ${named.does}`)
    let outcome: StepResult['outcome']
    let trouble: Pick<StepResult, 'error' | 'fix'> = {}
    try {
      signal?.throwIfAborted()
      outcome = await work()
    } catch (error) {
      outcome = 'stopped'
      trouble = troubleOf(error, options)
    }
    const rows = (await traffic.take()).map(rowStates(workshop, loaded))
    const seconds = (performance.now() - began) / 1000
    const result: StepResult = { ...named, outcome, ...trouble, died, rows, seconds, predicted: false }
    results.push(result)
    options.onStep?.(result)
    return result
  }
  try {
    await startPods(stage)
    traffic.start()
    const does = isBegun ? 'What earlier runs left here.' : 'Nothing has been done: what there is.'
    await run({ step: 'before', does, direction: 'forward' }, async () => 'done')
    const plan = options.rollback ? wayBack(stage, workshop, steps) : wayForward(stage, workshop, steps)
    for (const [named, work] of plan) {
      const { outcome } = await run(named, work)
      if (outcome === 'stopped') break
    }
  } finally {
    mesh.off('component', watch)
    await traffic.stop()
    loaded.close()
  }
  return resultOf(rehearsal, results)
}

type Planned = [named: Pick<StepResult, 'step' | 'does' | 'direction'>, work: () => Promise<StepResult['outcome']>]

function wayForward(stage: Stage, workshop: Workshop, steps: readonly Step[]): Planned[] {
  const behind = stepsBehind(workshop, steps)
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
async function takeAway(mesh: Mesh, bindings: readonly string[]): Promise<void> {
  if (bindings.length === 0) return
  await withAdmin(mesh, async client => {
    for (const name of bindings) {
      const path = `/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/${encodeURIComponent(name)}`
      await (await client.raw({ method: 'DELETE', path, signal: AbortSignal.timeout(10_000) })).text()
    }
  })
}

function troubleOf(error: unknown, { mesh, rehearsal }: RehearseOptions): Pick<StepResult, 'error' | 'fix'> {
  const isAborted = (error as { name?: string })?.name === 'AbortError'
  const own = error instanceof TrustplaneError && error.fix ? `${error.fix}; then ` : ''
  const where = `trustplane rehearse ${rehearsal.name} --dir ${mesh.dir}`
  return {
    error: isAborted ? 'it was interrupted' : messageOf(error),
    fix: `${own}go on with \`${where} --resume\`, or take everything back with \`${where} --rollback\``,
  }
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
