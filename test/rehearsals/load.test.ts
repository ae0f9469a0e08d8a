import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { findRehearsal, rehearsalNames } from '../../src/rehearsals/find.ts'
import { loadRehearsal, parseRehearsal } from '../../src/rehearsals/load.ts'
import { stepsInOrder } from '../../src/rehearsals/order.ts'
import { rehearsalSchema } from '../../src/rehearsals/schema.ts'
import { trustplane } from '../cli/harness.ts'

const lines = (text: string) =>
  parseRehearsal(text, 'r.yaml').then(
    () => [],
    (error: Error & { code: string }) => [error.code, ...error.message.split('\n')],
  )

t.test('every rehearsal loads, says what it is for, and what each step is for', async t => {
  t.strictSame(rehearsalNames(), [
    'cluster-ca',
    'etcd-ca',
    'front-proxy-ca',
    'kubelet-client-subject',
    'leaf-renewal',
    'rsa-to-ecdsa',
    'service-account-key',
    'split-etcd-ca',
    'webhook-ca-bundle',
  ])
  for (const name of rehearsalNames()) {
    const { story, sources, steps } = await loadRehearsal(findRehearsal(name))
    t.ok(story.length > 100 && sources.length > 0, name)
    for (const { does } of steps) t.match(does, /^[A-Z].*\.$/s, `${name}: ${does}`)
  }
})

t.test('the written schema is the one of the tables', async t => {
  const file = join(dirname(findRehearsal('cluster-ca')), 'rehearsal.schema.json')
  t.strictSame(JSON.parse(readFileSync(file, 'utf8')), JSON.parse(JSON.stringify(rehearsalSchema())))
})

t.test('everything that is wrong is said at once, with its place and the nearest word', async t => {
  t.strictSame(
    await lines(`title: x
story: y
replaces: [{ old: front-proxy-ka }]
steps:
  - name: one
    does: It does.
    do:
      - trust-new: kube-apiserver.client-c
      - await-reread: scheduler.conf
      - reissue: apisever
    whenSkipped: { breaks: ["kubectl -> kube-apiserver"], why: z }
  - name: one
    does: It does.
    do: [{ bind: nothing }]
    whenSkipped: { stops: onne, why: z }
`),
    [
      'TP_REHEARSAL_INVALID',
      'r.yaml:3:19: no authority, self-signed certificate or key pair "front-proxy-ka", did you mean "front-proxy-ca"?',
      'r.yaml:8:20: no trust slot, kubeconfig or key pair "kube-apiserver.client-c", did you mean "kube-apiserver.client-ca"?',
      'r.yaml:9:23: scheduler.conf is not watched: kube-scheduler reads it only when it starts: `restart` it',
      'r.yaml:10:18: no certificate or kubeconfig "apisever", did you mean "apiserver"?',
      'r.yaml:11:18: after which step do they break? `at` is missing',
      'r.yaml:12:11: there are two steps "one"',
      'r.yaml:14:18: no ClusterRoleBinding of kubeadm "nothing"; known: kubeadm:apiserver-kubelet-client',
      'r.yaml:15:27: no step "onne", did you mean "one"?',
    ],
  )
  t.strictSame(
    await lines('titel: x\nstory: y\nsteps: [{ name: A, does: b, do: [{ restrat: etcd }], whenSkipped: {} }]\n'),
    [
      'TP_REHEARSAL_INVALID',
      'r.yaml:1:1: "title" is missing',
      'r.yaml:1:1: unknown key "titel", did you mean "title"?',
      'r.yaml:3:17: "A" is not valid here: Lower case, digits and hyphens.',
      'r.yaml:3:36: unknown key "restrat", did you mean "restart"?',
    ],
  )
})

t.test('what is trusted nowhere cannot be trusted anew there', async t => {
  const text = `title: x
story: y
replaces: [{ old: etcd-ca }]
steps:
  - name: one
    does: It does.
    do: [{ trust-new: kubelet.client-ca }]
    whenSkipped: { harmless: z }
`
  t.match(await lines(text), ['TP_REHEARSAL_INVALID', /kubelet.client-ca trusts ca, and nothing of `replaces`/])
})

t.test('steps are left out and change places by name', async t => {
  const rehearsal = await loadRehearsal(findRehearsal('front-proxy-ca'))
  const names = (order: Parameters<typeof stepsInOrder>[1]) => stepsInOrder(rehearsal, order).map(step => step.name)
  t.strictSame(
    names({ swap: ['servers-trust-new', 'make-new-ca'], skip: ['sign-with-new'], until: 'reissue-client' }),
    ['servers-trust-new', 'servers-trust-both', 'reissue-client'],
  )
  t.throws(() => names({ skip: ['sign-with-old'] }), { code: 'TP_NAME_UNKNOWN', fix: 'did you mean sign-with-new?' })
})

t.test('trustplane rehearse lists, predicts, and asks for a directory where something is to stay', async t => {
  const list = await trustplane('rehearse', '--list')
  t.match(list.stdout, /^cluster-ca +13 +Replace the cluster CA/m)
  const predicted = await trustplane('rehearse', 'front-proxy-ca', '--dry-run', '--skip', 'servers-trust-both')
  t.equal(predicted.status, 1)
  t.match(predicted.stdout, /predicted from the files/)
  t.match(predicted.stdout, /people notice: +the APIService is unavailable/)
  t.match(predicted.stdout, /the first to break: reissue-client/)
  t.match(await trustplane('rehearse', 'cluster-ca', '--until', 'sign-with-new'), { status: 2, stderr: /--dir/ })
  t.match(await trustplane('rehearse', 'cluster-ca', '--rollback'), { status: 2, stderr: /--dir/ })
  t.match(await trustplane('rehearse', 'clustr-ca'), { status: 2, stderr: /did you mean cluster-ca\?/ })
  const json = await trustplane('rehearse', 'front-proxy-ca', '--dry-run', '-o', 'json')
  t.match(JSON.parse(json.stdout), { kind: 'RehearsalReport', ok: true, steps: { length: 6 } })
})
