/**
 * A rehearsal from the files alone: the steps are done to a copy of the directory, what each component would have in memory is kept
 * beside it, and every row is predicted from that. A prediction: nothing runs, nothing is dialled, and no file of yours changes.
 */
import { X509Certificate } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type Clock, systemClock } from '#clock.ts'
import { messageOf, TrustplaneError } from '#errors.ts'
import type { Layout } from '#mesh/layout.ts'
import { nodesOf } from '#mesh/layout.ts'
import { defaultPorts } from '#mesh/ports.ts'
import { type Prediction, predict } from '#mesh/predict.ts'
import { createPki } from '#pki/create.ts'
import type { PkiFiles } from '#pki/types.ts'
import { filesOf, filesToUndo, leafPem, type Workshop } from './files.ts'
import { rowGenerations } from './generations.ts'
import { Loaded } from './loaded.ts'
import { type OrderOptions, stepsBack, stepsBehind, stepsInOrder } from './order.ts'
import { type Pod, podRow, predictPod, publicHalf } from './pods.ts'
import { type RehearsalResult, resultOf } from './result.ts'
import { trafficRowsOf } from './rows.ts'
import { copiesOf, storeOf, wasBegun } from './store.ts'
import type { Action, Rehearsal, RowState, Step, StepResult } from './types.ts'

export interface DryRunOptions extends OrderOptions {
  rehearsal: Rehearsal
  /** A directory with a PKI; left out: one as the rehearsal's plan makes it. */
  dir?: string
  clock?: Clock
  rollback?: boolean
  onStep?: (result: StepResult) => void
}

export async function dryRun(options: DryRunOptions): Promise<RehearsalResult> {
  const { rehearsal, clock = systemClock } = options
  // private keys are copied, too
  const dir = mkdtempSync(join(tmpdir(), 'trustplane-dry-'))
  try {
    await furnish(dir, options, clock)
    const workshop: Workshop = { dir, rehearsal, clock }
    const isBegun = wasBegun(dir, rehearsal)
    place(dir, copiesOf(dir, rehearsal))
    const host = '127.0.0.1'
    const layout: Layout = { plan: rehearsal.plan, dir, ports: defaultPorts, host, hosts: {}, nodes: nodesOf(1, host) }
    const loaded = new Loaded(layout, join(dir, storeOf(rehearsal), 'loaded'))
    const stage = { workshop, loaded, bound: new Set(isBegun ? rehearsal.without : []), lost: false }
    loaded.pod = podOf(loaded)
    const results: StepResult[] = []
    const run = async (
      named: Pick<StepResult, 'step' | 'does' | 'direction'>,
      work: () => Promise<StepResult['outcome']>,
    ) => {
      let outcome: StepResult['outcome']
      let trouble: Pick<StepResult, 'error' | 'fix'> = {}
      try {
        outcome = await work()
      } catch (error) {
        outcome = 'stopped'
        const fix = error instanceof TrustplaneError ? error.fix : undefined
        trouble = { error: messageOf(error), ...(fix ? { fix } : {}) }
      }
      const result: StepResult = {
        ...named,
        outcome,
        ...trouble,
        died: [],
        rows: rowsOf(stage),
        seconds: 0,
        predicted: true,
      }
      results.push(result)
      options.onStep?.(result)
      return outcome
    }
    const steps = stepsInOrder(rehearsal, options)
    await run(
      { step: 'before', does: 'Nothing has been done: what there is.', direction: 'forward' },
      async () => 'done',
    )
    const planned = options.rollback ? back(stage, steps) : forward(stage, steps)
    for (const [named, work] of planned) if ((await run(named, work)) === 'stopped') break
    return resultOf(rehearsal, results)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

interface DryStage {
  workshop: Workshop
  loaded: Loaded
  /** ClusterRoleBindings that the story begins without, and that are there by now. */
  bound: Set<string>
  /** The apiserver cannot reach its storage any more: it, or etcd, was started while one refused the other. */
  lost: boolean
}

type Planned = [Pick<StepResult, 'step' | 'does' | 'direction'>, () => Promise<StepResult['outcome']>]

function forward(stage: DryStage, steps: readonly Step[]): Planned[] {
  const { workshop } = stage
  const behind = stepsBehind(workshop, steps)
  return steps.map((step, index) => [
    { step: step.name, does: step.does, direction: 'forward' },
    async () => {
      if (index < behind) return 'already'
      for (const action of step.actions) {
        place(workshop.dir, await filesOf(workshop, action))
        imagine(stage, action)
      }
      return 'done'
    },
  ])
}

function back(stage: DryStage, steps: readonly Step[]): Planned[] {
  const { workshop } = stage
  return stepsBack(workshop, steps).map(phase => [
    { step: phase[0]!.name, does: `Takes back: ${phase[0]!.does}`, direction: 'back' },
    async () => {
      const actions = phase.flatMap(step => step.actions)
      for (const action of actions.toReversed()) place(workshop.dir, filesToUndo(workshop, action))
      for (const action of actions) imagine(stage, action)
      return 'done'
    },
  ])
}

/** What a mesh would do besides. */
function imagine(stage: DryStage, { name, targets }: Action): void {
  const { loaded, bound } = stage
  loaded.reread()
  if (name === 'restart') for (const id of targets.flatMap(target => idsOf(loaded.layout, target))) loaded.started(id)
  if (name === 'apply-ca-bundle') for (const slot of targets) loaded.applied(slot)
  if (name === 'restart-pods') loaded.pod = podOf(loaded)
  if (name === 'renew-tokens') loaded.pod = { ...podOf(loaded), ca: loaded.pod!.ca }
  if (name === 'restart') stage.lost = isStorageLost(stage, targets)
  if (name === 'bind') for (const binding of targets) bound.add(binding)
}

/** `etcd` is every member of it, `etcd@node-1` one. */
function idsOf({ plan: { cluster } }: Layout, target: string): string[] {
  const [component = '', node] = target.split('@')
  const nodes = node ? [node] : component === 'etcd' ? cluster.etcdMembers.map(({ name }) => name) : [cluster.nodeName]
  return nodes.map(name => (name === cluster.nodeName ? component : `${component}@${name}`))
}

/** The PKI that is there, or one as the plan makes it. */
async function furnish(dir: string, { rehearsal, dir: from }: DryRunOptions, clock: Clock): Promise<void> {
  if (from !== undefined && existsSync(join(from, 'pki'))) {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    const isRunning = (path: string) => /\/(connections|logs|etcd-data|loaded)$|\/(mesh\.json|\.pki-lock)$/.test(path)
    cpSync(from, dir, { recursive: true, filter: path => !isRunning(path) })
    if (wasBegun(dir, rehearsal)) return
  }
  await createPki({ plan: rehearsal.plan, dir, clock })
}

/** A copy that is thrown away need not outlive a crash. */
function place(dir: string, files: PkiFiles): void {
  for (const [path, { content, mode }] of files) {
    mkdirSync(dirname(join(dir, path)), { recursive: true, mode: 0o700 })
    writeFileSync(join(dir, path), content, { mode })
  }
}

function rowsOf(stage: DryStage): RowState[] {
  const { workshop, loaded } = stage
  const generations = rowGenerations(workshop, loaded)
  const all = trafficRowsOf(loaded.layout)
  return predictions(stage).map(({ from, to, outcome, refusedBy, message }) => {
    const row = all.find(one => one.from === from && one.to === to)!
    const isBroken = outcome !== 'ok'
    return {
      from,
      to,
      ...generations(row),
      state: isBroken ? 'failed' : 'ok',
      requests: 0,
      retried: 0,
      failed: 0,
      ...(isBroken ? { notice: row.notice } : {}),
      ...(message ? { [refusedBy ?? 'client']: message } : {}),
      ...(refusedBy ? { refusedBy } : {}),
    }
  })
}

/** What a pod that starts now is given: by the controller-manager, which read the CA at its start, and by the apiserver. */
const podOf = (loaded: Loaded): Pod => ({
  ca: loaded.text('trust/kube-controller-manager.root-ca.crt'),
  tokenKey: publicHalf(loaded.text('pki/sa.key')),
})

/** A connection that is there outlives a change; one that is made anew does not. */
function isStorageLost(stage: DryStage, started: readonly string[]): boolean {
  if (!started.some(name => /^(etcd|kube-apiserver)(@|$)/.test(name))) return stage.lost
  return rowPredictions(stage)
    .filter(({ from, to }) => from === 'kube-apiserver' && /^etcd(@|$)/.test(to))
    .every(({ outcome }) => outcome !== 'ok')
}

function predictions(stage: DryStage): Prediction[] {
  const { lost, workshop, loaded } = stage
  const pod = predictPod({
    pod: loaded.pod!,
    chain: loaded.text('pki/apiserver.crt'),
    verificationKeys: loaded.text('pki/sa.pub'),
    host: loaded.layout.host,
    now: workshop.clock.now(),
  })
  return [...rowPredictions(stage), pod].map(row =>
    lost && row.to === podRow.to
      ? { from: row.from, to: row.to, outcome: 'unreachable', reason: 'unreachable', message: 'connection refused' }
      : row,
  )
}

function rowPredictions({ workshop, loaded, bound }: DryStage): Prediction[] {
  const { rehearsal, clock } = workshop
  const rows = trafficRowsOf(loaded.layout).filter(row => row !== podRow)
  const all = predict(loaded.layout, { now: clock.now(), rows, runs: { 'kube-apiserver': true } })
  const isUnbound = rehearsal.without.some(name => !bound.has(name))
  const leaf = leafPem(loaded.layout.dir, rehearsal.plan, 'apiserver-kubelet-client')
  if (!isUnbound || !leaf || /(^|\n)O=/.test(new X509Certificate(leaf).subject)) return all
  // kubernetes/kubeadm#3310: the user has no rights of its own before the binding is there
  return all.map(row =>
    row.from === 'kube-apiserver' && row.to === 'kubelet' && row.outcome === 'ok'
      ? {
          ...row,
          outcome: 'refused',
          refusedBy: 'server',
          layer: 'authorization',
          reason: 'forbidden',
          message: 'Forbidden (user=kube-apiserver-kubelet-client, verb=get, resource=nodes, subresource(s)=[proxy])',
        }
      : row,
  )
}
