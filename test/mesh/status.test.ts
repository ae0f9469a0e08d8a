import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { newRecords } from '../../src/mesh/records.ts'
import { type ConnectionStatus, readStatus, statusOf } from '../../src/mesh/status.ts'
import { joinHandshakes } from '../../src/tls/records.ts'
import type { HandshakeRecord } from '../../src/tls/types.ts'

let second = 0
const at = (seconds: number) => new Date(Date.UTC(2026, 10, 24, 12, 0, seconds)).toISOString()

function record(end: 'client' | 'server', handshake: string, more: Partial<HandshakeRecord> = {}): HandshakeRecord {
  return {
    time: at(second++),
    handshake,
    observer: end === 'client' ? 'kube-apiserver' : 'etcd',
    end,
    ...(end === 'client' ? { from: 'kube-apiserver' } : {}),
    to: 'etcd',
    address: '127.0.0.1:2379',
    port: 2379,
    outcome: 'ok',
    ...more,
  }
}
const row = (records: HandshakeRecord[], options = {}): ConnectionStatus =>
  statusOf(joinHandshakes(records), options).find(one => one.from === 'kube-apiserver' && one.to === 'etcd')!

t.test('without records nothing is known', async t => {
  t.ok(readStatus(t.testdir()).every(({ outcome }) => outcome === 'unknown'))
})

t.test('both ends well is ok, and both are shown', async t => {
  t.match(row([record('client', 'a'), record('server', 'a')]), {
    outcome: 'ok',
    handshake: 'a',
    client: {},
    server: {},
  })
})

t.test('what both ends said holds until both have told of the next handshake', async t => {
  const refused = { outcome: 'refused', refusedBy: 'server', reason: 'expired' } as const
  const first = [record('client', 'a'), record('server', 'a', refused)]
  t.match(row([...first, record('client', 'b')]), { outcome: 'refused', handshake: 'a' })
  t.match(row([...first, record('client', 'b'), record('server', 'b')]), { outcome: 'ok', handshake: 'b' })
  t.match(row([...first, record('client', 'b', { outcome: 'unreachable' })]), {
    outcome: 'unreachable',
    handshake: 'b',
  })
})

t.test('a server’s refusal counts, also where the client had finished its handshake', async t => {
  const status = row([
    record('client', 'a'),
    record('server', 'a', {
      outcome: 'refused',
      refusedBy: 'server',
      layer: 'tls',
      reason: 'expired',
      message: 'x509: expired',
      bundle: '/pki/etcd/ca.crt',
    }),
  ])
  t.match(status, {
    outcome: 'refused',
    refusedBy: 'server',
    layer: 'tls',
    reason: 'expired',
    message: 'x509: expired',
    decidedBy: 'etcd --trusted-ca-file=/pki/etcd/ca.crt',
  })
})

t.test('the reason is that of the end that refused: the other has only the alert or the 401', async t => {
  const status = row([
    record('client', 'a', { outcome: 'refused', refusedBy: 'server', layer: 'authentication', reason: 'unauthorized' }),
    record('server', 'a', { outcome: 'refused', refusedBy: 'server', layer: 'authentication', reason: 'expired' }),
  ])
  t.match(status, { reason: 'expired', layer: 'authentication', refusedBy: 'server' })
})

t.test('a real server writes no record: the client’s word stands', async t => {
  const refusal = { outcome: 'refused', refusedBy: 'server', layer: 'tls', reason: 'malformed' } as const
  t.match(row([record('client', 'a', refusal)]), refusal)
})

t.test('the latest handshake counts', async t => {
  const refusal = { outcome: 'refused', refusedBy: 'client', layer: 'tls', reason: 'expired' } as const
  t.equal(row([record('client', 'a', refusal), record('client', 'b')]).outcome, 'ok')
  t.equal(row([record('client', 'a'), record('client', 'b', refusal)]).outcome, 'refused')
})

t.test('a later record of one end supersedes its earlier one', async t => {
  const status = row([
    record('client', 'a'),
    record('client', 'a', { outcome: 'refused', refusedBy: 'server', layer: 'authorization', reason: 'forbidden' }),
  ])
  t.match(status, { outcome: 'refused', layer: 'authorization', decidedBy: 'etcd --authorization-mode' })
})

t.test('whom nobody could reach is unreachable, with the words of the dial', async t => {
  const words = 'dial tcp 127.0.0.1:2379: connect: connection refused'
  t.match(row([record('client', '', { outcome: 'unreachable', message: words })]), {
    outcome: 'unreachable',
    reason: 'unreachable',
    message: words,
  })
})

t.test('a real client is known by its certificate', async t => {
  const peer = [{ sha256: 'abc' }] as HandshakeRecord['peer']
  const records = [record('server', 'a', { peer })]
  t.equal(row(records).outcome, 'unknown')
  t.equal(
    row(records, { ownerOf: (sha256: string) => (sha256 === 'abc' ? 'kube-apiserver' : undefined) }).outcome,
    'ok',
  )
})

t.test('what was before this run is left out', async t => {
  t.equal(row([record('client', 'a')], { since: '2030' }).outcome, 'unknown')
})

t.test('records are read from every component’s file, and a half-written line is passed over', async t => {
  const dir = t.testdir()
  mkdirSync(join(dir, 'connections'))
  const text = (one: HandshakeRecord) => `${JSON.stringify(one)}\n`
  writeFileSync(join(dir, 'connections/kube-apiserver.jsonl'), `${text(record('client', 'a'))}{"time":"2026`)
  writeFileSync(join(dir, 'connections/etcd.jsonl'), text(record('server', 'a')))
  t.match(
    readStatus(dir).find(one => one.to === 'etcd' && one.from === 'kube-apiserver'),
    {
      outcome: 'ok',
      client: { end: 'client' },
      server: { end: 'server' },
    },
  )
})

t.test('new records are those written since, each once, and only whole lines', async t => {
  const dir = t.testdir()
  mkdirSync(join(dir, 'connections'))
  const file = join(dir, 'connections/etcd.jsonl')
  const line = (id: string) => `${JSON.stringify(record('server', id))}\n`
  writeFileSync(file, line('old'))
  const read = newRecords(dir)
  t.strictSame(read(), [])
  const half = line('c').slice(0, 20)
  writeFileSync(file, line('a') + line('b') + half, { flag: 'a' })
  t.strictSame(
    read().map(one => one.handshake),
    ['a', 'b'],
  )
  writeFileSync(file, line('c').slice(20), { flag: 'a' })
  writeFileSync(join(dir, 'connections/kubelet.jsonl'), line('d'))
  t.strictSame(
    read()
      .map(one => one.handshake)
      .toSorted(),
    ['c', 'd'],
  )
})
