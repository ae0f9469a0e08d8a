/** What a simulation meets too seldom: one member, told what a bad moment would bring. */
import t from 'tap'
import { etcdError } from '../../../src/components/etcd/errors.ts'
import type { Entry, Journal, SnapshotData } from '../../../src/components/etcd/journal.ts'
import type { LogEntry, Message } from '../../../src/components/etcd/raft/messages.ts'
import { type HardState, type Kept, Raft, type RaftOptions } from '../../../src/components/etcd/raft/raft.ts'
import { Replica } from '../../../src/components/etcd/raft/replica.ts'

const entry = (index: number, term: number): LogEntry => ({
  index,
  term,
  entry: { put: { key: 'k', value: `${index}` } },
})

const append = (term: number, entries: LogEntry[], previousTerm = 0, commit = 0): Message => ({
  type: 'append',
  term,
  leader: `leader-${term}`,
  previousIndex: entries[0]!.index - 1,
  previousTerm,
  entries,
  commit,
})

const vote = (term: number, lastIndex: number, lastTerm: number): Message => ({
  type: 'vote',
  term,
  candidate: 'other',
  lastIndex,
  lastTerm,
  pre: false,
  force: false,
})

const member = (options: Partial<RaftOptions> = {}) =>
  new Raft({
    self: 'self',
    others: ['other', 'third'],
    isFirst: false,
    heartbeatMs: 100,
    electionMs: 60_000,
    send: () => Promise.reject(new Error('nobody is there')),
    persist: async () => {},
    apply: () => {},
    takeSnapshot: () => [],
    restore: () => {},
    onLeader: () => {},
    ...options,
  })

t.test('what a full disk did not take is not said to be there when it comes again', async t => {
  const kept: Kept[] = []
  let isFull = true
  const raft = member({
    persist: async what => {
      if ('entries' in what && isFull) throw etcdError('noSpace')
      kept.push(what)
    },
  })
  const message = append(1, [entry(1, 1)])
  await t.rejects(raft.handle(message), { message: /space/ })
  await t.rejects(raft.handle(message), { message: /space/ })
  isFull = false
  t.match(await raft.handle(append(1, [entry(2, 1)], 1)), { ok: true, index: 2 })
  t.match(
    kept.flatMap(what => ('entries' in what ? what.entries.map(({ index }) => index) : [])),
    [1, 2],
    'the first is written with the second: there is no gap',
  )
})

t.test('entries that waited for the disk do not replace those of a later leader', async t => {
  const states: { state: HardState; done: () => void }[] = []
  const raft = member({
    persist: what =>
      'state' in what ? new Promise(resolve => states.push({ state: what.state, done: resolve })) : Promise.resolve(),
  })
  const first = raft.handle(append(2, [entry(1, 2)]))
  const second = raft.handle(append(3, [entry(1, 3)]))
  const third = await raft.handle(append(3, [entry(1, 3)]))
  t.match(third, { term: 3, ok: true })
  for (const { done } of states) done()
  t.match(await first, { term: 3, ok: false })
  t.match(await second, { term: 3, ok: true })
  t.equal(raft.log.termAt(1), 3)
})

t.test('a snapshot that comes late takes nothing away that was acknowledged', async t => {
  const restored: unknown[] = []
  const applied: number[] = []
  const raft = member({
    restore: payloads => restored.push(payloads),
    apply: ({ index }) => applied.push(index),
  })
  await raft.handle(append(1, [entry(1, 1), entry(2, 1), entry(3, 1)]))
  const answer = await raft.handle({
    type: 'snapshot',
    term: 1,
    leader: 'leader-1',
    lastIndex: 2,
    lastTerm: 1,
    payloads: [],
  })
  t.match(answer, { ok: true, index: 2 })
  t.strictSame([raft.log.lastIndex, applied, restored], [3, [1, 2], []])
})

t.test('who comes back does not vote at once: it may have promised a leader not to', async t => {
  const back = member()
  back.recover({ term: 1 }, [])
  t.match(await back.handle(vote(2, 9, 1)), { term: 1, ok: false })
  t.match(await member().handle(vote(2, 9, 1)), { term: 2, ok: true }, 'who was never there does')
})

t.test('a leader that may have told another to campaign asks before it lets anybody read', async t => {
  let appends = 0
  const raft = member({
    isFirst: true,
    send: async (_, message) => {
      if (message.type === 'timeout-now') throw new Error('it may have arrived')
      if (message.type !== 'append') return { term: 0, ok: true }
      appends++
      return { term: message.term, ok: true, index: message.previousIndex + message.entries.length }
    },
  })
  const { signal } = new AbortController()
  raft.start()
  while (!raft.isCertain) await raft.changed(signal)
  await raft.handOver()
  t.ok(raft.isLeader)
  t.notOk(raft.isCertain)
  const before = appends
  t.equal(await raft.readIndex(signal), raft.commit)
  t.ok(appends > before)
  await raft.stop()
})

t.test('a vote outlives snapshots, and so does what was not applied yet', async t => {
  let take: (() => SnapshotData) | undefined
  const kept: Entry[] = []
  const journal = (snapshot: SnapshotData | undefined, entries: Entry[]): Journal => ({
    bytes: 0,
    load: async () => ({ snapshot, entries }),
    append(what, done) {
      kept.push(what)
      setImmediate(done)
    },
    onSnapshotDue(of) {
      take = of
    },
    close: async () => {},
  })
  const replica = () =>
    new Replica({
      self: 'self',
      others: ['other', 'third'],
      isFirst: false,
      heartbeatMs: 100,
      electionMs: 60_000,
      send: () => Promise.reject(new Error('nobody is there')),
      apply: () => {},
      takeSnapshot: () => ({
        revision: 1,
        compactRevision: 0,
        raftIndex: 0,
        noSpace: false,
        leases: [],
        records: [],
      }),
      restore: () => {},
      onLeader: () => {},
      onLost: () => {},
      keepAlive: () => 0,
    })
  const first = replica()
  await first.recover(journal(undefined, []))
  await first.handle(append(1, [entry(1, 1), entry(2, 1)], 0, 1))
  const snapshot = take!()
  t.match(snapshot, { raftIndex: 1, raftTerm: 1, raftState: { term: 1 } })

  const second = replica()
  const voted = { raft: { state: { term: 4, vote: 'other' } } }
  await second.recover(journal(snapshot, [voted]))
  t.match(second.raft.state, { term: 4, vote: 'other' }, 'what came after the snapshot counts')
  t.strictSame([second.raft.applied, second.raft.log.lastIndex], [1, 2])

  // without the state: the disk was full for that, and not for the entries
  const third = replica()
  await third.recover(
    journal(
      undefined,
      kept.filter(({ raft }) => raft?.entry),
    ),
  )
  t.equal(third.raft.term, 1)
})
