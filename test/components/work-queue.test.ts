import t from 'tap'
import { WorkQueue } from '#components/work-queue.ts'
import { silentLog as log } from '#log.ts'

t.test('a key that is added many times at once is looked at once', async t => {
  const seen: string[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  const queue = new WorkQueue({
    name: 'test',
    log,
    async sync(key) {
      seen.push(key)
      if (key === 'b') resolve()
    },
  })
  for (let i = 0; i < 10; i++) queue.add('a')
  queue.add('b')
  await promise
  t.strictSame(seen, ['a', 'b'])
  await queue.stop()
})

t.test('a key that changes while it is looked at is looked at again, and never twice at a time', async t => {
  let at = 0
  let most = 0
  let runs = 0
  const { promise, resolve } = Promise.withResolvers<void>()
  const queue = new WorkQueue({
    name: 'test',
    log,
    async sync() {
      most = Math.max(most, ++at)
      if (++runs === 1) queue.add('a')
      await new Promise(done => setImmediate(done))
      at--
      if (runs === 2) resolve()
    },
  })
  queue.add('a')
  await promise
  await queue.stop()
  t.equal(runs, 2)
  t.equal(most, 1)
})

t.test('what fails comes again, until it does not', async t => {
  let tries = 0
  const { promise, resolve } = Promise.withResolvers<void>()
  const queue = new WorkQueue({
    name: 'test',
    log,
    async sync() {
      if (++tries < 4) throw new Error('not yet')
      resolve()
    },
  })
  queue.add('a')
  await promise
  await queue.stop()
  t.equal(tries, 4)
})

t.test('stop waits for what runs, and begins nothing new', async t => {
  let ended = false
  let runs = 0
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
  const queue = new WorkQueue({
    name: 'test',
    log,
    workers: 1,
    async sync() {
      runs++
      begin()
      await new Promise(done => setTimeout(done, 10))
      ended = true
    },
  })
  queue.add('a')
  queue.add('b')
  queue.addAfter('c', 5)
  await begun
  await queue.stop()
  t.ok(ended)
  t.equal(runs, 1)
})

t.test('of two later times for a key the earlier one holds', async t => {
  const { promise, resolve } = Promise.withResolvers<void>()
  const queue = new WorkQueue({ name: 'test', log, sync: async () => resolve() })
  queue.addAfter('a', 5)
  queue.addAfter('a', 3_600_000)
  await promise
  await queue.stop()
  t.pass()
})
