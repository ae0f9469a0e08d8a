/** A mesh that `trustplane up` started, for a rehearsal: components are started again by its launcher, and its state file tells what dies. */
import { EventEmitter } from 'node:events'
import { existsSync, type FSWatcher, watch } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { offsetClock } from '#clock.ts'
import { TrustplaneError } from '#errors.ts'
import { argvOf } from '#mesh/argv.ts'
import { askToRestart, takesRequests } from '#mesh/control.ts'
import type { Layout } from '#mesh/layout.ts'
import { layoutOf } from '#mesh/open.ts'
import { writeConfigurations } from '#mesh/prepare.ts'
import { type ComponentState, type MeshState, requireRunning, runningState } from '#mesh/state.ts'
import { recover } from '#pki/atomic-write.ts'
import { createPki } from '#pki/create.ts'
import { withLock } from '#pki/lock.ts'
import { recordedPlan } from '#pki/plan-record.ts'
import { claimRehearsal } from './claim.ts'
import { fitted } from './fit.ts'
import type { PlayedMember, PlayedMesh, Preparation } from './played-mesh.ts'
import { wasBegun } from './store.ts'
import type { Rehearsal } from './types.ts'

/**
 * Gives every bundle a file of its own there, where the plan does not: nothing else is written, and nothing restarted yet.
 * @throws TrustplaneError TP_NOT_RUNNING, TP_REHEARSAL_STOPPED when it does not fit, TP_PKI_EXISTS
 */
export async function openRunning(rehearsal: Rehearsal, dir: string): Promise<RunningMesh> {
  const state = requireRunning(dir)
  refuse(dir, state)
  const release = claimRehearsal(dir)
  try {
    await withLock(dir, () => recover(dir))
    const plan = await recordedPlan(resolve(dir))
    await fitted(rehearsal, plan, dir)
    if (!plan.ownTrustFiles) {
      if (wasBegun(dir, rehearsal)) throw changedMeanwhile(rehearsal, dir)
      const clock = offsetClock(state.clockOffsetMs)
      await createPki({ plan, dir: resolve(dir), overrides: { ownTrustFiles: true }, clock })
    }
    const layout = await layoutOf(dir, state)
    await writeConfigurations(layout)
    return new RunningMesh(layout, state, release)
  } catch (error) {
    release()
    throw error
  }
}

/** @throws TrustplaneError */
function refuse(dir: string, state: MeshState): void {
  const stopped = (message: string) =>
    new TrustplaneError('TP_REHEARSAL_STOPPED', `${message}; nothing was changed`, {
      fix: 'start another with `trustplane up --dir …`, or leave --dir out: a control plane is made for the time',
    })
  if (state.bootstrap) {
    throw stopped(`the nodes of the mesh in ${dir} get their certificates by CSR, and no step of a rehearsal does that`)
  }
  if (existsSync(join(dir, 'drill.json'))) throw stopped(`a drill is under way in ${dir}`)
  if (takesRequests(dir)) return
  throw new TrustplaneError(
    'TP_NOT_RUNNING',
    `the mesh in ${dir} takes no requests, and some steps restart components`,
    {
      fix: 'wait until `trustplane up` has shown its table; one that a program started is rehearsed on by that program',
    },
  )
}

const changedMeanwhile = ({ name }: Rehearsal, dir: string) =>
  new TrustplaneError(
    'TP_REHEARSAL_STOPPED',
    `${name} was begun in ${dir}, and since then \`up\` has put it on a plan without bundles of their own`,
    {
      fix: `when it was brought to its end, remove ${dir}/rehearsals/${name}/; else stop the mesh, and go on with --resume, which starts one`,
    },
  )

export class RunningMesh extends EventEmitter<{ component: [PlayedMember] }> implements PlayedMesh {
  readonly layout: Layout
  readonly members: readonly RunningMember[]
  readonly preparation?: Preparation
  #state: MeshState
  readonly #release: () => void
  readonly #watcher: FSWatcher

  constructor(layout: Layout, state: MeshState, release: () => void) {
    super()
    this.layout = layout
    this.#state = state
    this.#release = release
    this.members = state.components.map(its => new RunningMember(layout, its))
    const stale = this.members.filter(member => member.argv.join('\0') !== argvOf(layout, member).join('\0'))
    if (stale.length > 0) this.preparation = { does: splitting, restarts: inOrder(this.members, stale) }
    this.#watcher = watch(layout.dir, (_, name) => {
      if (name === 'mesh.json') this.#look()
    })
  }

  get dir(): string {
    return this.layout.dir
  }

  get voice(): PlayedMesh['voice'] {
    return this.#state.voice as PlayedMesh['voice']
  }

  get state(): MeshState {
    return this.#state
  }

  gone(): { error: string; fix: string } | undefined {
    const { dir } = this
    const state = runningState(dir)
    if (!state) {
      return { error: 'the mesh was stopped meanwhile', fix: 'one is started for the time when none runs' }
    }
    const dead = state.components.filter(one => one.state === 'dead')
    if (dead.length === 0) return undefined
    return {
      error: `${dead.map(({ id }) => id).join(', ')} ended, and nobody starts it again`,
      fix: `\`trustplane restart ${dead.map(({ id }) => id).join(' ')} --dir ${dir}\``,
    }
  }

  /** It goes on without us. */
  close(): void {
    this.#watcher.close()
    this.#release()
  }

  #look(): void {
    const state = runningState(this.dir)
    if (!state) return
    this.#state = state
    for (const member of this.members) {
      const its = state.components.find(({ id }) => id === member.id)
      if (its && member.take(its)) this.emit('component', member)
    }
  }
}

class RunningMember implements PlayedMember {
  readonly id: string
  readonly component: PlayedMember['component']
  readonly node: PlayedMember['node']
  readonly argv: readonly string[]
  readonly #layout: Layout
  #state: ComponentState

  constructor(layout: Layout, state: ComponentState) {
    this.#layout = layout
    this.id = state.id
    this.component = state.component as PlayedMember['component']
    this.node = layout.nodes.find(({ name }) => name === state.node) ?? { name: state.node ?? '', address: layout.host }
    this.argv = state.argv
    this.#state = state
  }

  get state(): PlayedMember['state'] {
    return this.#state.state
  }

  get restarts(): number {
    return this.#state.restarts
  }

  get words(): string | undefined {
    return this.#state.lastWords
  }

  /** True when something has changed. */
  take(state: ComponentState): boolean {
    const isOther = state.state !== this.#state.state || state.restarts !== this.#state.restarts
    this.#state = state
    return isOther
  }

  /** Resolves when it serves again, or has died. */
  async restart(argv: readonly string[] = argvOf(this.#layout, this)): Promise<void> {
    this.#state = await askToRestart(this.#layout.dir, this.id, { argv })
  }

  async settled(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const deadline = performance.now() + timeoutMs
    while (this.state === 'starting' && performance.now() < deadline && !signal?.aborted) {
      await pause(50)
      const its = runningState(this.#layout.dir)?.components.find(({ id }) => id === this.id)
      if (its) this.#state = its
    }
  }
}

const splitting =
  'Gives every bundle a file of its own, trust/NAME.crt, and starts what names one with it: pki/ca.crt, which signs, must hold one CA, and what is trusted will have to hold two.'

/**
 * Kubelets have theirs in their configuration file and not in their command line: they come first, so that whoever is killed in
 * between begins with them again. The apiserver is last.
 */
function inOrder(members: readonly RunningMember[], stale: readonly RunningMember[]): string[] {
  const kubelets = members.filter(({ component }) => component === 'kubelet')
  const rank = ({ component }: RunningMember) => (component === 'kube-apiserver' ? 1 : 0)
  const others = stale.filter(({ component }) => component !== 'kubelet').toSorted((a, b) => rank(a) - rank(b))
  return [...kubelets, ...others].map(({ id }) => id)
}
