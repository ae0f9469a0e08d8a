import { connect } from 'node:net'
import t from 'tap'
import { request } from 'undici'
import { b64, startPlain, testContext } from './harness.ts'

// What real etcd 3.4.23 answers to each of these was recorded; test/interop/etcd-equivalence.test.ts asks it again.

const a = { key: b64('a') }

t.test('int64 are strings, defaults are left out, fields come in etcd’s order', async t => {
  const etcd = await startPlain(t, { context: testContext('go1.19') })
  const header = '"cluster_id":"14841639068965178418","member_id":"10276657743932975437"'
  t.equal(
    (await etcd.post('/v3/kv/put', { ...a, value: b64('1') })).text,
    `{"header":{${header},"revision":"2","raft_term":"2"}}`,
  )
  t.equal(
    (await etcd.post('/v3/kv/range', a)).text,
    `{"header":{${header},"revision":"2","raft_term":"2"},"kvs":[{"key":"YQ==","create_revision":"2","mod_revision":"2","version":"1","value":"MQ=="}],"count":"1"}`,
  )
  t.equal(
    (await etcd.post('/v3/kv/range', { key: b64('b') })).text,
    `{"header":{${header},"revision":"2","raft_term":"2"}}`,
  )
  t.equal(
    (await etcd.post('/v3/kv/txn', { success: [{ request_range: a }, { request_put: { ...a, prevKv: true } }] })).text,
    `{"header":{${header},"revision":"3","raft_term":"2"},"succeeded":true,"responses":[{"response_range":{"header":{"revision":"2"},"kvs":[{"key":"YQ==","create_revision":"2","mod_revision":"2","version":"1","value":"MQ=="}],"count":"1"}},{"response_put":{"header":{"revision":"3"},"prev_kv":{"key":"YQ==","create_revision":"2","mod_revision":"2","version":"1","value":"MQ=="}}}]}`,
  )
  t.match((await etcd.post('/v3/maintenance/status', {})).json, { version: '3.4.23', dbSize: '20480', raftTerm: '2' })
})

const refusals: readonly [path: string, body: string, status: number, code: number, message: string][] = [
  ['/v3/kv/put', '{', 400, 3, 'unexpected EOF'],
  ['/v3/kv/put', '{key:1}', 400, 3, "invalid character 'k' looking for beginning of object key string"],
  ['/v3/kv/put', '{"key":"a" "b"}', 400, 3, `invalid character '"' after object key:value pair`],
  ['/v3/kv/put', '{"key":tru}', 400, 3, "invalid character '}' in literal true (expecting 'e')"],
  ['/v3/kv/put', '[]', 400, 3, 'json: cannot unmarshal array into Go value of type map[string]json.RawMessage'],
  ['/v3/kv/put', '{"key":12}', 400, 3, 'json: cannot unmarshal number into Go value of type []uint8'],
  ['/v3/kv/put', '{"key":"YWJj","value":"YmF"}', 400, 3, 'illegal base64 data at input byte 0'],
  ['/v3/kv/put', '{"key":"YW-j"}', 400, 3, 'illegal base64 data at input byte 2'],
  ['/v3/kv/put', '{"key":"YW="}', 400, 3, 'illegal base64 data at input byte 3'],
  ['/v3/kv/put', '', 400, 3, 'etcdserver: key is not provided'],
  ['/v3/kv/put', '{"key":"YQ==","lease":"77"}', 404, 5, 'etcdserver: requested lease not found'],
  ['/v3/kv/put', '{"key":"YQ==","ignore_value":true,"value":"YQ=="}', 400, 3, 'etcdserver: value is provided'],
  [
    '/v3/kv/range',
    '{"key":"YQ==","revision":"99"}',
    400,
    11,
    'etcdserver: mvcc: required revision is a future revision',
  ],
  ['/v3/kv/range', '{"key":"YQ==","limit":"x"}', 400, 3, "invalid character 'x' looking for beginning of value"],
  [
    '/v3/kv/range',
    '{"key":"YQ==","limit":1.5}',
    400,
    3,
    'json: cannot unmarshal number 1.5 into Go value of type int64',
  ],
  [
    '/v3/kv/range',
    '{"key":"YQ==","limit":9223372036854775808}',
    400,
    3,
    'json: cannot unmarshal number 9223372036854775808 into Go value of type int64',
  ],
  [
    '/v3/kv/range',
    '{"key":"YQ==","sort_order":"BOGUS"}',
    400,
    3,
    'unknown value "BOGUS" for enum etcdserverpb.RangeRequest_SortOrder',
  ],
  ['/v3/kv/compaction', '{"revision":"9"}', 400, 11, 'etcdserver: mvcc: required revision is a future revision'],
  ['/v3/lease/revoke', '{"ID":"5"}', 404, 5, 'etcdserver: requested lease not found'],
  ['/v3/lease/grant', '{"TTL":"9000000001"}', 400, 11, 'etcdserver: too large lease TTL'],
  ['/v3/auth/enable', '{}', 412, 9, 'etcdserver: root user does not exist'],
]
t.test('what is refused is refused with etcd’s status, code and words, and the server goes on', async t => {
  const etcd = await startPlain(t, { context: testContext('go1.19') })
  for (const [path, body, status, code, message] of refusals) {
    const reply = await etcd.post(path, body)
    t.strictSame(
      [reply.status, reply.text],
      [status, JSON.stringify({ error: message, message, code })],
      `${path} ${body}`,
    )
  }
  t.match(await etcd.post('/v3/kv/range', a), { status: 200 })
})

t.test('the newer voice has the newer gateway’s order and statuses', async t => {
  const etcd = await startPlain(t)
  const words = 'etcdserver: root user does not exist'
  t.match(await etcd.post('/v3/auth/enable', {}), {
    status: 400,
    text: JSON.stringify({ error: words, code: 9, message: words }),
  })
  t.match((await etcd.get('/health')).text, '{"health":"true","reason":""}')
  t.match((await etcd.get('/version')).text, /^\{"etcdserver":"3\.5\.\d+","etcdcluster":"3\.5\.0"\}$/)
  t.match((await etcd.get('/readyz?verbose')).text, /^\[\+\]data_corruption ok\n.*readyz check passed\n$/s)
  t.match(await etcd.get('/livez/serializable_read?exclude=serializable_read&verbose'), { text: /excluded: ok/ })
})

t.test('a long list is the same text as a short one', async t => {
  const etcd = await startPlain(t)
  const value = b64(String.fromCharCode(...Array.from({ length: 128 }, (_, i) => i)).repeat(200))
  for (let i = 0; i < 10; i++) await etcd.post('/v3/kv/put', { key: b64(`k${i}`), value })
  const list = { key: b64('k'), range_end: b64('l') }
  const { json, text } = await etcd.post('/v3/kv/range', { ...list, limit: '9' })
  t.equal(text, JSON.stringify(json), 'no space, no comma too many')
  t.match(json, { kvs: { length: 9 }, more: true, count: '10' })
  t.ok(json.kvs.every((kv: { value: string }) => kv.value === value))
  t.match((await etcd.post('/v3/kv/range', { ...list, keys_only: true })).json.kvs, { length: 10 })
})

t.test('lease ids written as numbers keep all their digits', async t => {
  const etcd = await startPlain(t)
  const reply = await etcd.post('/v3/lease/grant', '{"TTL":60,"ID":7587899124538407459}')
  t.equal(reply.json.ID, '7587899124538407459')
  t.match((await etcd.post('/v3/lease/timetolive', '{"ID":7587899124538407459}')).json, { grantedTTL: '60' })
})

t.test(
  'a request larger than --max-request-bytes is refused, a transaction longer than --max-txn-ops, too',
  async t => {
    const etcd = await startPlain(t, { flags: ['--max-request-bytes=1000', '--max-txn-ops=2'] })
    const words = 'etcdserver: request is too large'
    t.match(await etcd.post('/v3/kv/put', { ...a, value: b64('x'.repeat(1001)) }), {
      status: 400,
      json: { message: words },
    })
    t.match(await etcd.post('/v3/kv/put', { ...a, value: b64('x'.repeat(900_000)) }), {
      status: 400,
      json: { message: words },
    })
    const request_range = a
    const long = { success: [{ request_range }, { request_range }, { request_range }] }
    t.match(await etcd.post('/v3/kv/txn', long), {
      json: { message: 'etcdserver: too many operations in txn request' },
    })
  },
)

t.test('beyond the quota writes are refused until the alarm is disarmed; deletes are taken', async t => {
  const etcd = await startPlain(t, { flags: ['--quota-backend-bytes=5000'] })
  await etcd.post('/v3/kv/put', { ...a, value: b64('x'.repeat(6000)) })
  const memberID = '10276657743932975437'
  const alarm = { memberID, alarm: 'NOSPACE' }
  t.match(await etcd.post('/v3/kv/put', a), {
    status: 429,
    json: { message: 'etcdserver: mvcc: database space exceeded' },
  })
  t.strictSame((await etcd.post('/v3/maintenance/alarm', {})).json, { alarms: [alarm] })
  t.match(await etcd.get('/health'), { status: 503, json: { health: 'false' } })
  t.match((await etcd.post('/v3/kv/deleterange', a)).json, { deleted: '1' })
  t.match(await etcd.post('/v3/kv/compaction', { revision: '3' }), { status: 200 })
  t.match(await etcd.post('/v3/kv/put', a), { status: 429 })
  t.strictSame((await etcd.post('/v3/maintenance/alarm', { action: 'DEACTIVATE', ...alarm })).json, { alarms: [alarm] })
  t.match(await etcd.post('/v3/kv/put', a), { status: 200 })
})

t.test('a lease that nobody keeps alive ends, and its keys with it', async t => {
  const etcd = await startPlain(t)
  await etcd.post('/v3/lease/grant', { ID: '5', TTL: '1' })
  await etcd.post('/v3/kv/put', { ...a, lease: '5' })
  const watch = await watchLines(etcd.url, { create_request: a })
  t.match(await watch.next(), { created: true })
  t.match(await watch.next(), { events: [{ type: 'DELETE', kv: { mod_revision: '3' } }] })
  t.equal((await etcd.post('/v3/lease/timetolive', { ID: '5' })).json.TTL, '-1')
  watch.end()
})

t.test('a watch streams lines, takes more requests on the way, and ends with its client', async t => {
  const etcd = await startPlain(t)
  await etcd.post('/v3/kv/put', { ...a, value: b64('1') })
  const watch = await watchLines(etcd.url, { create_request: { ...a, start_revision: '2', prev_kv: true } })
  t.match(await watch.next(), { header: { revision: '2' }, created: true })
  t.match(await watch.next(), { events: [{ kv: { value: b64('1') } }] })
  await etcd.post('/v3/kv/deleterange', a)
  t.match(await watch.next(), {
    events: [{ type: 'DELETE', kv: { key: b64('a'), mod_revision: '3' }, prev_kv: { value: b64('1') } }],
  })
  watch.send({ progress_request: {} })
  t.match(await watch.next(), { watch_id: '-1', header: { revision: '3' } })
  watch.send({ create_request: { key: b64('b'), watch_id: '7' } })
  t.match(await watch.next(), { watch_id: '7', created: true })
  watch.send({ cancel_request: { watch_id: '7' } })
  t.match(await watch.next(), { watch_id: '7', canceled: true })
  watch.end()
})

t.test('a client that does not read its watch gets every event when it does', async t => {
  const etcd = await startPlain(t)
  const watch = await watchLines(etcd.url, { create_request: { key: b64('k'), range_end: b64('l') } })
  t.match(await watch.next(), { created: true })
  watch.pause()
  const value = b64('x'.repeat(100_000))
  for (let i = 0; i < 60; i++) await etcd.post('/v3/kv/put', { key: b64(`k${i}`), value })
  watch.resume()
  const revisions: string[] = []
  while (revisions.length < 60) {
    const { events } = await watch.next()
    revisions.push(...events.map(({ kv }: { kv: { mod_revision: string } }) => kv.mod_revision))
  }
  t.strictSame(
    revisions,
    Array.from({ length: 60 }, (_, i) => String(i + 2)),
  )
  watch.end()
})

t.test('garbage on the port harms nobody', async t => {
  const etcd = await startPlain(t)
  for (const bytes of ['\x16\x03\x01', 'PRI * HTTP/2.0\r\n\r\nxx\r\n\r\n', 'GET\r\n\r\n', 'P', '\0\0\0']) {
    const socket = connect(Number(new URL(etcd.url).port), '127.0.0.1')
    socket.on('error', () => {})
    socket.end(bytes)
    await new Promise(resolve => socket.once('close', resolve).resume())
  }
  t.match(await etcd.get('/health'), { status: 200 })
  t.match(await etcd.get('/nothing'), { status: 404, text: '404 page not found\n' })
  t.match(await etcd.get('/v3/kv/range'), { status: 405, text: 'Method Not Allowed\n' })
  t.match(await etcd.post('/v3/kv/bogus', {}), { status: 404, text: 'Not Found\n' })
  t.match(await etcd.post('/health', '{}'), { status: 405 })
})

t.test('metrics have etcd’s names and count the gateway’s calls as the gRPC calls that they are', async t => {
  const etcd = await startPlain(t)
  await etcd.post('/v3/kv/range', a)
  await etcd.post('/v3/kv/range', {})
  const { text } = await etcd.get('/metrics')
  const line = (code: string) =>
    `grpc_server_handled_total{grpc_code="${code}",grpc_method="Range",grpc_service="etcdserverpb.KV",grpc_type="unary"} 1`
  for (const expected of ['etcd_server_has_leader 1', line('OK'), line('InvalidArgument'), 'etcd_mvcc_range_total 1']) {
    t.ok(text.includes(`${expected}\n`), expected)
  }
})

/** A watch over the gateway: what comes is read line by line. */
async function watchLines(url: string, first: object) {
  const { PassThrough } = await import('node:stream')
  const body = new PassThrough()
  body.write(JSON.stringify(first))
  const reply = await request(`${url}/v3/watch`, { method: 'POST', body })
  const waiting: ((result: unknown) => void)[] = []
  const lines: unknown[] = []
  let rest = ''
  reply.body.on('error', () => {})
  reply.body.on('data', (chunk: Buffer) => {
    rest += chunk.toString()
    const parts = rest.split('\n')
    rest = parts.pop()!
    for (const part of parts.filter(part => part !== '')) {
      const { result } = JSON.parse(part)
      const taker = waiting.shift()
      if (taker) taker(result)
      else lines.push(result)
    }
  })
  return {
    // biome-ignore lint/suspicious/noExplicitAny: a test looks into JSON of every shape
    next: (): Promise<any> =>
      lines.length > 0 ? Promise.resolve(lines.shift()) : new Promise(resolve => void waiting.push(resolve)),
    send: (message: object) => void body.write(JSON.stringify(message)),
    pause: () => void reply.body.pause(),
    resume: () => void reply.body.resume(),
    end: () => {
      body.destroy()
      reply.body.destroy()
    },
  }
}
