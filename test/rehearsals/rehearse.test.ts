import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { dryRun } from '../../src/rehearsals/dry-run.ts'
import { findRehearsal } from '../../src/rehearsals/find.ts'
import { loadRehearsal } from '../../src/rehearsals/load.ts'
import { rehearse } from '../../src/rehearsals/rehearse.ts'
import { brokenIn, type RehearsalResult } from '../../src/rehearsals/result.ts'
import { startRehearsal } from '../../src/rehearsals/start.ts'

t.setTimeout(300_000)

const load = (name: string) => loadRehearsal(findRehearsal(name))

const rowsOf = ({ steps }: RehearsalResult) =>
  steps.map(({ step, rows }) => ({
    step,
    rows: rows.map(({ from, to, on, trusts, state }) => `${from} -> ${to}: ${state}, on ${on}, trusts ${trusts}`),
  }))

const keysIn = (dir: string) =>
  (readdirSync(dir, { recursive: true }) as string[]).filter(name => /\.(key|conf)$/.test(name))

/** Nothing was lost, and every step did what the files say. */
function lostNothing(t: Test, result: RehearsalResult): void {
  t.equal(result.stopped?.error, undefined)
  t.strictSame(
    result.steps.flatMap(step => step.rows.filter(row => row.failed > 0)),
    [],
    'no request failed',
  )
  t.ok(result.ok)
}

t.test('the front proxy’s CA: run, half written, gone on with, taken back, and in a wrong order', async t => {
  const rehearsal = await load('front-proxy-ca')
  const dir = t.testdir()
  const mesh = await startRehearsal(rehearsal, { dir })
  t.teardown(() => mesh.stop())
  const common = { mesh, rehearsal, rate: 30, timeLimitMs: 5000 }
  const before = new Map(keysIn(dir).map(name => [name, readFileSync(join(dir, name), 'utf8')]))

  const half = await rehearse({ ...common, until: 'servers-trust-both' })
  lostNothing(t, half)
  t.strictSame(rowsOf(half), rowsOf(await dryRun({ rehearsal, until: 'servers-trust-both' })), 'as predicted')
  await t.rejects(rehearse(common), { code: 'TP_REHEARSAL_STOPPED', fix: /--resume.*--rollback/ })

  const bundle = join(dir, 'trust/kube-scheduler.requestheader-client-ca.crt')
  const whole = readFileSync(bundle, 'utf8')
  writeFileSync(bundle, whole.slice(0, -100))
  const broken = await rehearse({ ...common, resume: true })
  t.match(broken.stopped, { outcome: 'stopped', error: /kube-scheduler.requestheader-client-ca.crt is half written/ })
  t.match(broken.stopped!.fix, /put back the whole file.*--resume.*--rollback/)
  t.equal(broken.failed, 0, 'whoever watches it goes on with the old one')
  writeFileSync(bundle, whole)

  const key = join(dir, 'rehearsals/front-proxy-ca/new/pki/front-proxy-ca.key')
  const newKey = readFileSync(key, 'utf8')
  writeFileSync(key, before.get('pki/ca.key')!)
  const misfit = await rehearse({ ...common, resume: true })
  t.match(misfit.stopped, {
    step: 'sign-with-new',
    error: /front-proxy-ca.key does not belong to .*nothing was changed/,
  })
  t.equal(readFileSync(join(dir, 'pki/front-proxy-ca.key'), 'utf8'), before.get('pki/front-proxy-ca.key'))
  writeFileSync(key, newKey)

  const whole2 = await rehearse({ ...common, resume: true })
  lostNothing(t, whole2)
  t.strictSame(
    whole2.steps.map(step => step.outcome),
    ['done', 'already', 'already', 'done', 'done', 'done'],
    'the certificates say how far it was',
  )
  t.equal(readFileSync(join(dir, 'pki/front-proxy-ca.key'), 'utf8'), newKey)
  t.equal(
    readFileSync(join(dir, 'rehearsals/front-proxy-ca/old/pki/front-proxy-ca.key'), 'utf8'),
    before.get('pki/front-proxy-ca.key'),
    'the old key is kept',
  )

  const back = await rehearse({ ...common, rollback: true })
  lostNothing(t, back)
  t.equal(back.steps.at(-1)?.direction, 'back')
  for (const [name, content] of before) t.equal(readFileSync(join(dir, name), 'utf8'), content, `${name} is as it was`)
  t.strictSame(
    keysIn(dir).filter(name => statSync(join(dir, name)).mode & 0o077),
    [],
    'no key is readable for others',
  )

  const wrong = await rehearse({ ...common, resume: true, skip: ['servers-trust-both'], until: 'reissue-client' })
  const { whenSkipped } = rehearsal.steps.find(step => step.name === 'servers-trust-both')!
  t.strictSame(
    wrong.steps.filter(step => brokenIn(step).length > 0).map(step => [step.step, brokenIn(step)]),
    [[whenSkipped.at, whenSkipped.breaks]],
    'it breaks where the file says',
  )
  const row = wrong.steps.at(-1)!.rows.find(({ to }) => to === 'extension-apiserver')
  t.match(row, { client: 'HTTP 401', server: /x509: certificate signed by unknown authority/, notice: /APIService/ })
})

t.test(
  'the cluster CA, on two nodes: no request fails, each step does what was predicted, and both kubelets are new',
  async t => {
    const rehearsal = await load('cluster-ca')
    const mesh = await startRehearsal(rehearsal, { nodes: 2 })
    t.teardown(() => mesh.stop())
    const result = await rehearse({ mesh, rehearsal, rate: 15, timeLimitMs: 30_000 })
    lostNothing(t, result)
    const steps = result.steps.map(step => ({
      ...step,
      rows: step.rows.filter(({ from, to }) => !/@/.test(from + to)),
    }))
    t.strictSame(rowsOf({ ...result, steps }), rowsOf(await dryRun({ rehearsal })))
    const further = result.steps.at(-1)!.rows.filter(({ from, to }) => /@node-2/.test(from + to))
    t.strictSame(
      further.map(({ from, to, on, trusts, state }) => `${from} -> ${to}: ${state}, on ${on}, trusts ${trusts}`),
      [
        'kubelet@node-2 -> kube-apiserver: ok, on new, trusts new',
        'kube-proxy@node-2 -> kube-apiserver: ok, on new, trusts new',
        'kube-apiserver -> kubelet@node-2: ok, on new, trusts new',
        'monitoring -> kubelet@node-2: ok, on new, trusts new',
      ],
    )
  },
)

t.test('a component that is killed in a step is told, reads its files again, and the rest goes on', async t => {
  const rehearsal = await load('kubelet-client-subject')
  const mesh = await startRehearsal(rehearsal, { isolation: 'process' })
  t.teardown(() => mesh.stop())
  const result = await rehearse({
    mesh,
    rehearsal,
    rate: 0,
    timeLimitMs: 30_000,
    onProgress(line) {
      if (line.startsWith('restart:')) process.kill(mesh.member('kube-scheduler').pid!, 'SIGKILL')
    },
  })
  lostNothing(t, result)
  t.match(result.steps.at(-1)!.died, [/^kube-scheduler .*killed by SIGKILL/s])
})
