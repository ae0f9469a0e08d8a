import { appendFileSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { fileRecords, joinHandshakes, memoryRecords, readRecords, teeRecords } from '#tls/records.ts'
import type { HandshakeRecord } from '#tls/types.ts'

const record = (more: Partial<HandshakeRecord> = {}): HandshakeRecord => ({
  time: '2026-11-24T10:00:00.000Z',
  handshake: 'aa',
  observer: 'etcd',
  end: 'server',
  to: 'etcd',
  address: '127.0.0.1:50000',
  port: 2379,
  outcome: 'ok',
  ...more,
})

t.test('records are lines of JSON, readable by the owner alone', async t => {
  const dir = t.testdir()
  const path = join(dir, 'connections', 'etcd.jsonl')
  const sink = fileRecords(path)
  sink.write(record())
  sink.write(record({ handshake: 'bb' }))
  await sink.close()
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
  t.strictSame(
    lines.map(line => JSON.parse(line)),
    [record(), record({ handshake: 'bb' })],
  )
  t.equal(statSync(path).mode & 0o777, 0o600)
  const again = fileRecords(path)
  again.write(record({ handshake: 'cc' }))
  await again.close()
  t.equal(readRecords(dir).length, 3, 'a component that starts again appends')
})

t.test('all components are read, in order of time, without a half-written line', async t => {
  const dir = t.testdir()
  for (const [name, time] of [
    ['etcd', '02'],
    ['kube-apiserver', '01'],
  ] as const) {
    const sink = fileRecords(join(dir, 'connections', `${name}.jsonl`))
    sink.write(record({ observer: name, time: `2026-11-24T10:00:${time}.000Z` }))
    await sink.close()
  }
  appendFileSync(join(dir, 'connections', 'etcd.jsonl'), '{"time":"2026-11-24T10:00')
  t.strictSame(
    readRecords(dir).map(({ observer }) => observer),
    ['kube-apiserver', 'etcd'],
  )
  // the process that died in the middle of a line comes back
  const sink = fileRecords(join(dir, 'connections', 'etcd.jsonl'))
  sink.write(record({ handshake: 'after' }))
  await sink.close()
  t.ok(
    readRecords(dir).some(({ handshake }) => handshake === 'after'),
    'what comes after the half line is read',
  )
  t.strictSame(readRecords(join(dir, 'nowhere')), [])
})

t.test('a file that grew large is put aside, and is still read', async t => {
  const dir = t.testdir({ connections: {} })
  const path = join(dir, 'connections', 'etcd.jsonl')
  const line = `${JSON.stringify(record())}\n`
  writeFileSync(path, line.repeat(Math.ceil((8 * 1024 * 1024) / line.length) + 1))
  const sink = fileRecords(path)
  sink.write(record({ handshake: 'new' }))
  await sink.close()
  t.ok(statSync(path).size < 1000)
  t.equal(readRecords(dir).at(-1)?.handshake, 'new')
})

t.test('a disk that takes no more does not stop whoever records', async t => {
  const dir = t.testdir({ connections: {} })
  const sink = fileRecords(join(dir, 'connections', 'etcd.jsonl'))
  sink.write(record())
  await sink.close()
  sink.write(record())
  t.equal(readRecords(dir).length, 1)
})

t.test('both ends are joined by the handshake; a later record supersedes', async t => {
  const joined = joinHandshakes([
    record({ end: 'client', observer: 'kube-apiserver', from: 'kube-apiserver' }),
    record(),
    record({
      end: 'client',
      observer: 'kube-apiserver',
      from: 'kube-apiserver',
      outcome: 'refused',
      refusedBy: 'server',
    }),
    record({ handshake: 'bb' }),
    record({ handshake: '', end: 'client', outcome: 'unreachable' }),
    record({ handshake: '', end: 'client', outcome: 'unreachable' }),
  ])
  t.match(joined, [
    { handshake: 'aa', client: { outcome: 'refused' }, server: { outcome: 'ok' } },
    { handshake: 'bb', server: { outcome: 'ok' } },
    { client: { outcome: 'unreachable' } },
    { client: { outcome: 'unreachable' } },
  ])
  t.equal(joined.length, 4)
})

t.test('a client that never heard an id is joined by the addresses of the connection', async t => {
  const server = record({ outcome: 'refused', reason: 'protocol-version', address: '127.0.0.1:50001' })
  const client = record({
    handshake: '',
    end: 'client',
    local: '127.0.0.1:50001',
    address: 'localhost:2379',
    outcome: 'refused',
  })
  t.match(joinHandshakes([server, record({ handshake: 'bb' }), client]), [
    { handshake: 'aa', client: { handshake: 'aa', outcome: 'refused' }, server: { reason: 'protocol-version' } },
    { handshake: 'bb' },
  ])
  t.equal(joinHandshakes([client]).length, 1)
})

t.test('memory keeps the last ones, and several sinks get the same', async t => {
  const [one, two] = [memoryRecords(2), memoryRecords()]
  const both = teeRecords(one, two)
  const found = two.find(({ handshake }) => handshake === '3')
  for (const handshake of ['1', '2', '3']) both.write(record({ handshake }))
  await both.close()
  t.strictSame(
    one.records.map(({ handshake }) => handshake),
    ['2', '3'],
  )
  t.equal((await found).handshake, '3')
  t.equal(two.records.length, 3)
})
