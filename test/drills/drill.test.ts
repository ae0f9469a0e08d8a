import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse, stringify } from 'yaml'
import { systemClock } from '../../src/clock.ts'
import { chooseDrill, drills } from '../../src/drills/catalogue.ts'
import { checkDrill } from '../../src/drills/check.ts'
import { nextHint } from '../../src/drills/hints.ts'
import { prepareDrill, runDrill } from '../../src/drills/run.ts'
import { findDrill } from '../../src/drills/state.ts'
import { createClient } from '../../src/kubernetes/from-kubeconfig.ts'
import { silentLog } from '../../src/log.ts'
import { askToRestart } from '../../src/mesh/control.ts'
import { createPki } from '../../src/pki/create.ts'
import { recordedPlan } from '../../src/pki/plan-record.ts'
import { trustplane } from '../cli/harness.ts'

// meshes, and the machine may be busy
t.setTimeout(180_000)

const all = await drills()
const named = (name: string) => chooseDrill(all, { name, seed: 0 })
/** As with `trustplane pki init`, after the file was removed. */
const reissue = async (dir: string, ...files: string[]) => {
  for (const file of files) rmSync(join(dir, file))
  await createPki({ plan: await recordedPlan(dir), dir, clock: systemClock })
}
const red = (rows: readonly { from: string; to: string; outcome: string }[]) =>
  rows.filter(({ outcome }) => outcome !== 'ok').map(({ from, to }) => `${from} -> ${to}`)

t.test(
  'an expired certificate: hints are counted, a renewal without a restart is not enough, and then it is mended',
  async t => {
    const dir = join(t.testdir(), 'drill')
    prepareDrill(dir, named('scheduler-certificate-expired'), 7)
    await using _drill = await runDrill(dir, { isolation: 'in-process' })

    const before = await checkDrill(dir)
    t.notOk(before.solved)
    t.strictSame(red(before.rows), ['kube-scheduler -> kube-apiserver'])
    t.strictSame(before.loosened, [])

    const hints = []
    for (let number = 0; number < 5; number++) hints.push((await nextHint(dir)).text)
    t.notMatch(hints.slice(0, 2).join('\n'), /expired/)
    t.match(hints[0], 'kube-scheduler -> kube-apiserver')
    t.match(hints[1], 'by 401')
    t.match(hints[4], `rm ${dir}/scheduler.conf\ntrustplane pki init --dir ${dir}\ntrustplane restart kube-scheduler`)
    t.equal(findDrill(dir)?.hints, 5)

    await reissue(dir, 'scheduler.conf')
    const renewed = await checkDrill(dir)
    t.strictSame(red(renewed.rows), [])
    t.match(renewed.components.join('\n'), /kube-scheduler.*restart/)
    t.notOk(renewed.solved)

    await askToRestart(dir, 'kube-scheduler')
    t.match(await checkDrill(dir), { solved: true, components: [], loosened: [], hints: 5, checks: 3 })
    t.ok(findDrill(dir)?.solvedAt)
  },
)

t.test('a wrong bundle: the manifest is what a restart starts with, and trusting both is no repair', async t => {
  const dir = join(t.testdir(), 'drill')
  prepareDrill(dir, named('etcd/apiserver-checks-with-the-cluster-ca'), 7)
  t.notMatch(readFileSync(join(dir, 'drill.json'), 'utf8'), 'cluster-ca')
  await using _drill = await runDrill(dir, { isolation: 'in-process' })
  t.notMatch(readFileSync(join(dir, 'mesh.json'), 'utf8').replace(/"argv": \[[^\]]*\]/gs, ''), 'cafile')

  const manifest = join(dir, 'manifests/kube-apiserver.yaml')
  const withFlag = (flag: string, value: string) => {
    const pod = parse(readFileSync(manifest, 'utf8'))
    const [container] = pod.spec.containers
    const at = container.command.findIndex((word: string) => word.startsWith(`--${flag}=`))
    t.ok(at > 0, `--${flag} stands in the manifest`)
    container.command[at] = `--${flag}=${value}`
    t.equal(container.command.filter((word: string) => word.startsWith(`--${flag}=`)).length, 1, 'once')
    writeFileSync(manifest, stringify(pod))
  }
  const both = join(dir, 'both.crt')
  writeFileSync(both, ['pki/ca.crt', 'pki/etcd/ca.crt'].map(file => readFileSync(join(dir, file), 'utf8')).join(''))
  withFlag('etcd-cafile', both)
  t.equal((await askToRestart(dir, 'kube-apiserver')).state, 'running')
  const loose = await checkDrill(dir)
  t.notOk(loose.solved)
  t.strictSame(red(loose.rows), [])
  t.strictSame(loose.loosened, ['kube-apiserver -> etcd: kube-apiserver now believes ca'])

  withFlag('etcd-cafile', join(dir, 'pki/etcd/ca.crt'))
  withFlag('authorization-mode', 'AlwaysAllow')
  await askToRestart(dir, 'kube-apiserver')
  t.match((await checkDrill(dir)).loosened, [/--authorization-mode=AlwaysAllow/])
  withFlag('authorization-mode', 'Node,RBAC')
  const kubectl = createClient({
    kubeconfig: join(dir, 'super-admin.conf'),
    component: 'test',
    from: 'test',
    to: 'kube-apiserver',
    clock: systemClock,
    voice: 'go1.24',
    log: silentLog,
    records: { write() {}, close: async () => {} },
  })
  t.teardown(() => kubectl.close())
  const bindings = '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings'
  const binding = {
    metadata: { name: 'let-them' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: 'system:unauthenticated' }],
  }
  t.equal((await kubectl.raw({ method: 'POST', path: bindings, body: binding })).status, 201)
  t.match((await checkDrill(dir)).loosened, [
    /the ClusterRoleBinding let-them gives system:unauthenticated the role cluster-admin/,
  ])
  t.equal((await kubectl.raw({ method: 'DELETE', path: `${bindings}/let-them` })).status, 200)
  await askToRestart(dir, 'kube-apiserver')
  t.match(await checkDrill(dir), { solved: true })

  writeFileSync(manifest, 'spec: {}\n')
  await t.rejects(askToRestart(dir, 'kube-apiserver'), { code: 'TP_INPUT_INVALID' })
  await t.rejects(askToRestart(dir, 'kube-apisever'), { code: 'TP_NAME_UNKNOWN', fix: /kube-apiserver/ })
})

t.test('a folder with something in it is not broken', async t => {
  const dir = t.testdir({ 'admin.conf': 'mine' })
  t.throws(() => prepareDrill(dir, all[0]!, 1), { code: 'TP_PKI_EXISTS' })
  t.equal((await trustplane('drill', 'hint', '--dir', dir)).status, 5)
})

t.test('what a killed drill left is gone when the next begins', async t => {
  const dir = join(t.testdir(), 'drill')
  prepareDrill(dir, all[0]!, 1)
  writeFileSync(join(dir, 'admin.conf'), 'of the drill before')
  prepareDrill(dir, all[1]!, 2)
  t.notOk(existsSync(join(dir, 'admin.conf')))
  t.equal(findDrill(dir)?.id, all[1]!.id)
})

t.test('from the command line it runs on by itself, and leaves nothing behind', async t => {
  const dir = join(t.testdir(), 'drill')
  t.teardown(() => trustplane('drill', 'stop', '--dir', dir))
  const { status, stdout, stderr } = await trustplane('drill', 'scheduler-certificate-expired', '--dir', dir)
  t.equal(status, 0, stderr)
  t.match(stdout, 'new pods stay Pending')
  t.notMatch(stdout, /expired/)
  const check = await trustplane('drill', 'check', '--dir', dir)
  t.equal(check.status, 1)
  t.match(check.stdout, 'kube-scheduler -> kube-apiserver: refused')
  t.notMatch(check.stdout, 'expired')
  t.match((await trustplane('drill', 'hint', '--dir', dir)).stdout, 'hint 1 of 5: ')
  t.match((await trustplane('drill', 'reveal', '--dir', dir)).stdout, /has expired/)
  t.equal((await trustplane('drill', 'stop', '--dir', dir)).status, 0)
  t.notOk(existsSync(dir))
})
