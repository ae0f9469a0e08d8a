import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, rmSync, watch } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { connections } from '../../src/mesh/connections.ts'
import { isAlive, type MeshState, readState } from '../../src/mesh/state.ts'
import { trustplane } from './harness.ts'

// whole meshes, and the machine may be busy
t.setTimeout(300_000)

const child = fileURLToPath(new URL('../../src/mesh/child.ts', import.meta.url))
const env = { ...process.env, NODE_OPTIONS: undefined }
const run = (...words: string[]) => spawnSync(process.execPath, [child, 'cli', ...words], { encoding: 'utf8', env })

const dir = join(t.testdir(), 'state')
const json = async (...words: string[]) => {
  const { status, stdout, stderr } = await trustplane(...words, '--dir', dir, '-o', 'json')
  return {
    status,
    stderr,
    document: stdout ? (JSON.parse(stdout) as { kind: string; items: Record<string, unknown>[] }) : undefined,
  }
}

t.before(() => {
  const up = run('up', '--detach', '--ports', 'random', '--clock-rate', '50', '--dir', dir)
  t.equal(up.status, 0, up.stderr)
  t.match(up.stdout, /^FROM +TO +STATE/)
  t.match(up.stderr, new RegExp(`✓ ${connections.length} of ${connections.length} connections are well`))
  t.match(up.stderr, `export KUBECONFIG=${dir}/admin.conf`)
})
t.teardown(() => {
  run('down', '--dir', dir)
  rmSync(dir, { recursive: true, force: true })
})

t.test('mesh.json names every process', async t => {
  const state = readState(dir) as MeshState
  t.ok(isAlive(state.launcher))
  t.strictSame(
    state.components.map(({ state }) => state),
    Array(7).fill('running'),
  )
  t.ok(state.components.every(({ pid, began }) => isAlive({ pid: pid!, began })))
})

t.test(
  'with --clock-rate the mesh gets ahead of everybody else, and who judges its files goes by its clock',
  async t => {
    const aheadMs = 60_000
    const watcher = watch(dir)
    while ((readState(dir)?.clockOffsetMs ?? 0) < aheadMs) await once(watcher, 'change')
    watcher.close()
    const { document } = await json('pki', 'timeline')
    const { now } = document as unknown as { now: string }
    t.ok(Date.parse(now) > Date.now() + aheadMs / 2, now)
    t.match((await trustplane('status', '--dir', dir)).stderr, /by the clock of this mesh it is \d{4}-/)
    const asked = await trustplane('pki', 'check-expiration', '--dir', dir, '--clock-offset', '366d')
    t.match(asked.stdout, /^apiserver .*<invalid>/m)
  },
)

t.test('status knows both ends of every row', async t => {
  const { status, document } = await json('status')
  t.equal(status, 0)
  t.equal(document!.kind, 'ConnectionList')
  t.strictSame(
    document!.items.map(({ from, to }) => `${from} -> ${to}`),
    connections.map(({ from, to }) => `${from} -> ${to}`),
  )
  for (const row of document!.items) {
    t.match(row, { outcome: 'ok', client: { end: 'client' }, server: { end: 'server' } }, `${row.from} -> ${row.to}`)
  }
})

t.test('as a table it can be cut by awk; -o wide has certificates and the words of both ends', async t => {
  const table = (await trustplane('status', '--dir', dir, '--no-headers')).stdout.trimEnd().split('\n')
  t.strictSame(
    table.map(line => line.split(/\s+/)[0]),
    connections.map(({ from }) => from),
  )
  t.match(
    (await trustplane('status', '--dir', dir, '-o', 'wide')).stdout,
    /CLIENT CERTIFICATE.*CN=kubernetes-admin.*TLSv1\.3/s,
  )
})

t.test('probe dials afresh: one row, or all', async t => {
  const before = (await json('status')).document!.items.find(({ to }) => to === 'etcd')!.handshake
  const { document } = await json('probe', 'kube-apiserver', 'etcd')
  t.match(document!.items, [{ from: 'kube-apiserver', to: 'etcd', outcome: 'ok' }])
  t.not(document!.items[0]!.handshake, before)
  t.equal((await json('probe')).document!.items.length, connections.length)
})

t.test('probe with a row that is not there names the nearest', async t => {
  const { status, stderr } = await trustplane('probe', 'kube-apiserver', 'etdc', '--dir', dir)
  t.equal(status, 2)
  t.match(stderr, /did you mean kube-apiserver etcd\?/)
})

t.test('explain shows both sides', async t => {
  const { status, stdout } = await trustplane('explain', 'kube-apiserver', 'etcd', '--dir', dir)
  t.equal(status, 0)
  t.match(stdout, /✓ kube-apiserver -> etcd: ok/)
  t.match(stdout, /apiserver-etcd-client\.crt \(kube-apiserver --etcd-certfile\)/)
  t.match(stdout, /pki\/etcd\/ca\.crt \(etcd --trusted-ca-file\)/)
})

t.test('logs, whole or their end', async t => {
  const whole = (await trustplane('logs', 'kube-apiserver', '--dir', dir)).stdout
  t.match(whole, /"msg":"ready"/)
  const last = (await trustplane('logs', 'kube-apiserver', '--tail', '1', '--dir', dir)).stdout
  t.equal(last.split('\n').length, 2)
  t.match(
    (await trustplane('logs', 'kube-apiservr', '--dir', dir)).stderr,
    /did you mean `trustplane logs kube-apiserver`/,
  )
})

t.test('kubeconfig is a path for KUBECONFIG', async t => {
  t.equal((await trustplane('kubeconfig', '--dir', dir)).stdout, `${join(dir, 'admin.conf')}\n`)
})

t.test('status --watch prints what changes, and ends with the signal', async t => {
  const watching = spawn(process.execPath, [child, 'cli', 'status', '--watch', '-o', 'json', '--dir', dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env,
  })
  t.teardown(() => watching.kill('SIGKILL'))
  let text = ''
  await new Promise<void>(resolve => {
    watching.stdout.on('data', chunk => {
      text += chunk
      if (text.split('\n').length > connections.length) resolve()
    })
  })
  t.match(JSON.parse(text.split('\n')[0]!), { kind: 'Connection', outcome: 'ok' })
  watching.kill('SIGINT')
  t.strictSame(await once(watching, 'exit'), [130, null])
})

t.test('restart is another process of the same component, and a name that is not there has its nearest', async t => {
  const pidOf = () => readState(dir)?.components.find(({ id }) => id === 'kube-proxy')?.pid
  const before = pidOf()
  const { status, document } = await json('restart', 'kube-proxy')
  t.equal(status, 0)
  t.match(document, { kind: 'ComponentList', items: [{ id: 'kube-proxy', state: 'running' }] })
  t.not(pidOf(), before)
  t.match((await json('restart', 'kube-prox')).stderr, 'did you mean kube-proxy?')
})

t.test('a second `up` in the directory is refused with 4', async t => {
  const second = run('up', '--ports', 'random', '--dir', dir)
  t.equal(second.status, 4)
  t.match(second.stderr, /× TP_ALREADY_RUNNING/)
})

t.test('down stops it; after that there is nothing to stop or to probe, and explain still knows', async t => {
  t.equal((await trustplane('down', '--dir', dir)).status, 0)
  t.notOk(existsSync(join(dir, 'mesh.json')))
  t.equal((await trustplane('down', '--dir', dir)).status, 5)
  t.equal((await trustplane('probe', '--dir', dir)).status, 5)
  t.match((await trustplane('explain', 'kubelet', 'kube-apiserver', '--dir', dir)).stdout, /CN=system:node:node-1/)
})

t.test('a taken port ends with 4 and says who has it', async t => {
  const holder = spawn(
    process.execPath,
    ['-e', 'require("net").createServer().listen(0, "127.0.0.1", function () { console.log(this.address().port) })'],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  t.teardown(() => holder.kill())
  const [port] = (await once(holder.stdout, 'data')) as [Buffer]
  const { status, stderr } = run(
    'up',
    '--detach',
    '--ports',
    `etcd=${String(port).trim()}`,
    '--dir',
    join(dir, 'other'),
  )
  t.equal(status, 4)
  t.match(stderr, new RegExp(`port ${String(port).trim()} \\(etcd\\) is in use by node .*pid ${holder.pid}`))
})
