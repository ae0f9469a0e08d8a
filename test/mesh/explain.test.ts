import t from 'tap'
import { systemClock } from '../../src/clock.ts'
import { findConnection } from '../../src/mesh/connections.ts'
import { explain } from '../../src/mesh/explain.ts'
import { nodesOf } from '../../src/mesh/layout.ts'
import { defaultPorts } from '../../src/mesh/ports.ts'
import { prepare } from '../../src/mesh/prepare.ts'
import { combine } from '../../src/mesh/status.ts'
import type { HandshakeRecord } from '../../src/tls/types.ts'

const dir = t.testdir()
const layout = await prepare({
  dir,
  ports: defaultPorts,
  host: '127.0.0.1',
  nodes: nodesOf(1),
  plan: 'kubeadm',
  changes: {},
  clock: systemClock,
})
const row = findConnection('kube-apiserver', 'etcd')!
const shown = { subject: 'CN=kube-apiserver-etcd-client', issuer: 'CN=kubernetes', serial: '1', sha256: 'a' }
const dates = { notBefore: '2026-01-01T00:00:00Z', notAfter: '2027-01-01T00:00:00Z' }
const base = { time: '2026-11-24T12:00:00.000Z', handshake: 'h', to: 'etcd', address: '127.0.0.1:2379', port: 2379 }
const client: HandshakeRecord = {
  ...base,
  observer: 'kube-apiserver',
  end: 'client',
  from: 'kube-apiserver',
  outcome: 'refused',
  refusedBy: 'server',
  layer: 'tls',
  message: 'remote error: tls: unknown certificate authority',
  alert: { code: 48, name: 'unknown_ca', direction: 'received' },
  own: { ...shown, ...dates, file: `${dir}/pki/apiserver-etcd-client.crt` },
  bundle: `${dir}/pki/etcd/ca.crt`,
  name: '127.0.0.1',
}
const server = (more: Partial<HandshakeRecord>): HandshakeRecord => ({
  ...base,
  observer: 'etcd',
  end: 'server',
  outcome: 'refused',
  refusedBy: 'server',
  layer: 'tls',
  alert: { code: 48, name: 'unknown_ca', direction: 'sent' },
  peer: [{ ...shown, ...dates }],
  bundle: `${dir}/pki/etcd/ca.crt`,
  ...more,
})
const explained = (more: Partial<HandshakeRecord>, context = {}) =>
  explain(row, combine(row, { handshake: 'h', time: base.time, client, server: server(more) }), {
    layout,
    dir,
    ...context,
  })

t.test('both ends: what was shown, from which file, checked with which bundle, by which flag', async t => {
  const { client, server, wire, decidedBy, what } = explained({ reason: 'unknown-authority', message: 'x509: no' })
  t.equal(what, 'kube-apiserver -> etcd: refused by the server (tls) unknown-authority')
  t.match(client, {
    showedFile: `${dir}/pki/apiserver-etcd-client.crt`,
    showedBy: 'kube-apiserver --etcd-certfile',
    checkedBy: 'kube-apiserver --etcd-cafile',
    name: '127.0.0.1',
    says: 'remote error: tls: unknown certificate authority',
  })
  t.match(server, {
    showedFile: `${dir}/pki/etcd/server.crt`,
    checkedWith: `${dir}/pki/etcd/ca.crt`,
    authorities: [/^CN=etcd-ca \(SHA-256 /],
    says: 'x509: no',
  })
  t.equal(wire, 'the server sent alert 48 (unknown_ca)')
  t.equal(decidedBy, `etcd --trusted-ca-file=${dir}/pki/etcd/ca.crt`)
})

t.test('another CA: issuer and bundle are shown, and how to issue it anew', async t => {
  t.match(explained({ reason: 'unknown-authority' }).fixes, [
    /issued by CN=kubernetes; etcd trusts .*pki\/etcd\/ca\.crt \(etcd --trusted-ca-file\)/,
    `rm ${dir}/pki/apiserver-etcd-client.crt ${dir}/pki/apiserver-etcd-client.key`,
    `trustplane pki init --dir ${dir}`,
  ])
})

t.test('an expired certificate is renewed, by the mesh’s clock', async t => {
  const past = [{ ...shown, ...dates, notAfter: '2026-11-01T00:00:00Z' }]
  t.strictSame(explained({ reason: 'expired', peer: past }).fixes, [
    `trustplane pki renew apiserver-etcd-client --dir ${dir}`,
  ])
  t.strictSame(explained({ reason: 'expired', peer: past }, { clockOffsetMs: 86_400_000 }).fixes, [
    `trustplane pki renew apiserver-etcd-client --dir ${dir} --clock-offset 86400s`,
  ])
})

t.test('where it is an authority that has expired, renewing the leaf does not help', async t => {
  t.match(explained({ reason: 'expired' }).fixes, [/an authority above it is not: a CA needs a rotation/])
})

t.test('a component that reads its files once must be restarted', async t => {
  const scheduler = findConnection('kube-scheduler', 'kube-apiserver')!
  const status = {
    from: 'kube-scheduler',
    to: 'kube-apiserver',
    outcome: 'refused',
    refusedBy: 'server',
    reason: 'expired',
  } as const
  t.match(explain(scheduler, status, { layout, dir }).fixes.at(-1), /restart kube-scheduler/)
})

t.test('what is well has nothing to mend', async t => {
  t.strictSame(explain(row, { from: 'kube-apiserver', to: 'etcd', outcome: 'ok' }, { layout, dir }).fixes, [])
})
