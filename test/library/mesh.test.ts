import t from 'tap'
import { disagreements, startMesh, TrustplaneError } from '#index.ts'
import { leafOf } from './leaf.ts'

t.test('a mesh in this process: connections by name, rotation, and it leaves nothing behind', async t => {
  const mesh = await startMesh()
  t.teardown(() => mesh.stop())

  t.match(mesh.connection('kube-apiserver', 'etcd'), {
    outcome: 'ok',
    client: { end: 'client' },
    server: { end: 'server' },
  })
  t.throws(() => mesh.connection('kube-apiserver', 'ectd' as 'etcd'), {
    code: 'TP_NAME_UNKNOWN',
    fix: 'did you mean kube-apiserver -> etcd?',
  })

  await t.test('rotated leaves are shown by everybody, and every connection stays green', async t => {
    const names = ['apiserver', 'apiserver-etcd-client', 'etcd-server', 'scheduler.conf'] as const
    const before = names.map(name => leafOf(mesh, name))
    const { renewed, restarted } = await mesh.rotate(names)
    t.strictSame(
      renewed.map(({ name }) => name),
      [...names],
    )
    t.strictSame(restarted, ['kube-scheduler'], 'only what reads its file at start')
    const rows = await mesh.probe()
    t.strictSame(
      rows.filter(({ outcome }) => outcome !== 'ok'),
      [],
    )
    t.strictSame(disagreements(mesh.predict(), rows), [])
    const shown = new Set(rows.flatMap(({ client, server }) => [client?.own?.sha256, server?.own?.sha256]))
    for (const [index, name] of names.entries()) {
      t.notOk(shown.has(before[index]), `nobody shows the old ${name}`)
      t.ok(shown.has(leafOf(mesh, name)), `somebody shows the new ${name}`)
    }
    await t.rejects(mesh.rotate('apisever'), { code: 'TP_NAME_UNKNOWN', fix: 'did you mean apiserver?' })
  })
})

t.test('a fault that is none is named before anything starts, with the nearest one', async t => {
  const error = await startMesh({ fault: 'etcd/client-from-cluster-c' }).catch((thrown: unknown) => thrown)
  t.ok(error instanceof TrustplaneError)
  t.match(error, { code: 'TP_NAME_UNKNOWN', fix: /client-from-cluster-ca/ })
})
