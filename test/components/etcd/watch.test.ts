import t from 'tap'
import { Leases } from '#components/etcd/leases.ts'
import { Store } from '#components/etcd/store.ts'
import type { WatchCreateRequest, WatchResponse } from '#components/etcd/types.ts'
import { Watches } from '#components/etcd/watch.ts'

function setUp(fragmentBytes = 1_000_000) {
  const store = new Store(new Leases())
  const watches = new Watches(store, { fragmentBytes, progressIntervalMs: 600_000 })
  const got: WatchResponse[] = []
  const state = { full: false }
  const stream = watches.open(response => {
    got.push(response)
    return !state.full
  })
  const watch = (createRequest: WatchCreateRequest) => stream.request({ createRequest })
  const take = () => got.splice(0)
  /** `key=value@revision`, `-key@revision` for a delete. */
  const events = () =>
    take().flatMap(({ events = [] }) =>
      events.map(({ kv }) => `${kv.version === 0 ? `-${kv.key}` : `${kv.key}=${kv.value}`}@${kv.modRevision}`),
    )
  return { store, watches, stream, watch, take, events, state }
}

t.test('a watch sees what happens to its keys from now on, and nothing else', async t => {
  const { store, watch, take, events } = setUp()
  store.put({ key: 'a/1', value: 'old' })
  watch({ key: 'a/', rangeEnd: 'a0' })
  t.strictSame(take(), [{ revision: 2, watchId: 0, created: true }])
  store.put({ key: 'a/1', value: '1' })
  store.put({ key: 'b', value: '1' })
  store.deleteRange({ key: 'a', rangeEnd: 'c' })
  t.strictSame(events(), ['a/1=1@3', '-a/1@5'])
})

t.test('one transaction is one response, with the revision of it', async t => {
  const { store, watch, take } = setUp()
  watch({ key: '\0', rangeEnd: '\0', watchId: 9 })
  take()
  store.txn({ success: [{ put: { key: 'a' } }, { put: { key: 'b' } }] })
  t.match(take(), [{ revision: 2, watchId: 9, events: [{ kv: { key: 'a' } }, { kv: { key: 'b' } }] }])
})

t.test('a watch from an old revision reads the history first, then goes on', async t => {
  const { store, watch, take, events } = setUp()
  for (const value of ['1', '2', '3']) store.put({ key: 'a', value })
  watch({ key: 'a', startRevision: 3, prevKv: true })
  const [created, history] = take()
  t.match(created, { created: true, revision: 4 })
  t.match(history, { revision: 4, events: [{ kv: { value: '2' }, prevKv: { value: '1' } }, { kv: { value: '3' } }] })
  store.put({ key: 'a', value: '4' })
  t.strictSame(events(), ['a=4@5'])
  watch({ key: 'a', startRevision: 8 })
  store.put({ key: 'x' })
  store.put({ key: 'a', value: '7' })
  take()
  store.put({ key: 'a', value: '8' })
  t.match(take(), [{ watchId: 0 }, { watchId: 1, events: [{ kv: { value: '8' } }] }])
})

t.test('a watch from a compacted revision is cancelled with the revision it may start from', async t => {
  const { store, watch, take } = setUp()
  for (const value of ['1', '2', '3']) store.put({ key: 'a', value })
  store.compact(3)
  watch({ key: 'a', startRevision: 2 })
  t.strictSame(take().at(-1), { revision: 0, watchId: 0, canceled: true, compactRevision: 3 })
  watch({ key: 'a', startRevision: 3, prevKv: true })
  const history = take().at(-1)!
  t.match(history, { events: [{ kv: { value: '2' } }, { kv: { value: '3' }, prevKv: { value: '2' } }] })
  t.notOk(history.events![0]!.prevKv, 'the record before it is compacted')
})

t.test('filters leave out puts or deletes', async t => {
  const { store, watch, take, events } = setUp()
  watch({ key: 'a', filters: ['NOPUT'] })
  take()
  store.put({ key: 'a' })
  store.deleteRange({ key: 'a' })
  t.strictSame(events(), ['-a@3'])
})

t.test('a stream that is full loses no event and repeats none', async t => {
  const { store, watch, take, events, stream, state } = setUp()
  watch({ key: 'a' })
  take()
  state.full = true
  for (const value of ['1', '2', '3']) store.put({ key: 'a', value })
  t.strictSame(events(), ['a=1@2'], 'the one that filled it')
  state.full = false
  stream.resume()
  t.strictSame(events(), ['a=2@3', 'a=3@4'])
  store.put({ key: 'a', value: '4' })
  t.strictSame(events(), ['a=4@5'])
})

t.test('a stream that stays full until its place is compacted is told so', async t => {
  const { store, watch, take, stream, state } = setUp()
  watch({ key: 'a' })
  state.full = true
  for (const value of ['1', '2', '3']) store.put({ key: 'a', value })
  store.compact(4)
  take()
  state.full = false
  stream.resume()
  t.match(take(), [{ canceled: true, compactRevision: 4 }])
})

t.test('a history of many revisions comes a thousand at a time', async t => {
  const { store, watch, take } = setUp()
  for (let i = 0; i < 2500; i++) store.put({ key: 'a', value: String(i) })
  watch({ key: 'a', startRevision: 2 })
  t.strictSame(
    take().map(({ events = [] }) => events.length),
    [0, 1000, 1000, 500],
  )
})

t.test('a large response is split when the watch allows it', async t => {
  const { store, watch, take } = setUp(1000)
  const value = 'x'.repeat(400)
  watch({ key: 'k', rangeEnd: 'l', fragment: true })
  watch({ key: 'k', rangeEnd: 'l' })
  take()
  store.txn({ success: ['k1', 'k2', 'k3'].map(key => ({ put: { key, value } })) })
  t.match(take(), [
    { watchId: 0, fragment: true, events: { length: 2 } },
    { watchId: 0, events: { length: 1 } },
    { watchId: 1, events: { length: 3 } },
  ])
})

t.test('watches are cancelled, ids given twice and empty ranges are refused, progress is told when asked', async t => {
  const { store, watches, watch, take, stream } = setUp()
  watch({ key: 'a', watchId: 5 })
  take()
  watch({ key: 'b', watchId: 5 })
  t.match(take(), [{ watchId: -1, created: true, canceled: true, cancelReason: /duplicate watch ID/ }])
  watch({ key: 'b', rangeEnd: 'a' })
  t.match(take(), [{ watchId: -1, canceled: true, cancelReason: 'mvcc: watcher range is empty' }])
  stream.request({ progressRequest: {} })
  t.strictSame(take(), [{ revision: 1, watchId: -1 }])
  stream.request({ cancelRequest: { watchId: 5 } })
  stream.request({ cancelRequest: { watchId: 6 } })
  t.strictSame(take(), [{ revision: 1, watchId: 5, canceled: true }])
  store.put({ key: 'a' })
  t.strictSame(take(), [])
  watch({ key: 'a' })
  stream.close()
  t.equal(watches.size, 0)
})
