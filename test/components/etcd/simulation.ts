/** Members of a cluster in one process: a network that loses, delays and reorders, disks that keep what was synced, and what must hold of all of them. */
import {
  decodeEntry,
  decodeSnapshot,
  encodeEntry,
  encodeSnapshot,
  fromText,
  toText,
} from '../../../src/components/etcd/disk/codec.ts'
import { etcdError } from '../../../src/components/etcd/errors.ts'
import type { Entry, Journal, SnapshotData } from '../../../src/components/etcd/journal.ts'
import type { Answer, Message } from '../../../src/components/etcd/raft/messages.ts'
import { Replica } from '../../../src/components/etcd/raft/replica.ts'
import { Random } from '../../x509/random.ts'
import { VirtualTime } from './virtual-time.ts'

const heartbeatMs = 100
const electionMs = 1000

/** A disk: what a crash leaves of it is what `done` was called for, and perhaps a snapshot that was being taken. */
class Disk {
  isFull = false
  snapshot: readonly string[] | undefined
  /** Since that snapshot, oldest first: more than one while the next is being written. */
  logs: string[][] = [[]]
}

class MemoryJournal implements Journal {
  readonly bytes = 0
  isDead = false
  #waiting: { text: string; done: (error?: Error) => void }[] = []
  #running = false
  #saving = false
  #take: (() => SnapshotData) | undefined
  readonly #disk: Disk
  readonly #simulation: Simulation

  constructor(disk: Disk, simulation: Simulation) {
    this.#disk = disk
    this.#simulation = simulation
  }

  async load() {
    const { snapshot, logs } = this.#disk
    this.#disk.logs = [logs.flat()]
    return { snapshot: snapshot && decodeSnapshot(snapshot), entries: logs.flat().map(decodeEntry) }
  }

  append(entry: Entry, done: (error?: Error) => void): void {
    this.#waiting.push({ text: encodeEntry(entry), done })
    this.#run()
  }

  #run(): void {
    if (this.#running || this.isDead || this.#waiting.length === 0) return
    this.#running = true
    const { time, random } = this.#simulation
    // what else came with this turn joins the batch
    time.after(0, () => {
      const batch = this.#waiting
      this.#waiting = []
      time.after(1 + random.below(random.chance(0.05) ? 300 : 8), () => {
        if (this.isDead) return
        this.#running = false
        const error = this.#disk.isFull ? etcdError('noSpace') : undefined
        if (!error) this.#disk.logs.at(-1)!.push(...batch.map(({ text }) => text))
        for (const { done } of batch) done(error)
        if (!error) this.#snapshotWhenDue()
        this.#run()
      })
    })
  }

  #snapshotWhenDue(): void {
    const { time, random } = this.#simulation
    if (this.#saving || !this.#take || this.#disk.logs.at(-1)!.length < 40) return
    this.#saving = true
    this.#disk.logs.push([])
    const payloads = [...encodeSnapshot(this.#take())]
    time.after(1 + random.below(30), () => {
      if (this.isDead) return
      this.#saving = false
      this.#disk.snapshot = payloads
      this.#disk.logs = [this.#disk.logs.at(-1)!]
    })
  }

  onSnapshotDue(take: () => SnapshotData): void {
    this.#take = take
  }

  async close(): Promise<void> {
    this.isDead = true
    for (const { done } of this.#waiting.splice(0)) done(etcdError('stopped'))
  }
}

/** One run of a member: after a crash the next begins with what is on the disk. */
interface Life {
  replica: Replica
  journal: MemoryJournal
  /** All that it applied, in order. */
  history: string[]
  isDead: boolean
}

export class Simulation {
  readonly time = new VirtualTime()
  readonly random: Random
  readonly names: readonly string[]
  readonly lives = new Map<string, Life>()
  /** What somebody applied, in order: everybody applies the same. */
  readonly applied: string[] = []
  readonly acknowledged = new Set<string>()
  readonly leaders = new Map<number, string>()
  readonly broken: string[] = []
  /** `a>b`: nothing goes that way. */
  readonly cut = new Set<string>()
  readonly counts = { acknowledged: 0, refused: 0, reads: 0, snapshots: 0, crashes: 0, handOvers: 0 }
  /** How likely a message or its answer is lost. */
  loss = 0.02
  /** Every read that begins now sees so many. */
  #known = 0
  #proposals = 0
  readonly #disks = new Map<string, Disk>()

  constructor(members: number, seed: number) {
    this.random = new Random(seed)
    this.names = Array.from({ length: members }, (_, i) => `m${i + 1}`)
    for (const name of this.names) this.#disks.set(name, new Disk())
  }

  get alive(): string[] {
    return this.names.filter(name => this.lives.has(name))
  }

  get leader(): string | undefined {
    return this.alive.find(name => this.lives.get(name)!.replica.raft.isLeader)
  }

  disk(name: string): Disk {
    return this.#disks.get(name)!
  }

  async start(name: string): Promise<void> {
    const journal = new MemoryJournal(this.disk(name), this)
    const history: string[] = []
    const must = (holds: boolean, what: string) => {
      if (!holds) this.broken.push(`${what} (${name} at ${this.time.now} ms)`)
    }
    const life: Life = { journal, history, isDead: false, replica: undefined as never }
    life.replica = new Replica({
      self: name,
      others: this.names.filter(other => other !== name),
      isFirst: name === 'm1',
      heartbeatMs,
      electionMs,
      keptEntries: 20,
      send: (to, message) => this.#send(life, name, to, message),
      apply: ({ put }) => {
        if (life.isDead) return undefined
        const { value = '' } = put!
        const at = history.push(value) - 1
        if (at === this.applied.length) {
          must(!this.applied.includes(value), `${value} was applied twice`)
          this.applied.push(value)
        } else must(this.applied[at] === value, `${value} was applied where others have ${this.applied[at]}`)
        return at
      },
      takeSnapshot: () => snapshotOf(history),
      restore: ({ records }) => {
        history.splice(0, history.length, ...records.map(({ value }) => value))
        this.counts.snapshots++
        must(
          history.every((value, at) => this.applied[at] === value),
          'a snapshot has another history',
        )
      },
      onLeader: (leader, term) => {
        if (leader !== name || life.isDead) return
        must((this.leaders.get(term) ?? name) === name, `two leaders in term ${term}`)
        this.leaders.set(term, name)
      },
      onLost: () => {},
      keepAlive: () => 0,
    })
    await life.replica.recover(journal)
    this.lives.set(name, life)
    void life.replica.start()
  }

  /** Nothing more comes from it, and what is not on its disk is gone. */
  crash(name: string): void {
    const life = this.lives.get(name)!
    this.lives.delete(name)
    this.counts.crashes++
    life.isDead = life.journal.isDead = true
    void life.replica.stop()
  }

  async stop(name: string): Promise<void> {
    const life = this.lives.get(name)!
    await life.replica.leave()
    await life.replica.idle()
    if (life.isDead) return
    this.lives.delete(name)
    await life.replica.stop()
    life.isDead = true
  }

  async handOver(): Promise<void> {
    const { leader } = this
    if (leader === undefined) return
    this.counts.handOvers++
    await this.lives.get(leader)!.replica.raft.handOver()
  }

  /** @returns whether it was acknowledged */
  async propose(name: string): Promise<boolean> {
    const life = this.lives.get(name)!
    const value = `v${++this.#proposals}`
    try {
      const at = await life.replica.propose<number>({ put: { key: 'k', value } })
      if (life.isDead) return false
      if (this.applied[at] !== value) this.broken.push(`${value} was acknowledged and is not there`)
      this.counts.acknowledged++
      this.acknowledged.add(value)
      this.#known = Math.max(this.#known, at + 1)
      return true
    } catch {
      this.counts.refused++
      return false
    }
  }

  async read(name: string): Promise<void> {
    const life = this.lives.get(name)!
    const least = this.#known
    try {
      if (!life.replica.raft.isCertain) await life.replica.readable()
    } catch {
      return
    }
    if (life.isDead) return
    this.counts.reads++
    const seen = life.history.length
    if (seen < least) this.broken.push(`a read of ${name} saw ${seen} of ${least} (at ${this.time.now} ms)`)
    this.#known = Math.max(this.#known, seen)
  }

  /** As `POST /raft` does: it may be taken although the sender has given up. */
  #send(life: Life, from: string, to: string, message: Message): Promise<Answer> {
    const { random, time } = this
    const text = toText(message)
    return new Promise((resolve, reject) => {
      time.after(2 * electionMs, () => reject(new Error('timeout')))
      const way = (a: string, b: string, arrive: () => void) => {
        if (this.cut.has(`${a}>${b}`) || random.chance(this.loss)) return
        time.after(1 + random.below(random.chance(0.02) ? 3000 : 20), arrive)
      }
      if (life.isDead || !this.lives.has(to)) {
        time.after(1, () => reject(Object.assign(new Error('connection refused'), { neverSent: true })))
        return
      }
      way(from, to, () => {
        const other = this.lives.get(to)
        if (!other) return reject(new Error('connection reset'))
        other.replica.handle(fromText(text) as Message).then(
          answer => {
            if (!other.isDead) way(to, from, () => resolve(fromText(toText(answer)) as Answer))
          },
          (error: Error) => way(to, from, () => reject(error)),
        )
      })
    })
  }
}

const snapshotOf = (history: readonly string[]): SnapshotData => ({
  revision: history.length,
  compactRevision: 0,
  raftIndex: 0,
  noSpace: false,
  leases: [],
  records: history.map((value, i) => ({
    key: 'k',
    createRevision: i + 1,
    modRevision: i + 1,
    version: 1,
    value,
    lease: 0n,
  })),
})
