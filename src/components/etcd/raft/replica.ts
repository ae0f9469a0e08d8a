/**
 * One member's part in the replicated store: what clients ask of any member goes to whoever leads, is answered when it is applied
 * here, and is on the disks of a majority by then. Reads wait until this member has seen all that was answered anywhere before.
 */
import { randomBytes } from 'node:crypto'
import { TrustplaneError } from '#errors.ts'
import { decodeSnapshot, encodeSnapshot } from '../disk/codec.ts'
import { etcdError } from '../errors.ts'
import type { Entry, Journal, SnapshotData } from '../journal.ts'
import type { LogEntry, Message } from './messages.ts'
import { type HardState, type Kept, Raft, type RaftOptions } from './raft.ts'

/** etcd's ReqTimeout is 5 s and two election timeouts. */
const requestMs = 5000

export interface ReplicaOptions
  extends Pick<RaftOptions, 'self' | 'others' | 'isFirst' | 'heartbeatMs' | 'electionMs' | 'keptEntries' | 'send'> {
  apply(entry: Entry): unknown
  takeSnapshot(): SnapshotData
  restore(data: SnapshotData): void
  /** Who leads now; undefined: nobody. */
  onLeader(leader: string | undefined, term: number): void
  /** There has been no leader for so long that watches must not go on as if nothing was. */
  onLost(): void
  keepAlive(lease: bigint): number
}

interface Waiting {
  resolve(answer: unknown): void
  reject(error: unknown): void
}

export class Replica {
  readonly raft: Raft
  readonly #options: ReplicaOptions
  readonly #waiting = new Map<string, Waiting>()
  readonly #stopped = new AbortController()
  #journal: Journal | undefined
  /** Tags are this process's: an entry of an earlier one has nobody who waits. */
  readonly #prefix = randomBytes(6).toString('hex')
  #proposals = 0
  #reading: Promise<number> | undefined
  #nextReading: Promise<number> | undefined
  #lost: NodeJS.Timeout | undefined
  leaderChanges = 0

  constructor(options: ReplicaOptions) {
    this.#options = options
    this.raft = new Raft({
      ...options,
      persist: what => this.#persist(what),
      apply: entry => this.#apply(entry),
      takeSnapshot: () => [...encodeSnapshot(this.#snapshot())],
      restore: payloads => options.restore(decodeSnapshot(payloads)!),
      onLeader: leader => this.#onLeader(leader),
    })
  }

  /** @throws TrustplaneError TP_DATA_DIR_INVALID for what a cluster of one left */
  async recover(journal: Journal): Promise<void> {
    const found = await journal.load()
    let state: HardState = { term: 0, vote: undefined }
    let { snapshot } = found
    let entries: LogEntry[] = [...(snapshot?.raftRest ?? [])]
    state = snapshot?.raftState ?? state
    for (const { raft } of found.entries) {
      if (!raft) throw otherCluster('of a cluster of one')
      if (raft.state) state = raft.state
      if (raft.entry) entries.push(raft.entry)
      const installed = raft.snapshot && decodeSnapshot(raft.snapshot.payloads)
      // one that was on its way when the data directory's own was taken is in that
      if (installed && installed.raftIndex > (snapshot?.raftIndex ?? 0)) {
        snapshot = installed
        entries = []
      }
    }
    if (snapshot) {
      if (snapshot.raftTerm === undefined) throw otherCluster('of a cluster of one')
      this.#options.restore(snapshot)
    }
    this.raft.recover(state, entries, snapshot && { index: snapshot.raftIndex, term: snapshot.raftTerm! })
    this.#journal = journal
    journal.onSnapshotDue(() => ({
      ...this.#snapshot(),
      raftState: this.raft.state,
      // what is not applied yet, and may be on no other member's disk
      raftRest: this.raft.log.from(this.raft.applied + 1, Number.POSITIVE_INFINITY),
    }))
  }

  /** Resolves when somebody leads and this member has what was committed by then, or when that takes longer than an election. */
  async start(): Promise<void> {
    this.raft.start()
    const signal = AbortSignal.any([AbortSignal.timeout(2 * this.#options.electionMs), this.#stopped.signal])
    try {
      await this.#catchUp(signal)
    } catch {
      // it serves, and says that there is no leader
    }
  }

  /** Leadership goes to another; requests are still answered. */
  leave(): Promise<void> {
    return this.raft.leave()
  }

  /** Resolves when nobody waits for an answer any more, at the latest after an election timeout. */
  async idle(): Promise<void> {
    const signal = AbortSignal.timeout(this.#options.electionMs)
    while ((this.#waiting.size > 0 || this.#reading) && !signal.aborted) await this.raft.changed(signal)
    // their answers are on their way
    await new Promise(resolve => setImmediate(resolve))
  }

  async stop(): Promise<void> {
    await this.raft.stop()
    this.#stopped.abort()
    clearTimeout(this.#lost)
    // they may have been taken all the same
    for (const { reject } of this.#waiting.values()) reject(etcdError('timeout'))
    this.#waiting.clear()
    await this.#journal?.close()
  }

  async handle(message: Message) {
    if (message.type !== 'keep-alive') return this.raft.handle(message)
    const { isLeader, term } = this.raft
    return { term, ok: isLeader, ...(isLeader ? { ttl: this.#options.keepAlive(message.lease) } : {}) }
  }

  /** Resolves with what applying it here gave, or rejects with why it was refused. */
  propose<T>(entry: Entry): Promise<T> {
    const tag = `${this.#prefix}-${++this.#proposals}`
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => end(() => reject(this.#failure())), this.#requestMs).unref()
      const end = (then: () => void) => {
        clearTimeout(timer)
        if (this.#waiting.delete(tag)) then()
      }
      this.#waiting.set(tag, {
        resolve: answer => end(() => resolve(answer as T)),
        reject: error => end(() => reject(error)),
      })
      this.#deliver(tag, entry).catch(error => end(() => reject(error)))
    })
  }

  /** Resolves when a read here sees everything that was answered anywhere before. */
  async readable(): Promise<void> {
    const signal = this.#deadline()
    // one that is under way may have asked too early
    if (!this.#reading && !this.#nextReading) {
      this.#reading = this.#readIndex(signal).finally(() => {
        this.#reading = undefined
      })
    } else if (!this.#nextReading) {
      this.#nextReading = Promise.resolve(this.#reading)
        .catch(() => {})
        .then(() => {
          this.#reading = this.#nextReading
          this.#nextReading = undefined
          return this.#readIndex(signal)
        })
        .finally(() => {
          this.#reading = undefined
        })
    }
    const index = await (this.#nextReading ?? this.#reading!)
    await this.#applied(index, signal)
  }

  async keepAlive(lease: bigint): Promise<number> {
    const signal = this.#deadline()
    for (;;) {
      const answer = await this.#askLeader({ type: 'keep-alive', lease }, signal)
      if (answer?.ok) return answer.ttl ?? 0
      await this.#pause(signal)
    }
  }

  get hasLeader(): boolean {
    return this.raft.leader !== undefined
  }

  get #requestMs(): number {
    return requestMs + 2 * this.#options.electionMs
  }

  #deadline = (): AbortSignal => AbortSignal.any([AbortSignal.timeout(this.#requestMs), this.#stopped.signal])

  async #deliver(tag: string, entry: Entry): Promise<void> {
    const signal = this.#deadline()
    for (;;) {
      const answer = await this.#askLeader({ type: 'propose', tag, entry }, signal)
      if (answer?.ok) return
      await this.#pause(signal)
    }
  }

  async #readIndex(signal: AbortSignal): Promise<number> {
    for (;;) {
      const answer = await this.#askLeader({ type: 'read-index' }, signal)
      if (answer?.ok) return answer.index!
      await this.#pause(signal)
    }
  }

  async #applied(index: number, signal: AbortSignal): Promise<void> {
    while (this.raft.applied < index) {
      if (signal.aborted) throw this.#failure()
      await this.raft.changed(signal)
    }
  }

  async #catchUp(signal: AbortSignal): Promise<void> {
    while (!this.hasLeader && !signal.aborted) await this.raft.changed(signal)
    await this.#applied(await this.#readIndex(signal), signal)
  }

  /** Undefined: it was not taken, by nobody. A message that may have been is not sent again: then the client is told that it took too long. */
  async #askLeader(message: Message, signal: AbortSignal) {
    await this.#awaitLeader(signal)
    const { leader } = this.raft
    if (leader === this.#options.self) return this.handle(message)
    try {
      return await this.#options.send(leader!, message)
    } catch (error) {
      const { neverSent = false, refused = false } = error as { neverSent?: boolean; refused?: boolean }
      // a leader that will not have this member is none to it
      if (refused) throw etcdError('noLeader')
      if (neverSent || message.type !== 'propose') return undefined
      return { term: this.raft.term, ok: true }
    }
  }

  /** A leader is awaited as long as an election may take. @throws EtcdError noLeader */
  async #awaitLeader(signal: AbortSignal): Promise<void> {
    const soon = AbortSignal.any([signal, AbortSignal.timeout(3 * this.#options.electionMs)])
    while (!this.hasLeader) {
      if (soon.aborted) throw this.#failure()
      await this.raft.changed(soon)
    }
  }

  /** Until something changes, or a moment has passed. */
  async #pause(signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw this.#failure()
    await this.raft.changed(AbortSignal.any([signal, AbortSignal.timeout(this.#options.heartbeatMs)]))
  }

  #failure() {
    if (this.#stopped.signal.aborted) return etcdError('stopped')
    return etcdError(this.hasLeader ? 'timeout' : 'noLeader')
  }

  #apply({ tag, entry }: LogEntry): void {
    const waiting = tag === undefined ? undefined : this.#waiting.get(tag)
    if (!entry) return
    try {
      const answer = this.#options.apply(entry)
      waiting?.resolve(answer)
    } catch (refused) {
      // by every member alike
      waiting?.reject(refused)
    }
  }

  #onLeader(leader: string | undefined): void {
    if (leader !== undefined) this.leaderChanges++
    this.#options.onLeader(leader, this.raft.term)
    clearTimeout(this.#lost)
    // etcd's maxNoLeaderCnt: three election timeouts
    if (leader === undefined && !this.#stopped.signal.aborted) {
      this.#lost = setTimeout(() => this.#options.onLost(), 3 * this.#options.electionMs).unref()
    }
  }

  #snapshot(): SnapshotData {
    const { raft } = this
    const raftTerm = raft.log.termAt(raft.applied)!
    return { ...this.#options.takeSnapshot(), raftIndex: raft.applied, raftTerm }
  }

  async #persist(what: Kept): Promise<void> {
    if ('state' in what) await this.#append({ state: what.state })
    else if ('snapshot' in what) await this.#append({ snapshot: { payloads: what.snapshot } })
    else await Promise.all(what.entries.map(entry => this.#append({ entry })))
  }

  #append(raft: NonNullable<Entry['raft']>): Promise<void> {
    const journal = this.#journal
    if (!journal) return Promise.resolve()
    return new Promise((resolve, reject) => {
      journal.append({ raft }, error => (error ? reject(error) : resolve()))
    })
  }
}

const otherCluster = (whose: string) =>
  new TrustplaneError('TP_DATA_DIR_INVALID', `etcd: --data-dir holds the data ${whose}`, {
    fix: 'give another --data-dir, or start with the members that it is from',
  })
