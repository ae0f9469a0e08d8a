/** A mesh that runs: its components, what is known of its connections, and how to stop it. `startMesh` makes one. */
import { EventEmitter } from 'node:events'
import { rm } from 'node:fs/promises'
import { diskTrouble, messageOf, nearest, TrustplaneError } from '#errors.ts'
import type { Voice } from '#x509/types.ts'
import { bootstrap } from './bootstrap-client.ts'
import { connectionNames, connections, type DialledBy, type Dialling, findConnection } from './connections.ts'
import { etcdMembersOf, inDir, type Layout } from './layout.ts'
import { type Member, stopInOrder } from './member.ts'
import { ownersOf } from './owners.ts'
import { type Prediction, predict } from './predict.ts'
import { type ProbeOptions, type ProbeResult, probe } from './probe.ts'
import type { AuthorityName, CertificateName, Rotation } from './rotate.ts'
import { type MeshState, removeState, writeState } from './state.ts'
import { type ConnectionStatus, readStatus } from './status.ts'

export interface MeshParts {
  layout: Layout
  members: readonly Member[]
  state: MeshState
  voice: Voice
  /** Components that are real programs, of another Go than the others. */
  voices: Readonly<Record<string, Voice>>
  /** By component, in milliseconds; read whenever one is started. */
  clockOffsets: Record<string, number>
  /** Gives ports back. */
  release(): void
  /** The directory was made for this mesh, and goes with it. */
  temporary: boolean
}

export class Mesh extends EventEmitter<{ component: [Member] }> {
  readonly layout: Layout
  readonly members: readonly Member[]
  readonly voice: Voice
  /** Set by who knows the order in which it is done (rehearsals/). */
  rotateAuthority: ((authority: string) => Promise<Rotation>) | undefined
  #state: MeshState
  #parts: MeshParts
  #stopping: Promise<void> | undefined
  #retry: NodeJS.Timeout | undefined
  #persisting: NodeJS.Timeout | undefined

  constructor(parts: MeshParts) {
    super()
    this.#parts = parts
    this.layout = parts.layout
    this.members = parts.members
    this.voice = parts.voice
    this.#state = parts.state
    for (const member of this.members) {
      member.on('change', () => {
        if (!this.#stopping) this.#persist()
        this.emit('component', member)
      })
    }
    this.#persist()
  }

  get dir(): string {
    return this.layout.dir
  }

  /** For `KUBECONFIG`: kubernetes-admin's. */
  get kubeconfig(): string {
    return inDir(this.layout, 'admin.conf')
  }

  get state(): MeshState {
    return { ...this.#state, components: this.members.map(member => member.toState()) }
  }

  /** @throws TrustplaneError TP_NAME_UNKNOWN */
  member(id: string): Member {
    const found = this.members.find(member => member.id === id)
    if (found) return found
    throw new TrustplaneError('TP_NAME_UNKNOWN', `this mesh has no component ${JSON.stringify(id)}`, {
      fix: `it has ${this.members.map(member => member.id).join(', ')}`,
    })
  }

  /** How far a component's clock is off the system's. */
  clockOffsetOf(component: string): number {
    return this.#state.clockOffsetMs + (this.#parts.clockOffsets[component] ?? 0)
  }

  /** How far a component's clock is off the others', from its next start on. */
  setClockOffset(component: string, offsetMs: number): void {
    this.#parts.clockOffsets[component] = offsetMs
  }

  /** Puts clocks forward (or back) while everything runs: one component's, or everybody's. */
  advanceClock(byMs: number, component?: string): void {
    const { clockOffsets } = this.#parts
    if (component === undefined) this.#state.clockOffsetMs += byMs
    else clockOffsets[component] = (clockOffsets[component] ?? 0) + byMs
    for (const member of this.members) {
      member.setClock(this.clockOffsetOf(member.component))
    }
    this.#persist()
  }

  /** What both ends of every row last saw. */
  status(): ConnectionStatus[] {
    return readStatus(this.dir, {
      since: this.#state.startedAt,
      ownerOf: ownersOf(this.layout),
      members: etcdMembersOf(this.layout),
    })
  }

  /**
   * What both ends of one row last saw.
   * @example
   * const { outcome, refusedBy, reason } = mesh.connection('kube-apiserver', 'etcd')
   * @throws TrustplaneError TP_NAME_UNKNOWN, with the nearest row
   */
  connection<From extends Dialling>(from: From, to: DialledBy<From>): ConnectionStatus {
    const found = this.status().find(row => row.from === from && row.to === to)
    if (found) return found
    const near = nearest(`${from} -> ${to}`, connectionNames)
    throw new TrustplaneError('TP_NAME_UNKNOWN', `there is no connection ${JSON.stringify(`${from} -> ${to}`)}`, {
      fix: near ? `did you mean ${near}?` : `known: ${connectionNames.join(', ')}`,
    })
  }

  /**
   * Issues certificates (or kubeconfigs) anew, with new keys and by the same authority, and starts again what does not read them by
   * itself: when it resolves, every component shows the new ones.
   * An authority is replaced in the documented order, by the rehearsal of it (trust both, issue anew, trust the new one); the mesh has to
   * be one in which every trust slot has a file of its own: `startMesh({ changes: { ownTrustFiles: true } })`.
   * @example
   * await mesh.rotate('apiserver')
   * await mesh.rotate(['scheduler.conf', 'apiserver-etcd-client'])
   * await mesh.rotate({ authority: 'etcd-ca' })
   * @throws TrustplaneError TP_NAME_UNKNOWN and TP_USAGE (nothing is issued then), TP_TIMEOUT, TP_REHEARSAL_STOPPED
   */
  async rotate(what: CertificateName | readonly CertificateName[] | { authority: AuthorityName }): Promise<Rotation> {
    if (typeof what === 'object' && 'authority' in what) {
      if (this.rotateAuthority) return this.rotateAuthority(what.authority)
      throw new TrustplaneError('TP_USAGE', 'this mesh does not know how to replace an authority', {
        fix: "start it with the library's startMesh",
      })
    }
    const { rotateLeaves } = await import('./rotate.ts')
    return rotateLeaves(this, [what].flat())
  }

  /** What the files say will happen, now. */
  predict(): Prediction[] {
    const known = this.members.filter(({ state }) => state !== 'starting').toReversed()
    return predict(this.layout, {
      // nodes after the first are no rows of the table: theirs come first and give way
      runs: Object.fromEntries(
        known.flatMap(({ id, component, state }) => [component, id].map(name => [name, state === 'running'])),
      ),
      now: new Date(Date.now() + this.#state.clockOffsetMs),
      voice: this.voice,
      voices: this.#parts.voices,
      clockOffsets: this.#parts.clockOffsets,
    })
  }

  /** Dials rows afresh: all of them, or those named. */
  probe(
    rows: readonly { from: string; to: string }[] = connections,
    options: Pick<ProbeOptions, 'timeoutMs'> = {},
  ): Promise<ProbeResult[]> {
    return probe(this.layout, {
      ...options,
      rows: rows.flatMap(({ from, to }) => findConnection(from, to) ?? []),
      voice: this.voice,
      voices: this.#parts.voices,
      clockOffsetMs: this.#state.clockOffsetMs,
      clockOffsets: this.#parts.clockOffsets,
    })
  }

  /**
   * Applies what `kubeadm init` would. Where that fails (nobody gets through to the apiserver) it is tried again in the
   * background until it is done: on a real cluster the objects were there before anything broke.
   */
  async bootstrap(onProgress?: (line: string) => void): Promise<void> {
    const apply = () => bootstrap({ layout: this.layout, clockOffsetMs: this.#state.clockOffsetMs, voice: this.voice })
    const again = (delayMs: number) => {
      this.#retry = setTimeout(() => {
        apply().catch(() => {
          if (!this.#stopping) again(Math.min(delayMs * 2, 5000))
        })
      }, delayMs).unref()
    }
    try {
      await apply()
    } catch (error) {
      onProgress?.(`kubeadm's objects are not all there yet: ${messageOf(error)}`)
      again(200)
    }
  }

  /** Leaves no process and no port behind. May be called again. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #stop(): Promise<void> {
    clearTimeout(this.#retry)
    clearTimeout(this.#persisting)
    await stopInOrder(this.members)
    this.#parts.release()
    removeState(this.dir)
    if (this.#parts.temporary) await rm(this.dir, { recursive: true, force: true })
  }

  /** On a full disk the file stays as it was until there is room: the mesh goes on meanwhile. */
  #persist(): void {
    clearTimeout(this.#persisting)
    try {
      writeState(this.dir, this.state)
    } catch (error) {
      if (!diskTrouble(error)) throw error
      this.#persisting = setTimeout(() => {
        if (!this.#stopping) this.#persist()
      }, 1000).unref()
    }
  }
}
