import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { describeDisagreement, disagreements } from '../../src/mesh/agreement.ts'
import { readDrift } from '../../src/mesh/drift.ts'
import { startMesh } from '../../src/mesh/launcher.ts'

const changes = { certificates: { 'etcd-server-node-2': { notAfter: '-1d' } } }

t.test('three members of etcd: one by one, and with a majority everything goes on', async t => {
  const mesh = await startMesh({ isolation: 'in-process', etcdMembers: 3, changes })
  t.teardown(() => mesh.stop())
  const etcd = mesh.members.filter(({ component }) => component === 'etcd')
  t.strictSame(
    etcd.map(({ id, state }) => [id, state]),
    [
      ['etcd', 'running'],
      ['etcd@node-2', 'running'],
      ['etcd@node-3', 'running'],
    ],
  )
  for (const file of ['pki/etcd/server.crt', 'pki/etcd/peer.crt', 'pki/etcd/ca.crt', 'etcd-data']) {
    t.ok(existsSync(join(mesh.dir, file)), `the first member has its ${file} where kubeadm puts it`)
    t.ok(existsSync(join(mesh.dir, 'etcd/node-3', file)), `the third has ${file} of its own`)
  }
  const argv = mesh.member('kube-apiserver').argv.find(word => word.startsWith('--etcd-servers='))!
  t.equal(argv.split(',').length, 3, 'the apiserver is given all of them')

  const rows = await mesh.probe()
  t.strictSame(disagreements(mesh.predict(), rows).map(describeDisagreement), [])
  const red = rows.filter(({ outcome }) => outcome !== 'ok')
  t.strictSame(
    red.map(({ from, failing }) => [from, failing]),
    ['kube-apiserver', 'etcd-healthcheck', 'etcd-gateway'].map(from => [from, ['node-2']]),
    'a row says with which member it is not well, and the apiserver serves by the others',
  )
  t.match(red[0]?.message, /^node-2: .*expired/)
  t.strictSame(mesh.connection('kube-apiserver', 'etcd').failing, ['node-2'], 'status tells the same from the records')
  t.ok(
    readDrift(mesh.dir).some(({ file }) => file.includes('etcd/node-3/')),
    'drift knows the files of every member',
  )

  // whoever leads: the first asks for votes at once
  await mesh.member('etcd').stop()
  const [get] = await mesh.probe([{ from: 'kubectl', to: 'kube-apiserver' }])
  t.match(get, { outcome: 'ok', client: { http: { status: 200 } } }, 'without one member requests are answered')
  const away = await mesh.probe([{ from: 'etcd-peer', to: 'etcd-peer' }])
  t.match(away, [{ outcome: 'unreachable', failing: ['node-2 -> node-1', 'node-3 -> node-1'] }])
  await mesh.member('etcd').restart()
  await mesh.member('etcd').settled(10_000)
  t.match(await mesh.probe([{ from: 'etcd-peer', to: 'etcd-peer' }]), [{ outcome: 'ok' }])
  // who started last found the others there; who started first asks again 5 s later
  const logs = etcd.map(({ id }) => readFileSync(join(mesh.dir, `logs/${id}.log`), 'utf8'))
  t.match(logs.join(''), /peer became active/)
})
