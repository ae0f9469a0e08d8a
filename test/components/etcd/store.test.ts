import t from 'tap'
import { Leases } from '#components/etcd/leases.ts'
import { SortedMap } from '#components/etcd/sorted-map.ts'
import { Store } from '#components/etcd/store.ts'
import { checkTxn } from '#components/etcd/txn-check.ts'
import type { KeyValue, TxnRequest } from '#components/etcd/types.ts'

const newStore = () => new Store(new Leases())
const keysOf = ({ kvs }: { kvs: readonly KeyValue[] }) => kvs.map(({ key }) => key)

t.test('a sorted map finds, counts and deletes as a plain sorted list does', async t => {
  const map = new SortedMap<number>()
  const plain = new Map<string, number>()
  // a fixed sequence that looks random: the same run every time
  let seed = 7
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    return seed % below
  }
  for (let i = 0; i < 20_000; i++) {
    const key = String.fromCharCode(random(256)) + random(5000).toString(36)
    if (random(3) === 0) {
      map.delete(key)
      plain.delete(key)
    } else {
      map.set(key, i)
      plain.set(key, i)
    }
  }
  const sorted = [...plain.keys()].sort((a, b) => (a < b ? -1 : 1))
  t.equal(map.size, plain.size)
  t.strictSame(
    map.values('', undefined),
    sorted.map(key => plain.get(key)),
  )
  for (let i = 0; i < 200; i++) {
    const start = String.fromCharCode(random(256)) + random(5000).toString(36)
    const end = random(5) === 0 ? undefined : String.fromCharCode(random(256)) + random(5000).toString(36)
    const within = sorted.filter(key => key >= start && (end === undefined || key < end))
    t.equal(map.count(start, end), within.length)
    t.strictSame(
      map.values(start, end, 7),
      within.slice(0, 7).map(key => plain.get(key)),
    )
  }
})

t.test('revisions, versions and lives of a key are counted as etcd counts them', async t => {
  const store = newStore()
  t.equal(store.revision, 1)
  store.put({ key: 'a', value: '1' })
  t.strictSame(store.put({ key: 'a', value: '2', prevKv: true }), {
    revision: 3,
    prevKv: { key: 'a', createRevision: 2, modRevision: 2, version: 1, value: '1', lease: 0n },
  })
  t.match(store.deleteRange({ key: 'a', prevKv: true }), { revision: 4, deleted: 1, prevKvs: [{ value: '2' }] })
  t.match(store.deleteRange({ key: 'a' }), { revision: 4, deleted: 0 })
  store.put({ key: 'a', value: '3' })
  t.match(store.get('a'), { createRevision: 5, modRevision: 5, version: 1 })
  t.match(store.get('a', 3), { createRevision: 2, version: 2, value: '2' })
  t.equal(store.get('a', 4), undefined)
})

t.test('a range is by key, by prefix, from a key on, limited, sorted, filtered and as of a revision', async t => {
  const store = newStore()
  for (const key of ['b', 'a/2', 'a/1', 'a/3', 'c']) store.put({ key, value: key === 'a/2' ? 'z' : key })
  store.put({ key: 'a/1', value: 'y' })
  const prefix = { key: 'a/', rangeEnd: 'a0' }
  t.strictSame(keysOf(store.range(prefix)), ['a/1', 'a/2', 'a/3'])
  t.strictSame(keysOf(store.range({ key: 'a/3', rangeEnd: '\0' })), ['a/3', 'b', 'c'])
  t.match(store.range({ ...prefix, limit: 2 }), { more: true, count: 3, kvs: [{ key: 'a/1' }, { key: 'a/2' }] })
  t.match(store.range({ ...prefix, countOnly: true }), { count: 3, kvs: [] })
  t.strictSame(keysOf(store.range({ ...prefix, sortTarget: 'MOD', sortOrder: 'DESCEND' })), ['a/1', 'a/3', 'a/2'])
  t.strictSame(keysOf(store.range({ ...prefix, sortTarget: 'VALUE', limit: 1, sortOrder: 'DESCEND' })), ['a/2'])
  t.match(store.range({ ...prefix, minModRevision: 6 }), { count: 3, kvs: [{ key: 'a/1' }] })
  t.match(store.range({ ...prefix, revision: 4 }), { count: 2, revision: 7, kvs: [{ version: 1 }, { value: 'z' }] })
  t.strictSame(keysOf(store.range({ key: 'c', rangeEnd: 'a' })), [])
  t.throws(() => store.range({ key: 'a', revision: 99 }), { message: /is a future revision/, code: 11 })
})

t.test('the history before a compaction is gone, and what one reads at its revision stays', async t => {
  const store = newStore()
  for (const value of ['1', '2', '3']) store.put({ key: 'a', value })
  store.put({ key: 'b', value: '1' })
  store.deleteRange({ key: 'b' })
  store.put({ key: 'c', value: '1' })
  const sizeBefore = store.size
  store.compact(6)
  t.throws(() => store.get('a', 5) && store.range({ key: 'a', revision: 5 }), {
    message: /has been compacted/,
    code: 11,
  })
  t.match(store.range({ key: 'a', revision: 6 }), { kvs: [{ value: '3' }] })
  t.strictSame(keysOf(store.range({ key: 'a', rangeEnd: '\0' })), ['a', 'c'])
  t.throws(() => store.compact(6), { message: /has been compacted/ })
  t.throws(() => store.compact(100), { message: /is a future revision/ })
  t.ok(store.size < sizeBefore)
  store.compact(7)
  t.strictSame(
    store.records().map(({ key, modRevision }) => [key, modRevision]),
    [
      ['a', 4],
      ['c', 7],
    ],
  )
})

t.test('a snapshot of the store, put into an empty one, reads the same at every revision', async t => {
  const store = newStore()
  for (let i = 0; i < 200; i++) {
    if (i % 7 === 3) store.deleteRange({ key: `k${i % 5}` })
    else store.put({ key: `k${i % 11}`, value: String(i) })
    if (i === 100) store.compact(60)
  }
  const copy = newStore()
  copy.restore(store.revision, store.compactRevision, store.records())
  for (let revision = 60; revision <= store.revision; revision++) {
    const request = { key: 'k', rangeEnd: 'l', revision }
    t.strictSame(copy.range(request), store.range(request))
  }
  const all = () => true
  t.strictSame([...copy.eventsSince(60, all, true)], [...store.eventsSince(60, all, true)])
  copy.compact(150)
  store.compact(150)
  t.strictSame(copy.records(), store.records())
  t.equal(copy.size, store.size)
})

t.test('a transaction compares first, then does all of one branch in one revision', async t => {
  const store = newStore()
  store.put({ key: 'a', value: '1' })
  const response = store.txn({
    compare: [
      { key: 'a', target: 'VALUE', value: '1' },
      { key: 'a', target: 'VERSION', result: 'LESS', version: 2 },
      { key: 'a', target: 'MOD', result: 'GREATER', modRevision: 1 },
      { key: 'nothing', target: 'CREATE', createRevision: 0 },
      { key: 'a', target: 'LEASE', result: 'NOT_EQUAL', lease: 5n },
    ],
    success: [
      { put: { key: 'b', value: '1' } },
      { range: { key: 'b' } },
      { txn: { compare: [{ key: 'b', version: 0 }], success: [{ deleteRange: { key: 'a', prevKv: true } }] } },
    ],
  })
  t.match(response, {
    revision: 3,
    succeeded: true,
    responses: [
      { put: { revision: 3 } },
      { range: { revision: 3, kvs: [{ key: 'b', modRevision: 3 }] } },
      {
        txn: { revision: 0, succeeded: true, responses: [{ deleteRange: { deleted: 1, prevKvs: [{ value: '1' }] } }] },
      },
    ],
  })
  t.equal(store.revision, 3)
  const failed = store.txn({ compare: [{ key: 'zz', target: 'VALUE', value: '' }], failure: [{ range: { key: 'b' } }] })
  t.match(failed, { revision: 3, succeeded: false, responses: [{ range: { kvs: [{ key: 'b' }] } }] })
})

t.test('a transaction that cannot be done changes nothing', async t => {
  const store = newStore()
  const put = { put: { key: 'a', value: '1' } }
  t.throws(() => store.txn({ success: [put, { range: { key: 'a', revision: 50 } }] }), { message: /future revision/ })
  t.throws(() => store.txn({ success: [put, { put: { key: 'b', lease: 9n } }] }), { message: /lease not found/ })
  t.throws(() => store.txn({ success: [put, { put: { key: 'c', ignoreValue: true } }] }), { message: /key not found/ })
  t.equal(store.revision, 1)
  t.equal(store.keyCount, 0)
})

const put = (key: string) => ({ put: { key } })
const del = (key: string, rangeEnd = '') => ({ deleteRange: { key, rangeEnd } })
for (const [name, request, message] of [
  ['two puts of a key', { success: [put('a'), put('a')] }, /duplicate key/],
  ['a put in a deleted range', { success: [put('b'), del('a', 'c')] }, /duplicate key/],
  ['a put of a deleted key', { failure: [del('b'), put('b')] }, /duplicate key/],
  ['a put in and around a nested one', { success: [put('a'), { txn: { success: [put('a')] } }] }, /duplicate key/],
  ['a nested put in a deleted range', { success: [del('a', '\0'), { txn: { failure: [put('x')] } }] }, /duplicate key/],
  ['an operation that is none', { success: [{}] }, /key not found/],
  ['a put without a key', { failure: [put('')] }, /key is not provided/],
  ['a comparison without a key', { compare: [{ key: '' }] }, /key is not provided/],
  ['too many operations', { success: Array.from({ length: 129 }, (_, i) => put(`k${i}`)) }, /too many operations/],
] as const satisfies readonly (readonly [string, TxnRequest, RegExp])[]) {
  t.test(`a transaction with ${name} is refused`, async t => {
    t.throws(() => checkTxn(request as TxnRequest, 128), { message, code: 3 })
  })
}

t.test('both branches of a nested transaction may put the same key, and deletes may overlap', async t => {
  t.doesNotThrow(() => checkTxn({ success: [{ txn: { success: [put('a')], failure: [put('a')] } }] }, 128))
  t.doesNotThrow(() => checkTxn({ success: [del('a', 'c'), del('b')], failure: [put('a')] }, 128))
})

t.test('a key hangs on its last lease, and goes with it', async t => {
  const leases = new Leases()
  const store = new Store(leases)
  leases.grant(1n, 100)
  leases.grant(2n, 100)
  store.put({ key: 'a', lease: 1n })
  store.put({ key: 'a', lease: 2n })
  store.put({ key: 'b', lease: 2n })
  store.put({ key: 'a', value: 'x', ignoreLease: true })
  t.strictSame(leases.timeToLive(1n)?.keys, [])
  t.strictSame(leases.timeToLive(2n)?.keys, ['a', 'b'])
  const before = store.revision
  store.deleteKeys(leases.revoke(2n))
  t.equal(store.keyCount, 0)
  t.equal(store.revision, before + 1)
})
