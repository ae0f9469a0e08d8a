import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { startMesh } from 'trustplane'
import { diagnose } from './diagnose.js'

let mesh

// a whole control plane with one thing wrong, in this process
beforeAll(async () => {
  mesh = await startMesh({ fault: 'etcd/client-from-cluster-ca' })
}, 30_000)

afterAll(() => mesh?.stop())

test('it says who refuses whom, and why', () => {
  expect(diagnose(mesh.connection('kube-apiserver', 'etcd'))).toBe('etcd refuses kube-apiserver: unknown-authority')
})

test('it is content with a connection that is well', async () => {
  const [row] = await mesh.probe([{ from: 'etcd-healthcheck', to: 'etcd' }])
  expect(diagnose(row)).toBe('etcd-healthcheck reaches etcd')
})
