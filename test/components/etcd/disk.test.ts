import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text as readAll } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { Agent } from 'undici'
import type { ClusterInfo } from '#components/etcd/cluster.ts'
import { openDataDir } from '#components/etcd/disk/data-dir.ts'
import { EtcdServer } from '#components/etcd/etcd-server.ts'
import type { Entry } from '#components/etcd/journal.ts'
import { silentLog } from '#log.ts'
import { b64, type Reply, speak, startPlain, testContext, text } from './harness.ts'

// processes take their time on a busy machine
t.setTimeout(180_000)

const script = fileURLToPath(new URL('./child.ts', import.meta.url))

/** A process of its own. `limitKiB`: no file of it may grow beyond (ulimit -f), which is how a disk is full here. */
async function startChild(t: Test, dataDir: string, limitKiB?: number) {
  const argv = [
    script,
    `--data-dir=${dataDir}`,
    '--listen-client-urls=http://127.0.0.1:0',
    '--advertise-client-urls=http://127.0.0.1:2379',
    '--listen-peer-urls=http://127.0.0.1:0',
  ]
  const limit = limitKiB === undefined ? '' : `ulimit -f ${limitKiB * 2};`
  // tap puts its own preloads into every child: they write files, too, and would meet the limit first
  const child = spawn('sh', ['-c', `unset NODE_OPTIONS; ${limit} exec "$0" "$@"`, process.execPath, ...argv], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: { PATH: process.env.PATH },
  })
  const stderr = readAll(child.stderr!)
  const exit = once(child, 'exit')
  const agent = new Agent()
  t.teardown(async () => {
    child.kill('SIGKILL')
    await agent.destroy()
  })
  const [message] = (await Promise.race([once(child, 'message'), exit])) as [
    { type: string; message?: string; addresses: { client: { port: number } } },
  ]
  const client = speak(`http://127.0.0.1:${message.addresses?.client.port}`, agent)
  return { ...client, child, exit, stderr, message }
}

const put = (key: string, value: string) => ({ key: b64(key), value: b64(value) })
const all = { key: b64('\0'), range_end: b64('\0') }
const contents = ({ json }: Reply): Record<string, string> =>
  Object.fromEntries(json.kvs?.map((kv: { key: string; value: string }) => [text(kv.key), text(kv.value)]) ?? [])

t.test('what was acknowledged is there after kill -9; until then no other process gets the directory', async t => {
  const dir = join(t.testdir(), 'data')
  const etcd = await startChild(t, dir)
  const second = await startChild(t, dir)
  t.match(second.message, { type: 'failed', code: 'TP_DATA_DIR_IN_USE', message: /holding the file lock/ })
  t.match(await second.stderr, new RegExp(`stop process ${etcd.child.pid}`))

  const acknowledged = new Map<string, string>()
  let last = 0
  let killed = false
  const write = async (writer: number) => {
    for (let i = 0; !killed; i++) {
      const key = `${writer}/${i % 50}`
      const reply = await etcd.post('/v3/kv/put', put(key, `${i}`)).catch(() => undefined)
      if (reply?.status !== 200) return
      acknowledged.set(key, `${i}`)
      last = Math.max(last, Number(reply.json.header.revision))
      if (last > 400) killed ||= etcd.child.kill('SIGKILL')
    }
  }
  await Promise.all(Array.from({ length: 8 }, (_, writer) => write(writer)))
  await etcd.exit

  const again = await startChild(t, dir)
  const reply = await again.post('/v3/kv/range', all)
  const found = contents(reply)
  // a write that was under way when it died may have gone through, too
  const lost = [...acknowledged].filter(([key, value]) => !(Number(found[key]) >= Number(value)))
  t.strictSame(lost, [])
  t.ok(acknowledged.size > 100)
  t.ok(Number(reply.json.header.revision) >= last)
})

t.test('history, leases, compaction and alarms outlive a restart', async t => {
  const flags = [`--data-dir=${join(t.testdir(), 'data')}`]
  const first = await startPlain(t, { flags, keep: true })
  for (const value of ['1', '2', '3', '4']) await first.post('/v3/kv/put', put('a', value))
  await first.post('/v3/lease/grant', { ID: '7587899124538407457', TTL: '100' })
  await first.post('/v3/kv/put', { ...put('leased', 'x'), lease: '7587899124538407457' })
  await first.post('/v3/kv/deleterange', { key: b64('nothing') })
  await first.post('/v3/kv/txn', {
    compare: [],
    success: [{ request_put: put('b', '1') }, { request_put: put('c', '1') }],
  })
  await first.post('/v3/kv/compaction', { revision: '3' })
  await first.post('/v3/kv/put', { ...put('d', '1'), lease: '999' })
  const before = await first.post('/v3/kv/range', all)
  await first.stop()

  const second = await startPlain(t, { flags })
  t.strictSame((await second.post('/v3/kv/range', all)).json, before.json)
  t.match((await second.post('/v3/kv/range', { key: b64('a'), revision: '3' })).json.kvs, [{ value: b64('2') }])
  t.match((await second.post('/v3/kv/range', { key: b64('a'), revision: '2' })).json, { code: 11 })
  t.match((await second.post('/v3/lease/timetolive', { ID: '7587899124538407457', keys: true })).json, {
    grantedTTL: '100',
    keys: [b64('leased')],
  })
  t.match(
    (await second.post('/v3/kv/put', put('a', '5'))).json.header.revision,
    String(Number(before.json.header.revision) + 1),
  )
})

t.test('on a full disk writes are refused in etcd’s words, reads go on, and nothing acknowledged is lost', async t => {
  const dir = join(t.testdir(), 'data')
  const etcd = await startChild(t, dir, 200)
  const kept: string[] = []
  let refusal: Reply | undefined
  for (let i = 0; !refusal; i++) {
    const reply = await etcd.post('/v3/kv/put', put(`k${i}`, 'x'.repeat(20_000)))
    if (reply.status === 200) kept.push(`k${i}`)
    else refusal = reply
  }
  t.match(refusal.json, { code: 8, message: 'etcdserver: mvcc: database space exceeded' })
  t.strictSame(Object.keys(contents(await etcd.post('/v3/kv/range', all))).sort(), kept.sort())
  t.match(await etcd.post('/v3/kv/put', put('small', 'x')), { status: 200 }, 'what still fits is written')
  etcd.child.kill('SIGKILL')
  await etcd.exit
  const again = await startChild(t, dir)
  t.strictSame(Object.keys(contents(await again.post('/v3/kv/range', all))).sort(), [...kept, 'small'].sort())
})

// the journal alone

const self = { id: 1n, name: 'm', peerUrls: [], clientUrls: [] }
const alone: ClusterInfo = {
  id: 1n,
  self,
  members: [self],
  leader: 1n,
  raftTerm: 2,
  first: 1n,
  version: '3.5.16',
  clusterVersion: '3.5.0',
}

const open = async (dir: string, snapshotBytes?: number) =>
  openDataDir(dir, {
    log: silentLog,
    onSync() {},
    onFatal(error) {
      throw error
    },
    ...(snapshotBytes === undefined ? {} : { snapshotBytes }),
  })
type Opened = Awaited<ReturnType<typeof open>>
const append = (journal: Opened, entry: Entry) =>
  new Promise<void>((resolve, reject) => journal.append(entry, error => (error ? reject(error) : resolve())))
const entry = (i: number): Entry => ({ put: { key: `k${i}`, value: `\0\xff"\\${i}`, lease: BigInt(i) } })
const logOf = (dir: string) => join(dir, 'trustplane', '0000000000000001.wal')
/** Where the last record ends: the rest is filled with zeros. */
const endOf = (file: Buffer) => file.length - [...file].reverse().findIndex(byte => byte !== 0)

async function written(dir: string, count: number): Promise<void> {
  const journal = await open(dir)
  await journal.load()
  for (let i = 0; i < count; i++) await append(journal, entry(i))
  await journal.close()
}

t.test('bytes of every value, and ids of 63 bits, come back from the log as they were', async t => {
  const dir = join(t.testdir(), 'data')
  await written(dir, 3)
  const journal = await open(dir)
  t.strictSame([...(await journal.load()).entries], [entry(0), entry(1), entry(2)])
  await append(journal, { leaseGrant: { id: 2n ** 62n + 1n, ttl: 5 } })
  await journal.close()
  const again = await open(dir)
  t.strictSame([...(await again.load()).entries].at(-1), { leaseGrant: { id: 2n ** 62n + 1n, ttl: 5 } })
  await again.close()
})

t.test('a write that was cut short at any byte is left out, and what came before it stays', async t => {
  const dir = join(t.testdir(), 'data')
  await written(dir, 4)
  const whole = readFileSync(logOf(dir))
  const end = endOf(whole)
  const threeEnd = whole.lastIndexOf('TPe1')
  for (const size of [threeEnd, threeEnd + 1, threeEnd + 15, threeEnd + 16, threeEnd + 30, end - 1]) {
    writeFileSync(logOf(dir), whole.subarray(0, size))
    const journal = await open(dir)
    t.equal([...(await journal.load()).entries].length, 3, `cut at ${size}`)
    await append(journal, entry(9))
    await journal.close()
    const again = await open(dir)
    t.strictSame([...(await again.load()).entries].at(-1), entry(9), 'and the log goes on after it')
    await again.close()
  }
})

t.test('damage to what had been synced is refused, not skipped', async t => {
  const dir = join(t.testdir(), 'data')
  await written(dir, 6)
  const bytes = readFileSync(logOf(dir))
  bytes[30] = bytes[30]! ^ 1
  writeFileSync(logOf(dir), bytes)
  const journal = await open(dir)
  await t.rejects(journal.load(), {
    code: 'TP_DATA_DIR_INVALID',
    message: /crc mismatch.*at byte 0/,
    fix: /put back a copy/,
  })
  await journal.close()
})

t.test('the data directory is for its user alone', async t => {
  const dir = join(t.testdir(), 'deep', 'data')
  await written(dir, 1)
  t.equal(statSync(dir).mode & 0o777, 0o700)
  t.equal(statSync(join(dir, 'trustplane')).mode & 0o777, 0o700)
  t.equal(statSync(logOf(dir)).mode & 0o777, 0o600)
})

t.test('a real etcd’s data directory is not taken for ours', async t => {
  const dir = t.testdir({ member: { wal: {} } })
  await t.rejects(open(dir), { code: 'TP_DATA_DIR_INVALID', message: /a real etcd's data/ })
})

t.test(
  'a log that has grown is replaced by a snapshot, with history, and a crash between the two loses nothing',
  async t => {
    const dir = join(t.testdir(), 'data')
    const options = {
      cluster: alone,
      maxTxnOps: 128,
      maxRequestBytes: 1e6,
      quotaBytes: 1e9,
      progressIntervalMs: 1e6,
    }
    const start = async () => {
      const server = new EtcdServer(options)
      await server.recover(await open(dir, 20_000))
      return server
    }
    const first = await start()
    await first.leaseGrant(7n, 100)
    for (let i = 0; i < 100; i++) await first.put({ key: `k${i % 7}`, value: 'x'.repeat(1000) + i, lease: 7n })
    await first.compact({ revision: 10 })
    const before = first.snapshot()
    await first.stop()
    const files = readdirSync(join(dir, 'trustplane')).sort()
    const snapshot = files.find(name => name.endsWith('.snap'))!
    t.ok(snapshot > '0000000000000002', `several in turn: ${files}`)
    t.equal(files.filter(name => name.endsWith('.snap')).length, 1, 'the last one is kept')
    t.notOk(files.includes('0000000000000001.wal'), 'the first log is gone')

    // a snapshot that was being written
    writeFileSync(join(dir, 'trustplane', '0000000000000099.snap.tmp'), 'half')
    const second = await start()
    t.strictSame(second.snapshot(), before)
    t.match(second.store.get('k0', 50), { version: Number, lease: 7n })
    await second.stop()

    truncateSync(join(dir, 'trustplane', snapshot), 1000)
    await t.rejects(start(), { code: 'TP_DATA_DIR_INVALID' })
  },
)

t.test('without --data-dir nothing is written, and a data directory that cannot be made is named', async t => {
  const file = join(t.testdir({ file: '' }), 'file')
  await t.rejects(startPlain(t, { flags: [`--data-dir=${file}/x`], context: testContext(), keep: true }), {
    code: 'TP_FILE_UNREADABLE',
    message: /cannot access data directory/,
  })
})
