import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test as Tap } from 'tap'
import { systemClock } from '../../src/clock.ts'
import { diffPki } from '../../src/mesh/diff.ts'
import { packagedPlan } from '../../src/pki/plan.ts'
import { trustplane } from '../cli/harness.ts'

const sentences = (changes: readonly { sentence: string }[]) => changes.map(({ sentence }) => sentence).join('\n')

t.test('a plan and itself come to the same, though its keys are new each time', async t => {
  const diff = await diffPki('kubeadm', packagedPlan('kubeadm'), systemClock)
  t.ok(diff.same)
  t.strictSame(diff.notCompared, [])
})

t.test('one CA for all says what becomes of etcd, and of the front proxy', async t => {
  const diff = await diffPki('kubeadm', 'one-ca', systemClock)
  t.strictSame(diff.authorities, { added: [], removed: ['front-proxy-ca', 'etcd-ca'], newKeys: [], changed: [] })
  const toEtcd = diff.connections.find(({ from, to }) => from === 'kube-apiserver' && to === 'etcd')
  t.match(
    toEtcd?.changes.find(({ what }) => what === 'client certificate: issuer'),
    { before: 'etcd-ca', after: 'ca' },
  )
  const gained = sentences(diff.gained)
  t.match(gained, 'any client certificate of ca is accepted by etcd')
  t.match(gained, /etcd takes 9 client certificates .*kubelet\.conf/)
  t.match(gained, 'whoever gets a client certificate of ca with a front proxy’s name can be anybody to kube-apiserver')
  t.match(sentences(diff.lost), 'whoever has the key of etcd-ca can be etcd to kube-apiserver')
})

t.test('k3s’ split changes who signs, and breaks no connection', async t => {
  const { connections } = await diffPki('kubeadm', 'k3s', systemClock)
  const changed = connections.flatMap(({ changes }) => changes.map(({ what }) => what))
  t.ok(changed.includes('client certificate: issuer'))
  t.notOk(changed.includes('comes to'))
})

t.test('an authority that may sign less, or is signed by another, is a difference', async t => {
  const constrained = (await diffPki('kubeadm', 'name-constrained', systemClock)).authorities.changed
  t.match(constrained, [
    { name: 'ca', changes: [{ what: 'may sign for', before: 'any name', after: /cluster\.local/ }] },
  ])
  const below = (await diffPki('kubeadm', 'intermediates', systemClock)).authorities.changed
  t.match(below, [{ name: 'ca', changes: [{ what: 'issuer', before: 'self', after: 'root-ca' }] }])
})

/** A plan's file, with these changes to kubeadm's. */
function planWith(t: Tap, changes: string): string {
  const file = join(t.testdir({ 'changed.yaml': `extends: ${packagedPlan('kubeadm')}\nchanges:\n${changes}\n` }))
  return join(file, 'changed.yaml')
}

t.test('an empty list of front proxies, and one more master, are powers that somebody gains', async t => {
  const plan = planWith(
    t,
    `  cluster: { requestheaderAllowedNames: [] }
  kubeconfigs: { scheduler.conf: { organizations: ["system:masters"] } }
  trust: { kube-apiserver.requestheader-client-ca: [ca], kube-apiserver.kubelet-certificate-authority: null }`,
  )
  const gained = sentences((await diffPki('kubeadm', plan, systemClock)).gained)
  t.match(gained, /kube-apiserver believes .*kubelet\.conf.* about who is asking/)
  t.match(gained, 'scheduler.conf is in system:masters')
  t.match(gained, 'anybody can be kubelet to kube-apiserver, which does not check')
})

t.test('what breaks is said as it would be refused', async t => {
  const plan = planWith(t, '  certificates: { apiserver-etcd-client: { issuer: ca } }')
  const { connections } = await diffPki('kubeadm', plan, systemClock)
  const toEtcd = connections.find(({ from, to }) => from === 'kube-apiserver' && to === 'etcd')
  t.match(toEtcd?.changes[0], {
    what: 'comes to',
    before: 'ok',
    after: 'refused by the server (tls) unknown-authority',
  })
})

t.test('a node’s /etc/kubernetes is read without keys, and its manifests decide what is trusted', async t => {
  const folder = t.testdir()
  const dir = join(folder, 'kubernetes')
  await trustplane('pki', 'init', '--dir', dir, '-q')
  for (const name of readdirSync(dir, { recursive: true }) as string[]) {
    if (name.endsWith('.key') || name === 'plan.json' || name.startsWith('kubelet/')) {
      rmSync(join(dir, name), { recursive: true, force: true })
    }
  }
  mkdirSync(join(dir, 'manifests'))
  const manifest = (name: string, flags: Record<string, string>) =>
    writeFileSync(
      join(dir, 'manifests', `${name}.yaml`),
      JSON.stringify({
        spec: {
          containers: [{ command: [name, ...Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`)] }],
        },
      }),
    )
  manifest('etcd', {
    'trusted-ca-file': '/etc/kubernetes/pki/ca.crt',
    'peer-trusted-ca-file': '/etc/kubernetes/pki/etcd/ca.crt',
  })
  manifest('kube-apiserver', {
    'advertise-address': '127.0.0.1',
    'client-ca-file': '/etc/kubernetes/pki/ca.crt',
    'requestheader-client-ca-file': '/etc/kubernetes/pki/front-proxy-ca.crt',
    'requestheader-allowed-names': 'front-proxy-client',
    'etcd-cafile': '/etc/kubernetes/pki/etcd/ca.crt',
  })
  const diff = await diffPki('kubeadm', join(dir, 'pki'), systemClock)
  t.match(sentences(diff.gained), 'any client certificate of ca is accepted by etcd')
  t.match(diff.notCompared, [{ connection: 'kube-apiserver -> kubelet', missing: ['kubelet'] }])
  const copy = join(folder, 'copy')
  cpSync(dir, copy, { recursive: true })
  t.ok((await diffPki(dir, copy, systemClock)).same)
  await trustplane('pki', 'init', '--force', '--dir', copy, '-q')
  rmSync(join(copy, 'plan.json'))
  t.strictSame((await diffPki(dir, copy, systemClock)).authorities.newKeys, ['ca', 'front-proxy-ca', 'etcd-ca'])
})

t.test('what is missing or no kubeconfig is not compared, and said so', async t => {
  const dir = join(t.testdir(), 'kubernetes')
  await trustplane('pki', 'init', '--dir', dir, '-q')
  for (const name of ['scheduler.conf', 'pki/front-proxy-ca.crt', 'pki/etcd/ca.crt']) rmSync(join(dir, name))
  writeFileSync(join(dir, 'controller-manager.conf'), 'no kubeconfig')
  const { notCompared, connections } = await diffPki('kubeadm', dir, systemClock)
  const skipped = notCompared.map(({ connection, missing }) => `${connection}: ${missing.join(', ')}`)
  for (const line of [
    'kube-scheduler -> kube-apiserver: scheduler.conf',
    'kube-controller-manager -> kube-apiserver: controller-manager.conf',
    'kube-apiserver -> etcd: kube-apiserver.etcd-cafile, etcd.trusted-ca',
    'kube-apiserver -> extension-apiserver: extension-apiserver.requestheader-client-ca',
  ]) {
    t.ok(skipped.includes(line), `${line}\nsaid:\n${skipped.join('\n')}`)
  }
  t.notOk(connections.some(({ from }) => from === 'kube-scheduler'))
})

t.test('exit status is diff’s, and both ways to print say the same', async t => {
  t.equal((await trustplane('diff', 'kubeadm', 'kubeadm')).status, 0)
  const { status, stdout } = await trustplane('diff', 'one-ca', 'kubeadm')
  t.equal(status, 1)
  t.match(stdout, /can no longer be done with kubeadm\n.*- any client certificate of ca is accepted by etcd;/s)
  const { stdout: json } = await trustplane('diff', 'one-ca', 'kubeadm', '-o', 'json')
  t.match(JSON.parse(json), { kind: 'PkiDiff', same: false, before: 'one-ca', after: 'kubeadm' })
  const unknown = await trustplane('diff', 'kubeadm', 'no-such-plan')
  t.equal(unknown.status, 2)
  t.match(unknown.stderr, 'TP_FILE_UNREADABLE')
  t.equal((await trustplane('diff', 'kubeadm', t.testdir())).status, 2)
})

t.test('--pki names a plan, as --plan does', async t => {
  const dir = join(t.testdir(), 'state')
  const { status, stdout } = await trustplane('pki', 'init', '--pki', 'k3s', '--dir', dir)
  t.equal(status, 0)
  t.match(stdout, 'pki/client-ca.crt')
})
