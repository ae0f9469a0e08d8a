import { appendFileSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openLayout } from '../../src/mesh/open.ts'
import { timeline } from '../../src/mesh/timeline.ts'
import { createPki } from '../../src/pki/create.ts'
import { loadPlan } from '../../src/pki/plan.ts'
import type { PlanChanges } from '../../src/pki/types.ts'
import { trustplane } from '../cli/harness.ts'

const now = new Date('2026-11-24T10:00:00Z')

async function made(dir: string, overrides: PlanChanges = {}, clock = { now: () => now }) {
  await createPki({ plan: await loadPlan('kubeadm'), dir, clock, overrides })
  return (await openLayout(dir))!
}

t.test('certificates come by their ends, with what breaks there and what people notice', async t => {
  const layout = await made(join(t.testdir(), 'state'), {
    certificates: { 'etcd-healthcheck-client': { validity: '1d' }, 'apiserver-kubelet-client': { validity: '30d' } },
  })
  const { events, first, well, total, broken } = timeline(layout, now)
  t.equal(well, total)
  t.strictSame(broken, [])
  t.match(first, {
    time: '2026-11-25T10:00:00Z',
    inSeconds: 86_400,
    ends: [{ name: 'etcd-healthcheck-client', kind: 'certificate', file: 'pki/etcd/healthcheck-client.crt' }],
    breaks: [{ from: 'etcd-healthcheck', to: 'etcd', refusedBy: 'server', layer: 'tls', reason: 'expired' }],
  })
  t.match(events[1], {
    time: '2026-12-24T10:00:00Z',
    breaks: [{ from: 'kube-apiserver', to: 'kubelet', layer: 'authentication', notice: /kubectl logs/ }],
  })
  // the rest of the leaves, then the CAs, whose end breaks nothing that is not broken by then
  t.ok(events[2]!.ends.some(({ name }) => name === 'admin.conf') && events[2]!.breaks.length > 5)
  t.ok(events.at(-1)!.ends.every(({ kind }) => kind !== 'kubeconfig'))
  t.strictSame(
    events.map(({ time }) => time),
    events.map(({ time }) => time).toSorted(),
  )
  t.match(
    events.flatMap(({ ends }) => ends).find(({ name }) => name === 'kubelet.conf')!.renewedBy,
    /the kubelet, at 70 to 90 %/,
  )
})

t.test('what has ended already is past, and what is broken now is said apart', async t => {
  const layout = await made(join(t.testdir(), 'state'), { certificates: { apiserver: { notAfter: '-1d' } } })
  const { events, broken, well, total } = timeline(layout, now)
  t.match(events[0], { inSeconds: -86_400, ends: [{ name: 'apiserver' }], breaks: [] })
  t.ok(broken.length > 0 && broken.every(({ to, reason }) => to === 'kube-apiserver' && reason === 'expired'))
  t.equal(well + broken.length, total)
})

t.test('an old CA that only a bundle has is listed, a file that is missing is not', async t => {
  const root = t.testdir()
  const layout = await made(join(root, 'state'))
  const other = await made(join(root, 'other'), {}, { now: () => new Date('2020-01-01T00:00:00Z') })
  appendFileSync(join(layout.dir, 'pki/front-proxy-ca.crt'), readFileSync(join(other.dir, 'pki/front-proxy-ca.crt')))
  rmSync(join(layout.dir, 'pki/etcd/peer.crt'))
  const { events, broken } = timeline(layout, now)
  const names = events.flatMap(({ ends }) => ends.map(({ name, notAfter }) => `${name} ${notAfter.slice(0, 4)}`))
  t.ok(names.includes('front-proxy-ca 2029'))
  t.notOk(names.some(name => name.startsWith('etcd-peer')))
  t.match(broken, [{ from: 'etcd-peer', to: 'etcd-peer', outcome: 'unreachable' }])
})

t.test('a node’s own folder: what is elsewhere is not judged, the rest is', async t => {
  const dir = join(t.testdir(), 'kubernetes')
  await made(dir)
  for (const path of [
    'plan.json',
    'kubelet',
    'kube-scheduler',
    'kube-controller-manager',
    'extension-apiserver',
    'monitoring',
    'kube-proxy.conf',
  ])
    rmSync(join(dir, path), { recursive: true })
  const { status, stdout } = await trustplane('pki', 'timeline', '--dir', dir, '-o', 'json')
  const found = JSON.parse(stdout) as ReturnType<typeof timeline>
  t.equal(status, 0)
  t.strictSame(found.broken, [])
  t.ok(found.unjudged.some(({ from, to }) => from === 'kube-apiserver' && to === 'kubelet'))
  t.ok(
    found.first?.breaks.some(
      ({ from, to, reason }) => from === 'kube-apiserver' && to === 'etcd' && reason === 'expired',
    ),
  )
})

t.test('the command draws it, in text and JSON, at any time', async t => {
  const dir = join(t.testdir(), 'state')
  await trustplane('pki', 'init', '--dir', dir)
  const { status, stdout, stderr } = await trustplane('pki', 'timeline', '--dir', dir)
  t.equal(status, 0)
  t.match(stdout, /^✓ \S+Z {2}now: (\d+) of \1 connections are well$/m)
  t.match(stdout, /^✗ \S+Z {2}in 364d\n {4}ends {4}admin\.conf \(admin\.conf\)$/m)
  t.match(
    stdout,
    /^ {4}breaks {2}kube-apiserver -> etcd: expired, refused by the client \(tls\): the apiserver has no storage/m,
  )
  t.match(
    stdout,
    /^ {4}breaks {2}kubectl -> kube-apiserver: unreachable, because what it needs is down: kubectl answers/m,
  )
  t.match(stderr, /^first: .*apiserver.*Renew before that/m)
  const later = await trustplane('pki', 'timeline', '--dir', dir, '--clock-offset', '400d', '-o', 'json')
  t.equal(later.status, 1)
  t.match(JSON.parse(later.stdout), { kind: 'Timeline', broken: [{ from: 'kubectl', reason: 'unreachable' }] })
  const none = await trustplane('pki', 'timeline', '--dir', join(dir, 'nowhere'))
  t.match(none.stderr, /TP_PKI_MISSING[\s\S]*pki init/)
})
