import { startMesh } from 'trustplane'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { health } from './health.js'

describe('a control plane that is well', () => {
  let mesh
  beforeAll(async () => {
    mesh = await startMesh()
  }, 30_000)
  afterAll(() => mesh.stop())

  test('is ready', async () => {
    expect(await health(mesh.kubeconfig)).toMatchObject({ ready: true })
  })

  test('stays ready when the certificates are rotated', async () => {
    await mesh.rotate(['apiserver', 'admin.conf', 'apiserver-etcd-client'])
    expect(await health(mesh.kubeconfig)).toMatchObject({ ready: true })
    const rows = await mesh.probe()
    expect(rows.filter(row => row.outcome !== 'ok')).toEqual([])
  })
})

test('an apiserver with a certificate that etcd does not know is found not to be ready', async () => {
  const mesh = await startMesh({ fault: 'etcd/client-from-cluster-ca' })
  try {
    expect(mesh.connection('kube-apiserver', 'etcd')).toMatchObject({
      outcome: 'refused',
      refusedBy: 'server',
      layer: 'tls',
      reason: 'unknown-authority',
    })
    const seen = await health(mesh.kubeconfig).catch(error => ({ ready: false, words: error.message }))
    expect(seen.ready).toBe(false)
  } finally {
    await mesh.stop()
  }
}, 30_000)
