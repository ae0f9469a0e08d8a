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

export type Kept = { state: HardState } | { entries: readonly LogEntry[] } | { snapshot: readonly string[] }

export interface RaftOptions {
  self: string
  others: readonly string[]
  /** It asks for votes as soon as it starts: where nobody leads yet, that spares a timeout. */
  isFirst: boolean
  heartbeatMs: number
  electionMs: number
  /** So many applied entries are kept for members that come back; who is further behind gets a snapshot. */
  keptEntries?: number
  send(to: string, message: Message): Promise<Answer>
  /** Resolves when it is on the disk, in the order of the calls; a snapshot replaces all before it. */
  persist(what: Kept): Promise<void>
  apply(entry: LogEntry): void
  /** The state that everything applied so far led to. */
  takeSnapshot(): readonly string[]
  restore(payloads: readonly string[]): void
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
  readonly log: RaftLog
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
  /** Up to here the log is on this member's disk, without a gap. */
  #persisted = 0
  #saving: Promise<void> = Promise.resolve()
  /** It may have promised a leader not to vote for another, and does not know any more. */
  #heldUntil = 0
  /** The leader's first entry: what was committed before it is known once this one is. */
  #firstOwn = 0
  /** The others do not vote while they hear of this one. Not so for one whom it may have told to campaign. */
  #hasLease = false
  #handingOver = false
  #leaving = false
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(options: RaftOptions) {
    this.#options = options
    this.log = new RaftLog(options.keptEntries)
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
    // the disk was full for the state, and not for the entries
    if (this.log.lastTerm > this.term) {
      this.term = this.log.lastTerm
      this.#vote = undefined
    }
    this.#persisted = this.log.lastIndex
    if (this.term > 0) this.#heldUntil = performance.now() + this.#leaseMs
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

  /** What is committed now is all that was answered: it leads, and a majority has said so just now. */
  get isCertain(): boolean {
    return this.#hasLease && this.#isCertainSince(performance.now() - this.#leaseMs)
  }

  #isCertainSince(time: number): boolean {
    if (!this.isLeader || this.commit < this.#firstOwn) return false
    return this.#peers.filter(({ heardAt }) => heardAt > time).length + 1 >= this.#majority
  }

  /** Shorter than the others keep from voting. */
  get #leaseMs(): number {
    return this.#options.electionMs / 2
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
    const askedAt = performance.now()
    while (this.isLeader && this.term === term && !signal.aborted) {
      if (this.isCertain || this.#isCertainSince(askedAt)) return this.commit
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
    // meanwhile there may be another leader, whose entries these must not replace
    if (this.#stopped || term < this.term) return { term: this.term, ok: false }
    if (previousIndex > this.log.lastIndex) return { term, ok: false, index: this.log.lastIndex }
    if (previousIndex >= this.log.baseIndex && this.log.termAt(previousIndex) !== previousTerm) {
      return { term, ok: false, index: previousIndex - 1 }
    }
    const fresh = entries.filter(
      entry => entry.index > this.log.baseIndex && this.log.termAt(entry.index) !== entry.term,
    )
    if (fresh.length > 0) this.#put(fresh)
    const last = previousIndex + entries.length
    // also what came before, and is still on its way
    if (this.#persisted < last) await this.#save()
    if (term < this.term) return { term: this.term, ok: false }
    this.#commitTo(Math.min(commit, last))
    return { term, ok: true, index: last }
  }

  async #onSnapshot(message: Extract<Message, { type: 'snapshot' }>): Promise<Answer> {
    const { term, leader, lastIndex, lastTerm, payloads } = message
    if (this.#stopped || term < this.term) return { term: this.term, ok: false }
    const isNewTerm = term > this.term
    this.#becomeFollower(term, leader)
    this.#hear()
    if (isNewTerm) await this.#saveState()
    if (this.#stopped || term < this.term) return { term: this.term, ok: false }
    if (this.log.termAt(lastIndex) === lastTerm) {
      // an old one: what comes after it here may be committed because this member has it
      this.#commitTo(lastIndex)
    } else if (lastIndex > this.applied) {
      this.log.reset(lastIndex, lastTerm)
      this.#persisted = 0
      this.commit = this.applied = lastIndex
      this.#options.restore(payloads)
      this.#wake()
    }
    if (this.#persisted < lastIndex) await this.#save()
    return { term: this.term, ok: term === this.term, index: lastIndex }
  }

  /** Into the log, in place of what is there from the first of them on. */
  #put(entries: readonly LogEntry[]): void {
    const before = entries[0]!.index - 1
    this.#persisted = Math.min(this.#persisted, before)
    for (const entry of entries) this.log.put(entry)
  }

  /** Resolves when the log as it is now is on the disk. One write at a time: what a full disk did not take leaves no gap. */
  #save(): Promise<void> {
    this.#saving = this.#saving.catch(() => {}).then(() => this.#write())
    return this.#saving
  }

  async #write(): Promise<void> {
    const { lastIndex, lastTerm, baseIndex } = this.log
    // a snapshot that was just installed
    const isBehind = this.#persisted < baseIndex
    if (!isBehind && this.#persisted >= lastIndex) return
    const from = isBehind ? this.applied : this.#persisted
    const writes: Promise<void>[] = []
    if (isBehind) writes.push(this.#options.persist({ snapshot: this.#options.takeSnapshot() }))
    writes.push(this.#options.persist({ entries: this.log.from(from + 1, Number.POSITIVE_INFINITY) }))
    await Promise.all(writes)
    // replaced meanwhile
    if (this.log.termAt(lastIndex) !== lastTerm) return
    this.#persisted = Math.max(this.#persisted, lastIndex)
    if (this.role === 'leader') this.#advance()
  }

  async #onVote(message: Extract<Message, { type: 'vote' }>): Promise<Answer> {
    const { term, candidate, lastIndex, lastTerm, pre, force } = message
    const { log } = this
    // a leader that is heard of is not voted out by one who does not hear it
    const now = performance.now()
    const isHeard = now - this.#contactAt < this.#options.electionMs
    const isLed = this.role === 'leader' || (this.leader !== undefined && isHeard) || now < this.#heldUntil
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
      else {
        this.#save().catch(() => {})
        this.#replicateAll()
      }
    } else if (now - this.#contactAt > this.#timeoutMs) {
      this.#setLeader(undefined)
      void this.#campaign()
    } else if (
      this.leader === undefined &&
      this.#options.isFirst &&
      now - this.#startedAt < 2 * this.#options.electionMs
    ) {
      // the others may have come meanwhile, or vote by now
      void this.#campaign()
    }
  }

  async #campaign(force = false): Promise<void> {
    if (!force && performance.now() < this.#heldUntil) return
    this.#hear()
    const ask = async (pre: boolean, term: number): Promise<boolean> => {
      const message: Message = {
        type: 'vote',
        term,
        candidate: this.#options.self,
        lastIndex: this.log.lastIndex,
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
          await this.#saveState().catch(() => {})
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
    try {
      await this.#saveState()
    } catch {
      // a vote for itself that is not on the disk could be given twice
      return
    }
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
    this.#hasLease = true
    this.#setLeader(this.#options.self)
    this.#appendOwn({ index: this.#firstOwn, term: this.term })
  }

  #appendOwn(entry: LogEntry): void {
    this.#put([entry])
    // a disk that is full: the others have it, or nobody; it is written again with the next heartbeat
    this.#save().catch(() => {})
    this.#replicateAll()
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
      // whoever hands over to it tries another
      this.#wake()
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
      // without an answer it may still campaign, at any time
      if (answer?.ok !== false) this.#hasLease = false
      if (!answer?.ok) continue
      while (this.role === 'leader' && !deadline.aborted) await this.changed(deadline)
      // it leads now: whoever waits here for an entry learns of it
      while (this.leader === undefined && !deadline.aborted) await this.changed(deadline)
      break
    }
    this.#handingOver = false
  }
}
