/** One mesh: the reload table is held to the stand-ins both ways, and disk to memory through a renewal. */
import { readdirSync, readFileSync, watch, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type Drift, readDrift } from '../../src/mesh/drift.ts'
import { startMesh } from '../../src/mesh/launcher.ts'
import { policies, reloadRowOf, reloadTable } from '../../src/mesh/reload.ts'
import { renewCertificates } from '../../src/pki/renew.ts'
import type { LoadedFile } from '../../src/tls/types.ts'
import { trustplane } from '../cli/harness.ts'

t.setTimeout(120_000)

t.test('before anything ran, nothing is known', async t => {
  t.strictSame(readDrift(t.testdir()), [])
  const { status, stderr } = await trustplane('status', '--drift', '--dir', t.testdir())
  t.equal(status, 0)
  t.match(stderr, /nothing runs here/)
})

t.test('every row names a policy, and a document that has it', async t => {
  const text = readFileSync(new URL('../../docs/rereading.md', import.meta.url), 'utf8')
  const lines = text.split('\n').filter(line => /^\| [a-z]/.test(line) && !line.startsWith('| component'))
  t.strictSame(
    lines.map(line => line.split(' | ').slice(0, 4).join(' | ')),
    reloadTable.map(
      ({ component, flag, holds, policy }) => `| ${component} | \`${flag}\` | ${holds} | ${policies[policy].when}`,
    ),
  )
})

t.test('a running mesh', async t => {
  const mesh = await startMesh({ isolation: 'in-process' })
  t.teardown(() => mesh.stop())
  const { dir } = mesh
  const argvOf = (component: string) => mesh.members.find(member => member.component === component)?.argv ?? []
  const loaded = () =>
    readdirSync(join(dir, 'loaded')).flatMap(name =>
      readFileSync(join(dir, 'loaded', name), 'utf8')
        .split('\n')
        .filter(line => line !== '')
        .map(line => JSON.parse(line) as LoadedFile),
    )
  const find = (component: string, flag: string, holds = ''): Drift | undefined =>
    readDrift(dir).find(row => row.component === component && row.flag === flag && row.holds.includes(holds))
  /** Looks again whenever a component told something. */
  const until = async (isSo: () => boolean) => {
    const told = watch(join(dir, 'loaded'))
    try {
      while (!isSo()) await new Promise(resolve => told.once('change', resolve))
    } finally {
      told.close()
    }
  }
  // the apiserver dials the aggregated API a moment later
  await until(() => loaded().some(({ to, end }) => to === 'extension-apiserver' && end === 'client'))

  await t.test('what the stand-ins do is what the table says, and the other way round', async t => {
    const used = new Set<string>()
    for (const entry of loaded()) {
      const row = reloadRowOf(entry, argvOf(entry.component.replace('etcd-peer', 'etcd')))
      if (!row) {
        // controllers with tokens of their own trust what the controller-manager trusts
        t.equal(entry.from, 'controllers', `${entry.component} ${entry.end} ${entry.use} ${entry.file} is in no row`)
        continue
      }
      used.add(`${row.component} ${row.flag} ${row.holds}`)
      t.equal(entry.reload, row.policy, `${entry.component} reads ${entry.file} as ${row.flag} says`)
    }
    const unused = reloadTable.filter(row => row.told && !used.has(`${row.component} ${row.flag} ${row.holds}`))
    t.strictSame(
      unused.map(({ component, flag }) => `${component} ${flag}`),
      [],
    )
  })

  await t.test('after start, disk and memory are the same', async t => {
    const rows = readDrift(dir)
    t.strictSame(
      rows.filter(({ state }) => state !== 'same'),
      [],
    )
    t.ok(rows.some(({ flag }) => flag === '--service-account-signing-key-file'))
  })

  await t.test('after a renewal, what is watched follows, what is read once needs a restart', async t => {
    await renewCertificates(dir, mesh.layout.plan, [
      'apiserver',
      'apiserver-etcd-client',
      'etcd-server',
      'scheduler.conf',
    ])
    t.match(find('kube-scheduler', '--kubeconfig', 'client certificate'), {
      state: 'restart',
      says: 'newer on disk, which kube-scheduler reads at start only: restart it',
    })
    t.match(find('kube-scheduler', '--kubeconfig', 'CA'), { state: 'same' })
    await until(() => find('kube-apiserver', '--tls-cert-file')?.state === 'same')
    const { status, stdout, stderr } = await trustplane('status', '--drift', '--dir', dir)
    t.equal(status, 1)
    t.match(
      stdout,
      /^kube-scheduler +--kubeconfig +embedded client certificate +scheduler\.conf +✗ newer on disk, needs a restart$/m,
    )
    t.match(stdout, /^kube-apiserver +--tls-cert-file +serving certificate and key +pki\/apiserver\.crt +✓ same/m)
    t.match(stderr, /next: trustplane restart kube-scheduler --dir /)
    await mesh.member('kube-scheduler').restart()
    await mesh.member('kube-scheduler').settled(30_000)
    t.match(find('kube-scheduler', '--kubeconfig', 'client certificate'), { state: 'same' })
  })

  await t.test('a bad new file is told in the log as the original tells it, and the old one is served', async t => {
    const file = join(dir, 'pki/apiserver.crt')
    const good = readFileSync(file)
    const memory = find('kube-apiserver', '--tls-cert-file')!.memory!
    const log = () => readFileSync(join(dir, 'logs/kube-apiserver.log'), 'utf8')
    const logged = watch(join(dir, 'logs'))
    writeFileSync(file, good.subarray(0, 100))
    while (!log().includes('key failed with : tls: ')) await new Promise(resolve => logged.once('change', resolve))
    logged.close()
    t.match(find('kube-apiserver', '--tls-cert-file'), { state: 'bad', memory, says: /the old one is kept/ })
    const [served] = await mesh.probe([{ from: 'kubectl', to: 'kube-apiserver' }])
    t.match(served, { outcome: 'ok' })
    writeFileSync(file, good)
    await until(() => find('kube-apiserver', '--tls-cert-file')?.state === 'same')
  })

  await t.test('a file that is no good is said to be, and what is in memory stays', async t => {
    const file = join(dir, 'pki/apiserver-kubelet-client.crt')
    const before = find('kube-apiserver', '--kubelet-client-certificate')
    writeFileSync(file, readFileSync(join(dir, 'pki/etcd/peer.crt')))
    t.match(find('kube-apiserver', '--kubelet-client-certificate'), {
      state: 'bad',
      problem: 'tls: private key does not match public key',
      memory: before!.memory!,
      says: /connections that are open go on/,
    })
    writeFileSync(file, '-----BEGIN CERTIFICATE-----\nMIIB')
    t.match(find('kube-apiserver', '--kubelet-client-certificate'), {
      state: 'bad',
      problem: /failed to find any PEM data/,
    })
  })
})
