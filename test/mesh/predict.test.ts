import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test as Tap } from 'tap'
import { systemClock } from '../../src/clock.ts'
import { nodesOf } from '../../src/mesh/layout.ts'
import { defaultPorts } from '../../src/mesh/ports.ts'
import { type Prediction, type PredictOptions, predict } from '../../src/mesh/predict.ts'
import { prepare } from '../../src/mesh/prepare.ts'
import type { PlanChanges } from '../../src/pki/types.ts'

async function layoutWith(t: Tap, changes: PlanChanges = {}, plan = 'kubeadm') {
  const place = { dir: t.testdir(), ports: defaultPorts, host: '127.0.0.1', nodes: nodesOf(1) }
  return prepare({ ...place, plan, changes, clock: systemClock })
}
const now = () => new Date()
const red = (rows: Prediction[]) => rows.filter(({ outcome }) => outcome !== 'ok')
const names = (rows: Prediction[]) => rows.map(({ from, to }) => `${from} -> ${to}`)

t.test('a sound PKI makes every connection well', async t => {
  t.strictSame(red(predict(await layoutWith(t), { now: now() })), [])
})

t.test('no private key is needed', async t => {
  const layout = await layoutWith(t)
  for (const name of readdirSync(layout.dir, { recursive: true }) as string[]) {
    if (name.endsWith('.key')) rmSync(join(layout.dir, name))
  }
  t.strictSame(red(predict(layout, { now: now() })), [])
})

const toApiserver = ['kubectl', 'kube-scheduler', 'kube-controller-manager', 'kubelet', 'kube-proxy'].map(
  from => `${from} -> kube-apiserver`,
)
const refused = (refusedBy: 'client' | 'server', layer: string, reason: string) => ({
  outcome: 'refused',
  refusedBy,
  layer,
  reason,
})

const cases: [string, PlanChanges, string[], object][] = [
  [
    'an expired serving certificate is refused by every client, inside TLS',
    { certificates: { apiserver: { notAfter: '-1d' } } },
    toApiserver,
    refused('client', 'tls', 'expired'),
  ],
  [
    'an expired client certificate is refused by the apiserver with 401',
    { kubeconfigs: { 'scheduler.conf': { notAfter: '-1d' } } },
    ['kube-scheduler -> kube-apiserver'],
    refused('server', 'authentication', 'expired'),
  ],
  [
    'a client certificate of another CA is refused by a kubelet with 401',
    { certificates: { 'apiserver-kubelet-client': { issuer: 'etcd-ca' } } },
    ['kube-apiserver -> kubelet'],
    refused('server', 'authentication', 'unknown-authority'),
  ],
  [
    'an expired client certificate is refused by etcd inside TLS',
    { certificates: { 'etcd-healthcheck-client': { notAfter: '-1d' } } },
    ['etcd-healthcheck -> etcd'],
    refused('server', 'tls', 'expired'),
  ],
  [
    'a certificate without the IP is refused by those who dial it',
    { certificates: { kubelet: { ipAddresses: [] } } },
    ['kube-apiserver -> kubelet', 'monitoring -> kubelet'],
    refused('client', 'tls', 'name-mismatch'),
  ],
  [
    'a front-proxy client with another name is not believed',
    { certificates: { 'front-proxy-client': { commonName: 'somebody' } } },
    ['kube-apiserver -> extension-apiserver'],
    refused('server', 'authentication', 'unknown-authority'),
  ],
  [
    'a user without the group gets 403',
    { kubeconfigs: { 'admin.conf': { organizations: [] } } },
    ['kubectl -> kube-apiserver'],
    refused('server', 'authorization', 'forbidden'),
  ],
  [
    'a kubelet that is not of system:nodes gets 403',
    { kubeconfigs: { 'kubelet.conf': { organizations: [] } } },
    ['kubelet -> kube-apiserver'],
    refused('server', 'authorization', 'forbidden'),
  ],
]
for (const [name, changes, rows, expected] of cases) {
  t.test(name, async t => {
    const found = red(predict(await layoutWith(t, changes), { now: now() }))
    t.strictSame(names(found).toSorted(), rows.toSorted())
    for (const row of found) t.match(row, expected, `${row.from} -> ${row.to}`)
  })
}

t.test('without storage the apiserver serves nobody', async t => {
  const layout = await layoutWith(t, { certificates: { 'apiserver-etcd-client': { issuer: 'ca' } } })
  const found = red(predict(layout, { now: now() }))
  t.match(
    found.find(({ to }) => to === 'etcd'),
    refused('server', 'tls', 'unknown-authority'),
  )
  t.strictSame(names(found.filter(({ outcome }) => outcome === 'unreachable')), toApiserver)
})

t.test(
  'etcd refuses its own gateway when its certificate may not be a client’s, and the apiserver has no other way in',
  async t => {
    const layout = await layoutWith(t, { certificates: { 'etcd-server': { extKeyUsages: ['serverAuth'] } } })
    const found = red(predict(layout, { now: now() }))
    t.match(
      found.find(({ from }) => from === 'etcd-gateway'),
      refused('server', 'tls', 'wrong-usage'),
    )
    t.strictSame(names(found.filter(({ outcome }) => outcome === 'unreachable')), toApiserver)
    t.equal(found.length, toApiserver.length + 1)
  },
)

t.test('a certificate whose key is another’s does not start', async t => {
  const layout = await layoutWith(t, { certificates: { kubelet: { keyFrom: 'monitoring' } } })
  t.match(red(predict(layout, { now: now() })), [
    { from: 'kube-apiserver', to: 'kubelet', outcome: 'unreachable', reason: 'key-mismatch' },
    { from: 'monitoring', to: 'kubelet', outcome: 'unreachable', reason: 'key-mismatch' },
  ])
})

t.test('in a year from now everything that was made today is past its day', async t => {
  const found = red(predict(await layoutWith(t), { now: new Date(Date.now() + 366 * 86_400_000) }))
  t.match(
    found.find(({ to }) => to === 'kubelet'),
    refused('client', 'tls', 'expired'),
  )
})

t.test('a component whose clock is off judges by it', async t => {
  const options: PredictOptions = { now: now(), clockOffsets: { etcd: -86_400_000 } }
  const found = red(predict(await layoutWith(t), options))
  t.match(
    found.find(({ from }) => from === 'etcd-healthcheck'),
    refused('server', 'tls', 'not-yet-valid'),
  )
})

t.test('a client that is given no bundle does not check', async t => {
  const layout = await layoutWith(t, {
    certificates: { kubelet: { issuer: 'etcd-ca' } },
    trust: { 'kube-apiserver.kubelet-certificate-authority': null },
  })
  t.strictSame(names(red(predict(layout, { now: now() }))), ['monitoring -> kubelet'])
})

for (const plan of readdirSync(new URL('../../certs/', import.meta.url)).filter(name => name.endsWith('.yaml'))) {
  const name = plan.slice(0, -5)
  // its point is that something is not served or not permitted
  if (['intermediates-unserved', 'compose'].includes(name)) continue
  t.test(`the plan ${name} makes every connection well`, async t => {
    const found = red(predict(await layoutWith(t, {}, name), { now: now() }))
    t.strictSame(
      found.map(({ from, to, reason }) => `${from} -> ${to}: ${reason}`),
      [],
    )
  })
}
