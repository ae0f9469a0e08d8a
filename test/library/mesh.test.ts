import { createPublicKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { disagreements, startMesh, TrustplaneError } from '#index.ts'
import { leafOf } from './leaf.ts'

// a busy machine takes its time
t.setTimeout(120_000)

t.test('a mesh in this process: connections by name, rotation, and it leaves nothing behind', async t => {
  const mesh = await startMesh({ changes: { ownTrustFiles: true } })
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

  await t.test('an authority is replaced in its order: twice, and all is green, and of the new one', async t => {
    await t.rejects(mesh.rotate({ authority: 'ectd-ca' }), { code: 'TP_NAME_UNKNOWN', fix: 'did you mean etcd-ca?' })
    for (let time = 1; time <= 2; time++) {
      const before = leafOf(mesh, 'front-proxy-client')
      const { renewed, restarted } = await mesh.rotate({ authority: 'front-proxy-ca' })
      t.strictSame(
        renewed.map(({ name }) => name),
        ['front-proxy-ca', 'front-proxy-client'],
      )
      t.strictSame(restarted, [], 'all who hold it watch it')
      t.not(leafOf(mesh, 'front-proxy-client'), before)
    }
    t.strictSame(
      (await mesh.probe()).filter(({ outcome }) => outcome !== 'ok'),
      [],
    )
  })

  await t.test('the key of service accounts is replaced, and tokens are checked with the new one alone', async t => {
    const publicKey = () => readFileSync(join(mesh.dir, 'pki/sa.pub'), 'utf8')
    const before = publicKey()
    await t.rejects(mesh.rotate('sa'), { code: 'TP_NAME_UNKNOWN', fix: "mesh.rotate({ authority: 'sa' })" })
    t.equal(publicKey(), before, 'nothing was changed')
    t.strictSame(await mesh.rotate({ authority: 'sa' }), {
      renewed: [{ name: 'sa', file: 'pki/sa.key' }],
      restarted: ['kube-apiserver', 'kube-controller-manager'],
    })
    t.not(publicKey(), before)
    const key = createPublicKey(readFileSync(join(mesh.dir, 'pki/sa.key')))
    t.equal(publicKey().trim(), key.export({ format: 'pem', type: 'spki' }).toString().trim())
  })
})

t.test('a fault that is none is named before anything starts, with the nearest one', async t => {
  const error = await startMesh({ fault: 'etcd/client-from-cluster-c' }).catch((thrown: unknown) => thrown)
  t.ok(error instanceof TrustplaneError)
  t.match(error, { code: 'TP_NAME_UNKNOWN', fix: /client-from-cluster-ca/ })
})
