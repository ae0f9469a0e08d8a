/**
 * Raft, as far as a stand-in needs it: elections with a vote before the vote, replication, commit by majority, leaders that step down
 * when they lose theirs, and leadership that is handed over by one who goes (Ongaro's thesis, §3, §6.2, §9.6, §3.10). Membership
 * is what the flags say. Nothing of it is etcd's wire format: a real member and this one do not mix.
 */
import type { Entry } from '../journal.ts'
import { RaftLog } from './log.ts'
import type { Answer, LogEntry, Message } from './messages.ts'

export interface HardState {
  term: number
  vote?: string | undefined
}

export interface RaftOptions {
  self: string
  others: readonly string[]
  /** It asks for votes as soon as it starts: where nobody leads yet, that spares a timeout. */
  isFirst: boolean
  heartbeatMs: number
  electionMs: number
  send(to: string, message: Message): Promise<Answer>
  /** Resolves when it is on the disk. */
  persist(what: { state: HardState } | { entries: readonly LogEntry[] }): Promise<void>
  apply(entry: LogEntry): void
  /** The state that everything applied so far led to. */
  takeSnapshot(): readonly string[]
  restore(payloads: readonly string[], lastIndex: number, lastTerm: number): Promise<void>
  /** The leader's name, when that changes; undefined: there is none. */
  onLeader(leader: string | undefined): void
}

interface Peer {
  name: string
  next: number
  match: number
  /** When what it last answered was sent to it. */
  heardAt: number
  busy: boolean
  again: boolean
  failures: number
  retryAt: number
}

/** So many entries go with one append. */
const batchEntries = 512
const longestPauseMs = 500

export class Raft {
  readonly log = new RaftLog()
  term = 0
  leader: string | undefined
  commit = 0
  applied = 0
  role: 'follower' | 'candidate' | 'leader' = 'follower'
  readonly #options: RaftOptions
  readonly #peers: readonly Peer[]
  readonly #waiting = new Set<() => void>()
  #vote: string | undefined
  /** When the leader was last heard of. */
  #contactAt = 0
  #timeoutMs = 0
  #tickedAt = 0
  #startedAt = 0
  /** Of its own entries, those that are on its disk. */
  #persisted = 0
  /** The leader's first entry: what was committed before it is known once this one is. */
  #firstOwn = 0
  #handingOver = false
  #leaving = false
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(options: RaftOptions) {
    this.#options = options
    this.#peers = options.others.map(name => ({
      name,
      next: 1,
      match: 0,
      heardAt: 0,
      busy: false,
      again: false,
      failures: 0,
      retryAt: 0,
    }))
  }

  /** What was on the disk. */
  recover(state: HardState, entries: readonly LogEntry[], snapshot?: { index: number; term: number }): void {
    this.term = state.term
    this.#vote = state.vote
    if (snapshot) {
      this.log.reset(snapshot.index, snapshot.term)
      this.commit = this.applied = snapshot.index
    }
    for (const entry of entries) if (entry.index > this.log.baseIndex) this.log.put(entry)
    this.#persisted = this.log.lastIndex
  }

  start(): void {
    this.#hear()
    this.#tickedAt = this.#startedAt = performance.now()
    this.#timer = setInterval(() => this.#tick(), this.#options.heartbeatMs).unref()
    if (this.#options.isFirst) void this.#campaign()
  }

  /** Whoever leads hands over first, so that nobody has to wait for a timeout. Nobody hands over to this one any more. */
  async leave(): Promise<void> {
    this.#leaving = true
    await this.handOver()
  }

  async stop(): Promise<void> {
    await this.leave()
    this.#stopped = true
    clearInterval(this.#timer)
    this.#becomeFollower(this.term, undefined)
  }

  get state(): HardState {
    return { term: this.term, vote: this.#vote }
  }

  /** What is committed now is all that was answered: it leads, and a majority says so. */
  get isCertain(): boolean {
    return this.isLeader && this.commit >= this.#firstOwn && this.#holdsMajority()
  }

  get isLeader(): boolean {
    return this.role === 'leader' && !this.#handingOver
  }

  /** Members that a majority needs, with this one. */
  get #majority(): number {
    return Math.floor((this.#peers.length + 1) / 2) + 1
  }

  /** Resolves when something changed: the leader, the term, what is committed or applied. */
  changed(signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const done = () => {
        this.#waiting.delete(done)
        signal.removeEventListener('abort', done)
        resolve()
      }
      this.#waiting.add(done)
      signal.addEventListener('abort', done)
      if (signal.aborted) done()
    })
  }

  /** The leader takes an entry. @returns false: this one does not lead (any more) */
  propose(tag: string, entry: Entry): boolean {
    if (!this.isLeader) return false
    this.#appendOwn({ index: this.log.lastIndex + 1, term: this.term, tag, entry })
    return true
  }

  /** Where a read must be, so that it sees everything that was answered before; undefined: this one does not lead. */
  async readIndex(signal: AbortSignal): Promise<number | undefined> {
    const { term } = this
    while (this.isLeader && this.term === term && !signal.aborted) {
      if (this.isCertain) return this.commit
      this.#replicateAll()
      await this.changed(signal)
    }
    return undefined
  }

  async handle(message: Message): Promise<Answer> {
    switch (message.type) {
      case 'append':
        return this.#onAppend(message)
      case 'vote':
        return this.#onVote(message)
      case 'snapshot':
        return this.#onSnapshot(message)
      case 'timeout-now':
        if (message.term !== this.term || this.role !== 'follower' || this.#leaving)
          return { term: this.term, ok: false }
        void this.#campaign(true)
        return { term: this.term, ok: true }
      case 'propose':
        return { term: this.term, ok: this.propose(message.tag, message.entry) }
      case 'read-index': {
        const index = await this.readIndex(AbortSignal.timeout(this.#options.electionMs))
        return { term: this.term, ok: index !== undefined, ...(index === undefined ? {} : { index }) }
      }
      default:
        return { term: this.term, ok: false }
    }
  }

  // following

  #hear(): void {
    this.#contactAt = performance.now()
    this.#timeoutMs = this.#options.electionMs * (1 + Math.random())
  }

  #becomeFollower(term: number, leader: string | undefined): void {
    const isNew = term > this.term
    if (isNew) {
      this.term = term
      this.#vote = undefined
    }
    this.role = 'follower'
    this.#handingOver = false
    this.#setLeader(leader)
  }

  #setLeader(leader: string | undefined): void {
    if (leader !== this.leader) {
      this.leader = leader
      this.#options.onLeader(leader)
    }
    this.#wake()
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake()
  }

  #saveState = (): Promise<void> => this.#options.persist({ state: this.state })

  async #onAppend(message: Extract<Message, { type: 'append' }>): Promise<Answer> {
    const { term, leader, previousIndex, previousTerm, entries, commit } = message
    if (this.#stopped || term < this.term) return { term: this.term, ok: false }
    const isNewTerm = term > this.term
    this.#becomeFollower(term, leader)
    this.#hear()
    if (isNewTerm) await this.#saveState()
    if (previousIndex > this.log.lastIndex) return { term, ok: false, index: this.log.lastIndex }
    if (previousIndex >= this.log.baseIndex && this.log.termAt(previousIndex) !== previousTerm) {
      return { term, ok: false, index: previousIndex - 1 }
    }
    const fresh = entries.filter(
      entry => entry.index > this.log.baseIndex && this.log.termAt(entry.index) !== entry.term,
    )
    for (const entry of fresh) this.log.put(entry)
    const last = previousIndex + entries.length
    if (fresh.length > 0) await this.#options.persist({ entries: fresh })
    this.#persisted = this.log.lastIndex
    this.#commitTo(Math.min(commit, last))
    return { term: this.term, ok: true, index: last }
  }

  async #onSnapshot(message: Extract<Message, { type: 'snapshot' }>): Promise<Answer> {
    const { term, leader, lastIndex, lastTerm, payloads } = message
    if (this.#stopped || term < this.term) return { term: this.term, ok: false }
    this.#becomeFollower(term, leader)
    this.#hear()
    if (lastIndex > this.applied) {
      this.log.reset(lastIndex, lastTerm)
      this.commit = this.applied = this.#persisted = lastIndex
      await this.#options.restore(payloads, lastIndex, lastTerm)
      await this.#saveState()
      this.#wake()
    }
    return { term: this.term, ok: true, index: lastIndex }
  }

  async #onVote(message: Extract<Message, { type: 'vote' }>): Promise<Answer> {
    const { term, candidate, lastIndex, lastTerm, pre, force } = message
    const { log } = this
    // a leader that is heard of is not voted out by one who does not hear it
    const isHeard = performance.now() - this.#contactAt < this.#options.electionMs
    const isLed = this.role === 'leader' || (this.leader !== undefined && isHeard)
    if (this.#stopped || term < this.term || (isLed && !force)) {
      return { term: this.term, ok: false }
    }
    const isUpToDate = lastTerm > log.lastTerm || (lastTerm === log.lastTerm && lastIndex >= log.lastIndex)
    if (pre) return { term: this.term, ok: isUpToDate && term > this.term }
    const isNewTerm = term > this.term
    if (isNewTerm) this.#becomeFollower(term, undefined)
    const isFree = this.#vote === undefined || this.#vote === candidate
    const isGranted = isUpToDate && isFree && this.role === 'follower'
    if (isGranted) {
      this.#vote = candidate
      this.#hear()
    }
    if (isNewTerm || isGranted) await this.#saveState()
    return { term: this.term, ok: isGranted && this.term === term }
  }

  #commitTo(index: number): void {
    if (index <= this.commit) return
    this.commit = Math.min(index, this.log.lastIndex)
    while (this.applied < this.commit) {
      const entry = this.log.at(this.applied + 1)!
      this.applied++
      this.#options.apply(entry)
    }
    this.log.trim(this.applied)
    this.#wake()
  }

  // time

  #tick(): void {
    const now = performance.now()
    // this process was held up, not its peers
    const wasHeldUp = now - this.#tickedAt > 3 * this.#options.heartbeatMs
    this.#tickedAt = now
    if (wasHeldUp) {
      this.#contactAt = Math.max(this.#contactAt, now - this.#timeoutMs / 2)
      for (const peer of this.#peers) peer.heardAt = Math.max(peer.heardAt, now - this.#options.electionMs / 2)
    }
    if (this.role === 'leader') {
      const heard = this.#peers.filter(({ heardAt }) => now - heardAt < this.#options.electionMs).length
      if (heard + 1 < this.#majority) this.#becomeFollower(this.term, undefined)
      else this.#replicateAll()
    } else if (now - this.#contactAt > this.#timeoutMs) {
      this.#setLeader(undefined)
      void this.#campaign()
    } else if (this.leader === undefined && this.#options.isFirst && now - this.#startedAt < this.#options.electionMs) {
      // the others may have come meanwhile
      void this.#campaign()
    }
  }

  async #campaign(force = false): Promise<void> {
    this.#hear()
    const lastIndex = this.log.lastIndex
    const ask = async (pre: boolean, term: number): Promise<boolean> => {
      const message: Message = {
        type: 'vote',
        term,
        candidate: this.#options.self,
        lastIndex,
        lastTerm: this.log.lastTerm,
        pre,
        force,
      }
      let granted = 1
      const enough = Promise.withResolvers<boolean>()
      const asked = this.#peers.map(async ({ name }) => {
        const answer = await this.#options.send(name, message).catch(() => undefined)
        if (!answer) return
        if (answer.term > this.term && !answer.ok) {
          this.#becomeFollower(answer.term, undefined)
          await this.#saveState()
        }
        if (answer.ok && ++granted >= this.#majority) enough.resolve(true)
      })
      void Promise.all(asked).then(() => enough.resolve(false))
      return enough.promise
    }
    const before = this.term
    if (!force && !(await ask(true, before + 1))) return
    if (this.#stopped || this.term !== before || (this.leader !== undefined && !force)) return
    this.term = before + 1
    this.role = 'candidate'
    this.#vote = this.#options.self
    this.#setLeader(undefined)
    const { term } = this
    await this.#saveState()
    if ((await ask(false, term)) && this.role === 'candidate' && this.term === term) this.#lead()
  }

  // leading

  #lead(): void {
    this.role = 'leader'
    for (const peer of this.#peers) {
      Object.assign(peer, {
        next: this.log.lastIndex + 1,
        match: 0,
        heardAt: performance.now(),
        failures: 0,
        retryAt: 0,
      })
    }
    this.#firstOwn = this.log.lastIndex + 1
    this.#setLeader(this.#options.self)
    this.#appendOwn({ index: this.#firstOwn, term: this.term })
  }

  #appendOwn(entry: LogEntry): void {
    this.log.put(entry)
    const { term } = this
    this.#options.persist({ entries: [entry] }).then(
      () => {
        if (this.term !== term) return
        this.#persisted = Math.max(this.#persisted, entry.index)
        this.#advance()
      },
      // a disk that is full: the others have it, or nobody
      () => {},
    )
    this.#replicateAll()
  }

  #holdsMajority(): boolean {
    const since = performance.now() - this.#options.electionMs / 2
    return this.#peers.filter(({ heardAt }) => heardAt > since).length + 1 >= this.#majority
  }

  /** What a majority has on its disks, and is of this term, is committed. */
  #advance(): void {
    const matches = [this.#persisted, ...this.#peers.map(({ match }) => match)].sort((a, b) => b - a)
    const index = matches[this.#majority - 1]!
    if (index <= this.commit || this.log.termAt(index) !== this.term) return
    this.#commitTo(index)
    this.#replicateAll()
  }

  #replicateAll(): void {
    const now = performance.now()
    for (const peer of this.#peers) if (now >= peer.retryAt) void this.#replicate(peer)
  }

  async #replicate(peer: Peer): Promise<void> {
    peer.again = true
    if (peer.busy) return
    peer.busy = true
    try {
      while (peer.again && this.role === 'leader') {
        peer.again = false
        await this.#sendTo(peer)
      }
      peer.failures = 0
    } catch {
      peer.failures++
      peer.retryAt = performance.now() + Math.min(this.#options.heartbeatMs * peer.failures, longestPauseMs)
    } finally {
      peer.busy = false
    }
  }

  async #sendTo(peer: Peer): Promise<void> {
    const { term, log } = this
    const sentAt = performance.now()
    const isBehind = peer.next <= log.baseIndex
    const previousIndex = peer.next - 1
    const entries = isBehind ? [] : log.from(peer.next, batchEntries)
    const common = { term, leader: this.#options.self }
    const message: Message = isBehind
      ? {
          type: 'snapshot',
          ...common,
          lastIndex: this.applied,
          lastTerm: log.termAt(this.applied)!,
          payloads: this.#options.takeSnapshot(),
        }
      : {
          type: 'append',
          ...common,
          previousIndex,
          previousTerm: log.termAt(previousIndex)!,
          entries,
          commit: this.commit,
        }
    const answer = await this.#options.send(peer.name, message)
    if (answer.term > this.term) {
      this.#becomeFollower(answer.term, undefined)
      await this.#saveState()
    }
    if (this.role !== 'leader' || this.term !== term) return
    peer.heardAt = sentAt
    this.#wake()
    if (answer.ok) {
      peer.match = Math.max(peer.match, answer.index ?? 0)
      peer.next = peer.match + 1
      this.#advance()
    } else peer.next = Math.max(1, Math.min(peer.next - 1, (answer.index ?? 0) + 1))
    if (peer.next <= log.lastIndex) peer.again = true
  }

  /**
   * To the one that is furthest; others are asked when that one does not answer.
   * @param only to this one
   */
  async handOver(only?: string): Promise<void> {
    if (this.role !== 'leader') return
    this.#handingOver = true
    const deadline = AbortSignal.timeout(this.#options.electionMs)
    const candidates = this.#peers
      .filter(({ name }) => only === undefined || name === only)
      .sort((a, b) => b.match - a.match || b.heardAt - a.heardAt)
    for (const peer of candidates) {
      while (this.role === 'leader' && peer.match < this.log.lastIndex && peer.failures === 0 && !deadline.aborted) {
        void this.#replicate(peer)
        await this.changed(deadline)
      }
      if (this.role !== 'leader' || peer.match < this.log.lastIndex) continue
      const answer = await this.#options
        .send(peer.name, { type: 'timeout-now', term: this.term })
        .catch(() => undefined)
      if (!answer?.ok) continue
      while (this.role === 'leader' && !deadline.aborted) await this.changed(deadline)
      // it leads now: whoever waits here for an entry learns of it
      while (this.leader === undefined && !deadline.aborted) await this.changed(deadline)
      break
    }
    this.#handingOver = false
  }
}
