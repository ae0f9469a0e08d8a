import { Code, ConnectError, createClient } from '@connectrpc/connect'
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node'
import t, { type Test } from 'tap'
import * as pb from '#components/etcd/gen/etcdserverpb/rpc_pb.ts'
import { startPlain } from './harness.ts'

const bytes = (text: string) => new Uint8Array(Buffer.from(text))
const text = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString()

async function startGrpc(t: Test) {
  const etcd = await startPlain(t)
  const sessionManager = new Http2SessionManager(etcd.url)
  t.teardown(() => sessionManager.abort())
  const transport = createGrpcTransport({ baseUrl: etcd.url, sessionManager })
  return {
    etcd,
    kv: createClient(pb.KV, transport),
    watch: createClient(pb.Watch, transport),
    lease: createClient(pb.Lease, transport),
    maintenance: createClient(pb.Maintenance, transport),
    auth: createClient(pb.Auth, transport),
  }
}

t.test('what is put over gRPC is ranged, changed in transactions and deleted over it, every byte of it', async t => {
  const { kv } = await startGrpc(t)
  const value = new Uint8Array(256).map((_, i) => i)
  await kv.put({ key: value.slice(1), value })
  const { kvs, count, header } = await kv.range({ key: value.slice(1) })
  t.strictSame([kvs[0]!.key, kvs[0]!.value, kvs[0]!.version, count], [value.slice(1), value, 1n, 1n])
  t.equal(header?.revision, 2n)
  const txn = await kv.txn({
    compare: [
      { key: value.slice(1), target: pb.Compare_CompareTarget.VALUE, targetUnion: { case: 'value', value } },
      {
        key: value.slice(1),
        target: pb.Compare_CompareTarget.MOD,
        result: pb.Compare_CompareResult.LESS,
        targetUnion: { case: 'modRevision', value: 3n },
      },
    ],
    success: [
      { request: { case: 'requestPut', value: { key: bytes('a'), value: bytes('1') } } },
      {
        request: {
          case: 'requestTxn',
          value: { success: [{ request: { case: 'requestRange', value: { key: bytes('a') } } }] },
        },
      },
    ],
  })
  t.ok(txn.succeeded)
  const nested = txn.responses[1]!.response
  t.equal(nested.case, 'responseTxn')
  if (nested.case === 'responseTxn' && nested.value.responses[0]!.response.case === 'responseRange') {
    t.equal(text(nested.value.responses[0]!.response.value.kvs[0]!.value), '1')
  }
  t.equal((await kv.deleteRange({ key: bytes('\0'), rangeEnd: bytes('\0'), prevKv: true })).deleted, 2n)
})

t.test('errors carry etcd’s code and words', async t => {
  const { kv, lease, auth } = await startGrpc(t)
  for (const [call, code, message] of [
    [() => kv.put({}), Code.InvalidArgument, 'etcdserver: key is not provided'],
    [
      () => kv.range({ key: bytes('a'), revision: 9n }),
      Code.OutOfRange,
      'etcdserver: mvcc: required revision is a future revision',
    ],
    [() => lease.leaseRevoke({ ID: 5n }), Code.NotFound, 'etcdserver: requested lease not found'],
    [() => auth.authEnable({}), Code.FailedPrecondition, 'etcdserver: root user does not exist'],
    [() => auth.userAdd({}), Code.Unimplemented, 'etcdserver: users and roles are not kept'],
  ] as const) {
    const error = await (call() as Promise<unknown>).then(
      () => undefined,
      thrown => thrown as ConnectError,
    )
    t.type(error, ConnectError)
    t.strictSame([error?.code, error?.rawMessage], [code, message])
  }
})

t.test('several watches share a stream and end with it', async t => {
  const { kv, watch, etcd } = await startGrpc(t)
  await kv.put({ key: bytes('a'), value: bytes('1') })
  let cancel = () => {}
  const cancelled = new Promise<void>(resolve => {
    cancel = resolve
  })
  async function* requests() {
    yield { requestUnion: { case: 'createRequest' as const, value: { key: bytes('a'), startRevision: 1n } } }
    yield { requestUnion: { case: 'createRequest' as const, value: { key: bytes('b'), watchId: 8n, prevKv: true } } }
    await cancelled
    yield { requestUnion: { case: 'cancelRequest' as const, value: { watchId: 8n } } }
    await new Promise(() => {})
  }
  const abort = new AbortController()
  const seen: string[] = []
  try {
    for await (const { watchId, created, canceled, events } of watch.watch(requests(), { signal: abort.signal })) {
      const what = created
        ? 'created'
        : canceled
          ? 'canceled'
          : events.map(({ kv }) => `${text(kv?.key)}=${text(kv?.value)}`)
      seen.push(`${watchId} ${what}`)
      if (watchId === 8n && created) await kv.put({ key: bytes('b'), value: bytes('2') })
      if (watchId === 8n && events.length > 0) cancel()
      if (canceled) break
    }
  } finally {
    abort.abort()
  }
  t.strictSame(seen, ['0 created', '0 a=1', '8 created', '8 b=2', '8 canceled'])
  // its server side is gone, too
  const gone = () => etcd.get('/metrics').then(({ text }) => /etcd_debugging_mvcc_watcher_total 0\n/.test(text))
  while (!(await gone())) await new Promise(setImmediate)
})

t.test('leases are granted, kept alive, looked at and revoked', async t => {
  const { lease, kv } = await startGrpc(t)
  const { ID, TTL } = await lease.leaseGrant({ TTL: 60n })
  t.equal(TTL, 60n)
  await kv.put({ key: bytes('a'), lease: ID })
  async function* twice() {
    yield { ID }
    yield { ID: 12345n }
  }
  const ttls: bigint[] = []
  for await (const response of lease.leaseKeepAlive(twice())) ttls.push(response.TTL)
  t.strictSame(ttls, [60n, 0n])
  t.match(await lease.leaseTimeToLive({ ID, keys: true }), { grantedTTL: 60n, keys: { length: 1 } })
  t.strictSame(
    (await lease.leaseLeases({})).leases.map(({ ID }) => ID),
    [ID],
  )
  await lease.leaseRevoke({ ID })
  t.equal((await kv.range({ key: bytes('a') })).count, 0n)
})

t.test('a snapshot comes in pieces, and its digest last', async t => {
  const { kv, maintenance } = await startGrpc(t)
  for (let i = 0; i < 20; i++) await kv.put({ key: bytes(`k${i}`), value: new Uint8Array(5000) })
  const { createHash } = await import('node:crypto')
  const blobs: Uint8Array[] = []
  for await (const { blob } of maintenance.snapshot({})) blobs.push(blob)
  const digest = blobs.pop()!
  t.ok(blobs.length > 2)
  t.strictSame(new Uint8Array(createHash('sha256').update(Buffer.concat(blobs)).digest()), digest)
  t.equal(Buffer.concat(blobs).readUInt32LE(16), 0xed0cdaed, 'a bbolt file')
})

t.test('a method or service that is not there is unimplemented, and a message too large is refused', async t => {
  const { kv, etcd } = await startGrpc(t)
  const http2 = await import('node:http2')
  const session = http2.connect(etcd.url)
  t.teardown(() => session.close())
  const stream = session.request({
    ':method': 'POST',
    ':path': '/etcdserverpb.Nothing/Do',
    'content-type': 'application/grpc',
  })
  const status = new Promise(resolve => stream.once('response', headers => resolve(headers['grpc-status'])))
  stream.end()
  t.equal(await status, '12')
  stream.close()
  await t.rejects(kv.put({ key: bytes('a'), value: new Uint8Array(3_000_000) }), { code: Code.ResourceExhausted })
  await t.resolves(kv.put({ key: bytes('a') }))
})

t.test('--listen-metrics-urls serves health and metrics, and nothing else', async t => {
  const etcd = await startPlain(t, { flags: ['--listen-metrics-urls=http://127.0.0.1:0'] })
  const url = `http://127.0.0.1:${etcd.addresses.metrics!.port}`
  t.equal((await fetch(`${url}/health`)).status, 200)
  t.match(await (await fetch(`${url}/metrics`)).text(), /etcd_server_has_leader 1/)
  t.equal((await fetch(`${url}/v3/kv/range`, { method: 'POST', body: '{}' })).status, 404)
})
