import t from 'tap'
import { componentNames } from '../../src/components/component.ts'
import { connectionName, connections, findConnection, usersOf } from '../../src/mesh/connections.ts'
import { defaultPorts } from '../../src/mesh/ports.ts'
import { loadPlan } from '../../src/pki/plan.ts'
import { trustSlotNames } from '../../src/pki/trust-slots.ts'

t.test('every row stands once', async t => {
  const names = connections.map(connectionName)
  t.strictSame(names, [...new Set(names)])
})

t.test('every row names certificates, kubeconfigs and trust slots that the plan has', async t => {
  const plan = await loadPlan('kubeadm')
  const certificates = new Set([...plan.certificates, ...plan.kubeconfigs].map(({ name }) => name))
  const trust = new Set<string>([...trustSlotNames, ...plan.kubeconfigs.map(({ name }) => name)])
  for (const row of connections) {
    const name = connectionName(row)
    if (row.clientCertificate)
      t.ok(certificates.has(row.clientCertificate.name), `${name}: ${row.clientCertificate.name}`)
    t.ok(certificates.has(row.serverCertificate.name), `${name}: ${row.serverCertificate.name}`)
    for (const decided of [row.clientTrust, row.serverTrust]) {
      if (decided) t.ok(trust.has(decided.name), `${name}: ${decided.name}`)
    }
    t.ok(row.port in defaultPorts, `${name}: ${row.port}`)
  }
})

t.test('a row says how a bad client is refused when, and only when, its server asks for a certificate', async t => {
  for (const row of connections) {
    t.equal(row.serverTrust !== undefined, row.refusal !== undefined, connectionName(row))
  }
})

t.test('etcd refuses inside TLS, the Kubernetes servers by 401', async t => {
  for (const row of connections.filter(row => row.refusal)) {
    t.equal(row.refusal, row.to.startsWith('etcd') ? 'tls' : '401', connectionName(row))
  }
})

t.test('every row tells what people notice', async t => {
  for (const row of connections) t.match(row.notice, /^\S.{20,}$/, connectionName(row))
})

t.test('rows are found by their ends', async t => {
  t.equal(findConnection('kube-apiserver', 'etcd')?.refusal, 'tls')
  t.equal(findConnection('etcd', 'kube-apiserver'), undefined)
})

t.test('who shows a certificate, at either end', async t => {
  t.strictSame(usersOf('apiserver-etcd-client'), ['kube-apiserver'])
  t.strictSame(usersOf('etcd-server').toSorted(), ['etcd', 'etcd-gateway'])
  t.strictSame(usersOf('scheduler.conf'), ['kube-scheduler'])
  t.ok((componentNames as readonly string[]).includes(usersOf('apiserver')[0]!))
})
