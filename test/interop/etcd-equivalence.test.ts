// A real etcd and ours, asked the same by a real etcdctl and over the JSON gateway, over mutual TLS: what they answer is
// equal but for ids, sizes and times.
import { spawn } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { json } from './etcd-json-cases.ts'
import { type Etcd, startBoth, startRestored } from './etcd-servers.ts'
import { program } from './programs.ts'

t.setTimeout(300_000)

const etcd = program('etcd')
const etcdctl = program('etcdctl')

interface Step {
  args: readonly string[]
  input?: string
  /** A command that does not end by itself: so many lines are read, then it is stopped. */
  lines?: number
}

const run = (line: string, more: Omit<Step, 'args'> = {}): Step => ({ args: line.split(' ').filter(Boolean), ...more })

const steps: readonly Step[] = [
  run('put foo bar'),
  run('put foo baz --prev-kv'),
  run('get foo'),
  run('get foo -w json'),
  run('get foo -w fields'),
  run('put a/1 x'),
  run('put a/2 y'),
  run('put a/3 z'),
  run('put a/2 yy'),
  run('get a/ --prefix'),
  run('get a/ --prefix --limit 2 -w json'),
  run('get a/ --prefix --sort-by=VALUE --order=DESCEND'),
  run('get a/ --prefix --sort-by=MODIFY --order=ASCEND'),
  run('get a/ --prefix --sort-by=CREATE --order=DESCEND'),
  run('get a/ --prefix --sort-by=VERSION --order=DESCEND --limit 1'),
  run('get a/ --prefix --keys-only'),
  run('get a/ --prefix --count-only -w fields'),
  run('get a/1 a/3'),
  run('get a/2 --from-key'),
  run('get foo --rev=2'),
  run('get foo --rev=99'),
  run('get nothing -w json'),
  run('put k v --ignore-value'),
  run('put k --ignore-value'),
  run('put k v --lease=1234'),
  run('txn', { input: 'mod("foo") > "0"\nval("foo") = "baz"\n\nput x y\nget foo\ndel a/3\n\nput failed yes\n\n' }),
  run('txn -w json', { input: 'val("foo") = "nope"\n\nput x y\n\nget foo\nget x\n\n' }),
  run('txn', { input: 'ver("new") = "0"\n\nput new 1\nput new 2\n\n\n' }),
  run('del a/1'),
  run('del a/ --prefix --prev-kv'),
  run('del nothing'),
  run('watch foo --rev=2', { lines: 6 }),
  run('watch --prefix a/ --rev=1 --prev-kv', { lines: 12 }),
  run('watch foo --rev=3 -w json', { lines: 1 }),
  run('lease grant 100'),
  run('put leased v --lease=LEASE'),
  run('get leased -w fields'),
  run('lease timetolive LEASE --keys'),
  run('lease list'),
  run('lease keep-alive --once LEASE'),
  run('lease revoke LEASE'),
  run('get leased'),
  run('lease revoke 7'),
  run('lease keep-alive --once 7'),
  run('lease timetolive 7'),
  run('compaction 5'),
  run('compaction 5'),
  run('compaction 100'),
  run('get foo --rev 2'),
  run('watch foo --rev=2', { lines: 1 }),
  run('member list'),
  run('member list -w json'),
  run('endpoint status'),
  run('endpoint status -w json'),
  run('endpoint health'),
  run('endpoint hashkv'),
  run('alarm list'),
  run('defrag'),
  run('user list'),
  run('role list'),
  run('auth enable'),
  run('move-leader 1234'),
  run('member remove 7'),
  run('snapshot save SNAPSHOT'),
]

/** What may differ: times, sizes, hashes, the raft's own count, ids that are made at random, ports and file names. */
const folds: readonly [RegExp, string][] = [
  [/^\{"level".*\n/gm, ''],
  [/127\.0\.0\.1:\d+/g, 'ENDPOINT'],
  [/took = [\d.]+\S*s/g, 'took = TIME'],
  [/("raftIndex"|"raftAppliedIndex"|"dbSize"|"dbSizeInUse"):\d+/g, '$1:N'],
  // the columns of endpoint status: size, leader, learner, term, index, applied index
  [/[\d.]+ [kM]B, (\w+), (\w+), (\d+), \d+, \d+/g, 'SIZE, $1, $2, $3, N, N'],
  [/(https:\/\/ENDPOINT), \d+\n/g, '$1, HASH\n'],
  [/remaining\(\d+s\)/g, 'remaining(N)'],
]

function fold(output: string, own: readonly [string, string][]): string {
  let text = output
  for (const [from, to] of own) if (from) text = text.replaceAll(from, to)
  for (const [from, to] of folds) text = text.replace(from, to)
  return text
}

/** etcdctl's output and status against one server. */
async function control(server: Etcd, step: Step, state: { lease: string; snapshot: string }): Promise<string> {
  const args = step.args.map(word => word.replace('LEASE', state.lease).replace('SNAPSHOT', state.snapshot))
  const child = spawn(etcdctl.path, [...server.ctl, '--command-timeout=20s', ...args], {
    env: { PATH: process.env.PATH, ETCDCTL_API: '3' },
  })
  const status = new Promise<number | null>(resolve => child.once('close', resolve))
  const stderr = text(child.stderr)
  child.stdin.end(step.input ?? '')
  let stdout = ''
  for await (const chunk of child.stdout) {
    stdout += chunk
    if (step.lines !== undefined && stdout.split('\n').length > step.lines) {
      stdout = stdout.split('\n').slice(0, step.lines).join('\n')
      break
    }
  }
  if (step.lines !== undefined) {
    child.kill('SIGKILL')
    return stdout
  }
  state.lease = /^lease (\w+) granted/.exec(stdout)?.[1] ?? state.lease
  return `${stdout}${await stderr}[${await status}]`
}

t.test('a real etcdctl gets the same answers from both', { skip: etcd.skip || etcdctl.skip }, async t => {
  const [real, ours] = await startBoth(t, etcd.path)
  const states = { real: { lease: '', snapshot: '' }, ours: { lease: '', snapshot: '' } }
  for (const { name } of [real, ours]) {
    states[name].snapshot = join(tmpdir(), `trustplane-${process.pid}-${name}.db`)
    t.teardown(() => rmSync(states[name].snapshot, { force: true }))
  }
  for (const step of steps) {
    const outputs = await Promise.all(
      [real, ours].map(async server => {
        const state = states[server.name]
        const output = await control(server, step, state)
        // a lease's id in hex and, in JSON and fields, in decimal
        const decimal = state.lease && String(BigInt(`0x${state.lease}`))
        return fold(output, [
          [state.lease, 'LEASE'],
          [decimal, 'LEASE'],
          [state.snapshot, 'SNAPSHOT'],
        ])
      }),
    )
    t.equal(outputs[1], outputs[0], step.args.join(' '))
  }
  // what snapshot save wrote: pages, and then a SHA-256 of them
  t.equal(readFileSync(states.ours.snapshot).length % 512, 32)
  const status = (file: string) => etcdctlAlone(['snapshot', 'status', file, '-w', 'json'])
  const revision = (json: string) => JSON.parse(json).revision
  t.equal(revision(await status(states.ours.snapshot)), revision(await status(states.real.snapshot)))
})

t.test('a real etcd goes on from a snapshot of ours', { skip: etcd.skip || etcdctl.skip }, async t => {
  const [, ours] = await startBoth(t, etcd.path)
  const state = { lease: '', snapshot: join(tmpdir(), `trustplane-${process.pid}-restore.db`) }
  t.teardown(() => rmSync(state.snapshot, { force: true }))
  const tell = (line: string) => control(ours, run(line), state)
  // more than one page of leaves, a value larger than a page, tombstones, leases
  for (let i = 0; i < 40; i++) await ours.post('/v3/kv/put', put(`k${i}`, 'x'.repeat(i * 300)))
  await tell('del k3')
  await tell('lease grant 1000')
  await tell('put leased v --lease=LEASE')
  await tell('compaction 20')
  await tell('snapshot save SNAPSHOT')
  const restored = await startRestored(t, etcd.path, etcdctl.path, state.snapshot)
  const contents = async (server: Etcd, revision: string) => {
    const { text } = await server.post('/v3/kv/range', JSON.stringify({ key: 'AA==', range_end: 'AA==', revision }))
    return JSON.parse(text).kvs
  }
  for (const revision of ['0', '20', '30', '42']) {
    t.strictSame(await contents(restored, revision), await contents(ours, revision), `as of revision ${revision}`)
  }
  const id = String(BigInt(`0x${state.lease}`))
  const { text } = await restored.post('/v3/lease/timetolive', JSON.stringify({ ID: id, keys: true }))
  t.match(JSON.parse(text), { grantedTTL: '1000', keys: ['bGVhc2Vk'] })
})

const base64 = (text: string) => Buffer.from(text).toString('base64')
const put = (key: string, value: string) => JSON.stringify({ key: base64(key), value: base64(value) })

async function etcdctlAlone(args: readonly string[]): Promise<string> {
  const child = spawn(etcdctl.path, args, { env: { PATH: process.env.PATH, ETCDCTL_API: '3' } })
  return text(child.stdout)
}

t.test('the JSON gateway answers the same on both', { skip: etcd.skip }, async t => {
  const [real, ours] = await startBoth(t, etcd.path)
  const foldJson = (text: string) =>
    text
      .replace(/("raftIndex"|"raftAppliedIndex"|"dbSize"|"dbSizeInUse"):"\d+"/g, '$1:"N"')
      .replace(/"hash":\d+/g, '"hash":N')
      .replace(/("ID":)"\d{19}"/g, '$1"RANDOM"')
      .replace(/Grpc-Trailer-Content-Type: application\/grpc\r?\n?/g, '')
  const { member } = await ids(real)
  for (const { path, body, lines } of json) {
    const request = body.replaceAll('MEMBER', member)
    const [theirs, own] = await Promise.all(
      [real, ours].map(async server => {
        if (lines !== undefined) return (await server.lines(path, request, lines)).map(foldJson)
        const { status, text } = await server.post(path, request)
        return [status, foldJson(text)]
      }),
    )
    t.strictSame(own, theirs, `${path} ${body}`)
  }
})

async function ids(server: Etcd): Promise<{ member: string }> {
  const { text } = await server.post('/v3/kv/range', '{"key":"AA=="}')
  return { member: JSON.parse(text).header.member_id }
}
