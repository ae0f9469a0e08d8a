import { spawn } from 'node:child_process'
import { on, once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  watch,
  writeFileSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { recover, temporaryName, writeTogether } from '#pki/atomic-write.ts'
import { createPki } from '#pki/create.ts'
import { readKubeconfigIdentity } from '#pki/kubeconfig.ts'
import { certificateOf } from '#pki/lookup.ts'
import { loadPlan } from '#pki/plan.ts'
import { recordedPlan } from '#pki/plan-record.ts'
import { read } from './reading.ts'

const now = new Date('2026-11-24T10:00:00Z')
const clock = { now: () => now }

/** Every file below `dir`, path → content. */
const contents = (dir: string) =>
  Object.fromEntries(
    readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter(entry => entry.isFile())
      .map(entry => join(entry.parentPath, entry.name))
      .map(path => [path.slice(dir.length + 1), readFileSync(path, 'utf8')]),
  )

async function freshPki(t: Tap) {
  const dir = join(t.testdir(), 'state')
  const plan = await loadPlan('kubeadm')
  return { dir, plan, created: await createPki({ plan, dir, clock }) }
}
type Tap = { testdir(): string }

t.test('directories are 0700, keys and kubeconfigs 0600, certificates 0644, whatever the umask', async t => {
  const umask = process.umask(0)
  t.teardown(() => process.umask(umask))
  const { dir } = await freshPki(t)
  for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const mode = statSync(path).mode & 0o777
    const expected = entry.isDirectory() ? 0o700 : /\.(key|conf|pub)$/.test(path) ? 0o600 : 0o644
    t.equal(mode, expected, path.slice(dir.length))
  }
  t.equal(statSync(dir).mode & 0o777, 0o700)
})

t.test('a second run keeps everything and writes nothing', async t => {
  const { dir, plan, created } = await freshPki(t)
  const before = contents(dir)
  const again = await createPki({ plan, dir, clock })
  t.strictSame(again.written, [])
  t.strictSame(contents(dir), before)
  t.equal(created.kept.length, 0)
  t.equal(again.kept.length, 22, '3 authorities, 12 certificates, 6 kubeconfigs, sa')
})

t.test('a run after half of it is gone makes what is missing, under the authorities that are there', async t => {
  const { dir, plan } = await freshPki(t)
  const before = contents(dir)
  for (const path of ['pki/apiserver.crt', 'pki/apiserver.key', 'scheduler.conf', 'pki/etcd/peer.crt', 'pki/sa.pub']) {
    rmSync(join(dir, path))
  }
  const again = await createPki({ plan, dir, clock })
  t.strictSame(again.written.map(({ file }) => file).sort(), [
    'pki/apiserver.crt',
    'pki/apiserver.key',
    'pki/etcd/peer.crt',
    'pki/sa.pub',
    'scheduler.conf',
  ])
  const after = contents(dir)
  t.equal(after['pki/ca.crt'], before['pki/ca.crt'])
  t.equal(after['pki/etcd/peer.key'], before['pki/etcd/peer.key'], 'a key that is there stays')
  t.equal(after['pki/sa.pub'], before['pki/sa.pub'])
  const ca = read(after['pki/ca.crt']!)
  t.ok(read(after['pki/apiserver.crt']!).node.verify(ca.node.publicKey))
  await t.resolves(createPki({ plan, dir, clock }))
})

t.test('--force makes everything anew', async t => {
  const { dir, plan } = await freshPki(t)
  const before = contents(dir)
  await createPki({ plan, dir, clock, force: true })
  const after = contents(dir)
  t.strictSame(Object.keys(after).sort(), Object.keys(before).sort())
  for (const path of Object.keys(before)) if (path !== 'plan.json') t.not(after[path], before[path], path)
})

t.test('what is in the way is named, and nothing is touched', async t => {
  const cases: { says: string; harm(dir: string): void; message: RegExp }[] = [
    {
      says: 'a key of another certificate',
      harm: dir => writeFileSync(join(dir, 'pki/apiserver.key'), readFileSync(join(dir, 'pki/ca.key'))),
      message: /pki\/apiserver\.key is there already, and its key does not belong to its certificate/,
    },
    {
      says: 'a leaf of another authority',
      harm: dir => {
        for (const end of ['crt', 'key']) rmSync(join(dir, `pki/ca.${end}`))
      },
      message: /its authority ca is missing/,
    },
    {
      says: 'a certificate without its key',
      harm: dir => rmSync(join(dir, 'pki/etcd/server.key')),
      message: /pki\/etcd\/server\.crt is there already, and its key pki\/etcd\/server\.key is missing/,
    },
    {
      says: 'a certificate that is garbage',
      harm: dir => writeFileSync(join(dir, 'pki/front-proxy-client.crt'), 'garbage'),
      message: /front-proxy-client\.crt is there already, and it holds no certificate that can be read/,
    },
    {
      says: 'a key that is garbage, without a certificate',
      harm: dir => {
        rmSync(join(dir, 'pki/etcd/peer.crt'))
        writeFileSync(join(dir, 'pki/etcd/peer.key'), 'garbage')
      },
      message: /peer\.key is there already, and it holds no private key that can be read/,
    },
  ]
  for (const { says, harm, message } of cases) {
    await t.test(says, async t => {
      const { dir, plan } = await freshPki(t)
      harm(dir)
      const before = contents(dir)
      await t.rejects(createPki({ plan, dir, clock }), { code: 'TP_PKI_EXISTS', message })
      t.strictSame(contents(dir), before)
    })
  }
  t.end()
})

t.test('a serving certificate without a name that the plan wants is in the way', async t => {
  const { dir, plan } = await freshPki(t)
  const overrides = { cluster: { apiServerCertSANs: ['new.example.test', '192.0.2.7'] } }
  await t.rejects(createPki({ plan, dir, clock, overrides }), {
    code: 'TP_PKI_EXISTS',
    message: /apiserver\.crt .*does not have the names new\.example\.test, 192\.0\.2\.7/,
  })
})

t.test('kubeconfigs follow a new server address and keep their identity', async t => {
  const { dir, plan } = await freshPki(t)
  const before = readKubeconfigIdentity(readFileSync(join(dir, 'admin.conf'), 'utf8'), '')
  await createPki({ plan, dir, clock, overrides: { cluster: { server: 'https://127.0.0.1:7443' } } })
  const after = readKubeconfigIdentity(readFileSync(join(dir, 'admin.conf'), 'utf8'), '')
  t.strictSame(after, { ...before, server: 'https://127.0.0.1:7443' })
  t.equal(statSync(join(dir, 'admin.conf')).mode & 0o777, 0o600)
})

t.test('a kubeconfig whose user is a file or a token is left alone', async t => {
  const { dir, plan } = await freshPki(t)
  const rotated = readFileSync(join(dir, 'kubelet.conf'), 'utf8').replace(
    /client-certificate-data: .*\n +client-key-data: .*/,
    'client-certificate: /var/lib/kubelet/pki/kubelet-client-current.pem\n    client-key: /var/lib/kubelet/pki/kubelet-client-current.pem',
  )
  writeFileSync(join(dir, 'kubelet.conf'), rotated)
  t.strictSame((await createPki({ plan, dir, clock })).written, [])
  await createPki({ plan, dir, clock, overrides: { cluster: { server: 'https://127.0.0.1:7443' } } })
  t.equal(
    readFileSync(join(dir, 'kubelet.conf'), 'utf8'),
    rotated.replace('https://127.0.0.1:6443', 'https://127.0.0.1:7443'),
  )
})

t.test('an external CA is told of, and signs nothing', async t => {
  const { dir, plan } = await freshPki(t)
  rmSync(join(dir, 'pki/ca.key'))
  t.strictSame((await createPki({ plan, dir, clock })).external, ['ca'])
  rmSync(join(dir, 'pki/apiserver.crt'))
  const before = contents(dir)
  await t.rejects(createPki({ plan, dir, clock }), {
    code: 'TP_PKI_CA_KEY_MISSING',
    message: 'pki/ca.key is not there, and apiserver needs it',
  })
  t.strictSame(contents(dir), before)
})

t.test(
  'a folder that cannot be written to stays as it is',
  { skip: process.getuid?.() === 0 && 'root writes everywhere' },
  async t => {
    const dir = t.testdir({ pki: {} })
    chmodSync(join(dir, 'pki'), 0o500)
    t.teardown(() => chmodSync(join(dir, 'pki'), 0o700))
    await t.rejects(createPki({ plan: await loadPlan('kubeadm'), dir, clock }), { code: 'TP_FILE_UNREADABLE' })
    t.strictSame(contents(dir), {})
  },
)

t.test('a file where a folder should be is an error that names it', async t => {
  const dir = t.testdir({ pki: 'a file' })
  await t.rejects(createPki({ plan: await loadPlan('kubeadm'), dir, clock }), {
    code: 'TP_FILE_UNREADABLE',
    message: /cannot write .*pki.*: E/,
  })
  t.equal(readFileSync(join(dir, 'pki'), 'utf8'), 'a file')
})

t.test('a crash before the set was complete leaves the old files, and no trace in the next run', async t => {
  const dir = t.testdir({ 'a.key': 'old a', sub: { 'b.key': 'old b' } })
  writeFileSync(temporaryName(join(dir, 'a.key')), 'new, but half of')
  chmodSync(temporaryName(join(dir, 'a.key')), 0o644)
  t.strictSame(await recover(dir), [])
  t.equal(readFileSync(join(dir, 'a.key'), 'utf8'), 'old a')
  await writeTogether(dir, new Map([['a.key', { content: 'new a', mode: 0o600 }]]))
  t.strictSame(contents(dir), { 'a.key': 'new a', 'sub/b.key': 'old b' })
  t.equal(statSync(join(dir, 'a.key')).mode & 0o777, 0o600)
})

t.test('a crash between two renames is finished by the next run', async t => {
  const dir = t.testdir({ 'a.key': 'new a', sub: { 'b.key': 'old b' } })
  writeFileSync(temporaryName(join(dir, 'sub/b.key')), 'new b')
  writeFileSync(join(dir, '.pki-commit.json'), JSON.stringify(['a.key', 'sub/b.key']))
  t.strictSame(await recover(dir), ['a.key', 'sub/b.key'])
  t.strictSame(contents(dir), { 'a.key': 'new a', 'sub/b.key': 'new b' })
})

t.test('a run that is killed leaves whole files, and the next one makes a PKI that fits together', async t => {
  const dir = join(t.testdir(), 'state')
  mkdirSync(dir)
  const child = spawn(process.execPath, [fileURLToPath(new URL('create-forever.ts', import.meta.url)), dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  // the list of renames appears: some are done, some are not
  const watcher = watch(dir)
  for await (const [, name] of on(watcher, 'change')) if (name === '.pki-commit.json') break
  child.kill('SIGKILL')
  await once(child, 'exit')
  watcher.close()
  const plan = await loadPlan('kubeadm')
  for (const [path, content] of Object.entries(contents(dir))) {
    if (!path.includes('/.') && /\.(crt|key)$/.test(path))
      t.match(content, /^-----BEGIN [A-Za-z0-9+/=\s-]*-----END [A-Z ]+-----\n$/, path)
  }
  const { written } = await createPki({ plan, dir, clock: { now: () => new Date() } })
  t.strictSame(written, [], 'either the old set or the new one was complete')
  t.notOk(existsSync(join(dir, '.pki-commit.json')))
})

t.test('two runs at once make one PKI', async t => {
  const dir = join(t.testdir(), 'state')
  const plan = await loadPlan('kubeadm')
  const [one, two] = await Promise.all([createPki({ plan, dir, clock }), createPki({ plan, dir, clock })])
  t.strictSame([one.written.length, two.written.length].sort(), [0, 38].sort())
  t.strictSame((await createPki({ plan, dir, clock })).written, [])
  t.notOk(existsSync(join(dir, '.pki-lock')))
})

t.test('a lock whose holder is gone holds nobody up', async t => {
  const plan = await loadPlan('kubeadm')
  const gone = spawn(process.execPath, ['-e', ''])
  await once(gone, 'exit')
  // the second: a restarted container has its old process id
  for (const pid of [gone.pid, process.pid]) {
    const dir = t.testdir({ '.pki-lock': JSON.stringify({ pid, host: hostname() }) })
    t.equal((await createPki({ plan, dir, clock })).written.length, 38)
  }
})

t.test('the plan that a PKI was made from is remembered', async t => {
  const dir = join(t.testdir(), 'state')
  const overrides = { cluster: { nodeName: 'cp-1' }, certificates: { apiserver: { notAfter: '-1d' } } }
  await createPki({ plan: await loadPlan('kubeadm'), dir, clock, overrides })
  const recorded = await recordedPlan(dir)
  t.equal(recorded.cluster.nodeName, 'cp-1')
  t.notOk(certificateOf(recorded, 'apiserver').notAfter, 'a fault is not remembered')
  t.equal((await recordedPlan(join(dir, 'pki'))).name, 'kubeadm')
  writeFileSync(join(dir, 'plan.json'), '{')
  await t.rejects(recordedPlan(dir), { code: 'TP_INPUT_INVALID', message: /plan\.json/ })
})

t.test('a temporary PKI has the same files, with the same modes, as one that is to last', async t => {
  const folders = t.testdir({ lasting: {}, temporary: {} })
  const plan = await loadPlan('kubeadm')
  const modes = async (dir: string, temporary: boolean) => {
    await createPki({ plan, dir, clock, temporary })
    return Object.keys(contents(dir))
      .toSorted()
      .map(path => `${path} ${(statSync(join(dir, path)).mode & 0o777).toString(8)}`)
  }
  const lasting = await modes(join(folders, 'lasting'), false)
  t.strictSame(await modes(join(folders, 'temporary'), true), lasting)
})
