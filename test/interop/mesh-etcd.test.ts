/** The whole mesh on a real etcd: same files, same flags, every connection well, and the same verdicts in every scenario. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { disagreements } from '../../src/mesh/agreement.ts'
import { startMesh } from '../../src/mesh/launcher.ts'
import { isAlive, readState } from '../../src/mesh/state.ts'
import { findScenarioFiles } from '../../src/scenarios/find.ts'
import { loadScenarios } from '../../src/scenarios/load.ts'
import { whyNotOn } from '../../src/scenarios/real-etcd.ts'
import { runScenario, runScenarios } from '../../src/scenarios/runner.ts'
import type { Scenario } from '../../src/scenarios/types.ts'
import { program } from './programs.ts'

// whole meshes, and the machine may be busy
t.setTimeout(300_000)

const etcd = program('etcd')
const etcdctl = program('etcdctl')
const child = fileURLToPath(new URL('../../src/mesh/child.ts', import.meta.url))
const env = { ...process.env, NODE_OPTIONS: undefined }

t.test('every connection is well on a real etcd, as predicted', { skip: etcd.skip }, async t => {
  await using mesh = await startMesh({ isolation: 'in-process', etcdBinary: etcd.path })
  const seen = await mesh.probe()
  t.strictSame(
    seen.filter(({ outcome }) => outcome !== 'ok').map(({ from, to, message }) => `${from} -> ${to}: ${message}`),
    [],
  )
  t.strictSame(disagreements(mesh.predict(), seen), [])
  t.equal(seen.find(({ to }) => to === 'etcd')!.server, undefined, 'a real etcd writes no records')
})

t.test(
  'what the apiserver stores is in the real etcd, and there alone',
  { skip: etcd.skip || etcdctl.skip },
  async t => {
    await using mesh = await startMesh({ isolation: 'in-process', etcdBinary: etcd.path })
    const pki = (name: string) => join(mesh.dir, 'pki/etcd', name)
    const keys = () => {
      const { stdout, stderr, status } = spawnSync(
        etcdctl.path,
        [
          `--endpoints=https://127.0.0.1:${mesh.layout.ports.etcd}`,
          `--cacert=${pki('ca.crt')}`,
          `--cert=${pki('healthcheck-client.crt')}`,
          `--key=${pki('healthcheck-client.key')}`,
          'get',
          '/registry/',
          '--prefix',
          '--keys-only',
        ],
        { encoding: 'utf8', env: { ...env, ETCDCTL_API: '3' } },
      )
      t.equal(status, 0, stderr)
      return stdout
    }
    t.match(keys(), /^\/registry\/clusterrolebindings\/kubeadm:cluster-admins$/m)
    // the kubelet registers its node by itself
    while (!/^\/registry\/minions\/node-1$/m.test(keys())) await new Promise(resolve => setTimeout(resolve, 100))
    t.pass('the node, too')
  },
)

t.test('a real etcd goes when its launcher is killed', { skip: etcd.skip }, async t => {
  const dir = t.testdir()
  const up = spawn(
    process.execPath,
    [child, 'cli', 'up', '--ports', 'random', '--etcd-binary', etcd.path, '--dir', dir],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
      env,
    },
  )
  t.teardown(() => up.kill('SIGKILL'))
  let text = ''
  await new Promise<void>(resolve => {
    up.stderr.on('data', chunk => {
      text += chunk
      if (/connections are well/.test(text)) resolve()
    })
  })
  const state = readState(dir)!
  const listening = () =>
    fetch(`http://127.0.0.1:${state.ports['etcd-metrics']}/health`).then(
      () => true,
      () => false,
    )
  t.ok(await listening())
  up.kill('SIGKILL')
  await once(up, 'exit')
  const alive = () => state.components.some(({ pid, began }) => isAlive({ pid: pid!, began }))
  while (alive() || (await listening())) await new Promise(resolve => setTimeout(resolve, 50))
  t.pass('nothing is left of it')
})

/** Whole stories take a while: those of etcd, one of each other folder, and what older Go judges otherwise. */
async function chosen(): Promise<Scenario[]> {
  const all = etcd.skip ? [] : await loadScenarios(findScenarioFiles())
  const folders = Map.groupBy(all, ({ group }) => group)
  return [...folders].flatMap(([group, scenarios]) => {
    if (group === 'etcd') return scenarios
    const first = scenarios.find(one => whyNotOn(etcd.path, one) === undefined)
    return scenarios.filter(one => one === first || one.name === 'name-outside-the-constraints')
  })
}

t.test('a scenario that a real etcd cannot play is skipped, and says why', { skip: etcd.skip }, async t => {
  const scenarios = await loadScenarios(findScenarioFiles(['rotation/nobody-renewed']))
  const [result] = await runScenarios(scenarios, { etcdBinary: etcd.path })
  t.match(result, { ok: true, skipped: /clock/, phases: [] })
})

for (const scenario of await chosen()) {
  const name = `${scenario.group}/${scenario.name} on a real etcd`
  t.test(name, { skip: etcd.skip || whyNotOn(etcd.path, scenario) || false }, async t => {
    const { ok, error, phases } = await runScenario(scenario, { etcdBinary: etcd.path })
    t.equal(error, undefined)
    for (const { phase, differences, disagreements } of phases) {
      t.strictSame([...differences, ...disagreements], [], phase)
    }
    t.ok(ok)
  })
}
