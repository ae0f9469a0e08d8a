/** One mesh whose node joins by CSR: what the files say of it is what is seen, before somebody approves its serving certificate and after. */
import { existsSync, readFileSync, rmSync, watch } from 'node:fs'
import { dirname } from 'node:path'
import t from 'tap'
import { createClient } from '../../src/kubernetes/from-kubeconfig.ts'
import { resources } from '../../src/kubernetes/resources.ts'
import type { CertificateSigningRequest } from '../../src/kubernetes/types.ts'
import { silentLog } from '../../src/log.ts'
import { disagreements } from '../../src/mesh/agreement.ts'
import { findConnection } from '../../src/mesh/connections.ts'
import { explain } from '../../src/mesh/explain.ts'
import { startMesh } from '../../src/mesh/launcher.ts'
import { pairOf } from '../../src/mesh/layout.ts'
import type { Mesh } from '../../src/mesh/mesh.ts'
import { predict } from '../../src/mesh/predict.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { certificateBlocks } from '../../src/x509/pem.ts'

t.setTimeout(120_000)

const row = { from: 'kube-apiserver', to: 'kubelet' } as const
const unserved = {
  outcome: 'refused',
  refusedBy: 'server',
  layer: 'tls',
  message: 'remote error: tls: internal error',
} as const

t.test('a node that joins by CSR', async t => {
  const dir = t.testdir()
  // a bootstrap token is good for a day from now: by the mesh's clock
  const clockOffsetMs = 3 * 86_400_000
  const mesh = await startMesh({ dir, isolation: 'in-process', bootstrap: true, clockOffsetMs })
  t.teardown(() => mesh.stop())
  const file = pairOf(mesh.layout, 'kubelet', 'node-1').certificate
  const about = (rows: readonly { from: string; to: string }[]) =>
    rows.find(({ from, to }) => from === row.from && to === row.to)

  await t.test('before its serving certificate is approved, the apiserver is told `internal error`', async t => {
    t.match(about(mesh.predict()), unserved)
    const seen = await mesh.probe()
    t.match(about(seen), {
      outcome: 'refused',
      refusedBy: 'server',
      layer: 'tls',
      client: { message: unserved.message },
    })
    t.strictSame(disagreements(mesh.predict(), seen), [])
    const connection = findConnection(row.from, row.to)!
    const { fixes } = explain(connection, mesh.connection(row.from, row.to), { layout: mesh.layout, dir })
    t.match(fixes.at(-1), 'kubectl certificate approve NAME')
  })

  await t.test('approved, it serves', async t => {
    const stored = appears(file)
    await approve(mesh)
    await stored
    const seen = await mesh.probe()
    t.match(about(seen), { outcome: 'ok' })
    t.strictSame(disagreements(mesh.predict(), seen), [])
    const [leaf] = certificateBlocks(readFileSync(file, 'latin1'))
    const { notAfter } = parseCertificate(leaf!)
    t.match(
      about(
        predict(mesh.layout, { now: new Date(notAfter.getTime() - 1000), rows: [findConnection(row.from, row.to)!] }),
      ),
      { outcome: 'ok' },
    )
    t.match(about(predict(mesh.layout, { now: notAfter })), unserved, 'one that has expired is as good as none')
  })

  await t.test('a second time it has its certificates already, and asks for none', async t => {
    await mesh.stop()
    rmSync(`${dir}/etcd-data`, { recursive: true })
    const again = await startMesh({ dir, isolation: 'in-process', bootstrap: true, clockOffsetMs })
    t.teardown(() => again.stop())
    t.strictSame(disagreements(again.predict(), await again.probe()), [])
    t.strictSame((await requests(again)).length, 0)
  })
})

function clientOf({ kubeconfig, state }: Mesh) {
  const clock = { now: () => new Date(Date.now() + state.clockOffsetMs) }
  const names = { component: 'test', from: 'test', to: 'kube-apiserver', voice: 'go1.24' } as const
  return createClient({ ...names, clock, kubeconfig, log: silentLog, records: { write() {}, close: async () => {} } })
}

async function requests(mesh: Mesh): Promise<CertificateSigningRequest[]> {
  const client = clientOf(mesh)
  const { items } = await client.list(resources.csrs)
  await client.close()
  return items
}

/** What `kubectl certificate approve` does. */
async function approve(mesh: Mesh): Promise<void> {
  const client = clientOf(mesh)
  const { items, metadata } = await client.list(resources.csrs)
  const isServing = ({ spec }: CertificateSigningRequest) => spec.signerName === 'kubernetes.io/kubelet-serving'
  let csr = items.find(isServing)
  if (!csr) {
    for await (const { object } of client.watch(resources.csrs, { resourceVersion: metadata.resourceVersion ?? '' })) {
      if (!isServing(object as CertificateSigningRequest)) continue
      csr = object as CertificateSigningRequest
      break
    }
  }
  const condition = { type: 'Approved', status: 'True' as const, reason: 'KubectlApprove', message: 'by a test' }
  const approved = { ...csr!, status: { ...csr!.status, conditions: [condition] } }
  await client.updateSubresource(resources.csrs, { name: csr!.metadata.name! }, 'approval', approved)
  await client.close()
}

async function appears(file: string): Promise<void> {
  const folder = watch(dirname(file))
  try {
    while (!existsSync(file)) await new Promise(resolve => folder.once('change', resolve))
  } finally {
    folder.close()
  }
}
