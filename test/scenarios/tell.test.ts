import { join } from 'node:path'
import t from 'tap'
import { findScenarioFiles } from '../../src/scenarios/find.ts'
import { wordsOfStep } from '../../src/scenarios/fix-words.ts'
import { loadScenarios } from '../../src/scenarios/load.ts'
import { isLook, steps } from '../../src/scenarios/steps.ts'
import { tell } from '../../src/scenarios/tell.ts'
import { trustplane } from '../cli/harness.ts'

t.test('a scenario is told without a mesh: what breaks, both ends, why, and the fix as commands', async t => {
  const [scenario] = await loadScenarios(findScenarioFiles(['client-from-cluster-ca']))
  const told = tell(scenario!)
  t.match(told.connections, [{ from: 'kube-apiserver', to: 'etcd', reason: 'unknown-authority' }])
  t.match(told.reasons, [{ reason: 'unknown-authority', cause: /./ }])
  t.match(told.fix, ['kubeadm certs renew apiserver-etcd-client', /kube-apiserver\.yaml/])
})

t.test('every step that changes something has words for a real cluster', async t => {
  const values: Record<string, unknown> = {
    write: { a: 'b' },
    copy: { a: 'b' },
    chmod: { a: '0600' },
    replace: { apiserver: { issuer: 'ca' } },
    'replace-trust': { 'etcd.trusted-ca': ['ca'] },
    'advance-clock': { by: '1d' },
    'wait-until': { node: { is: 'Ready' } },
    apply: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web' } },
    delete: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web' } },
  }
  // a reload needs nobody, and nobody mends by breaking
  for (const { name } of steps.filter(step => !isLook(step.name) && !['break', 'reload'].includes(step.name))) {
    const value = values[name]
    t.match(wordsOfStep({ name, targets: value ? [] : ['apiserver'], ...(value ? { value } : {}) }), [/./], name)
  }
})

t.test('`trustplane explain` takes the name or the file of a scenario, and runs nothing', async t => {
  const { status, stdout } = await trustplane('explain', 'scheduler-certificate-expired')
  t.equal(status, 0)
  t.match(
    stdout,
    /What happens\n {2}kube-scheduler -> kube-apiserver: refused by the server \(authentication\) expired/,
  )
  t.match(stdout, /What mends it\n {2}kubeadm certs renew scheduler\.conf/)
  const [file] = findScenarioFiles(['scheduler-certificate-expired'])
  const asJson = await trustplane('explain', file!, '-o', 'json')
  t.match(JSON.parse(asJson.stdout), { kind: 'Scenario', name: 'identity/scheduler-certificate-expired' })
  t.equal((await trustplane('explain', join('nowhere', 'x.yaml'))).status, 2)
})

t.test('a mistyped name gets the scenarios, connections and reasons that may have been meant', async t => {
  for (const [typed, meant] of [
    ['schedular-certificate-expired', 'identity/scheduler-certificate-expired'],
    ['etcd/client-from-cluser-ca', 'etcd/client-from-cluster-ca'],
    ['kubelt', 'kubelet'],
    ['unknown-authorty', 'unknown-authority'],
  ] as const) {
    const { status, stderr } = await trustplane('explain', typed)
    t.equal(status, 2)
    t.match(stderr, new RegExp(`fix: did you mean ${meant}\\b`), typed)
  }
  t.match((await trustplane('explain', 'rotation')).stderr, /"rotation" is \d+ scenarios/)
})
