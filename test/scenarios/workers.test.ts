import { join } from 'node:path'
import t from 'tap'
import { loadScenarios } from '../../src/scenarios/load.ts'
import { runInProcesses } from '../../src/scenarios/workers.ts'

// two processes with a mesh each, and the machine may be busy
t.setTimeout(300_000)

t.test('results come back from the processes that ran them, in the order of the scenarios', async t => {
  const head = (expect: string) => `title: x\nstory: y\nsteps:\n  - run: { run: no-such-program }\nexpect: ${expect}\n`
  const dir = t.testdir({
    'a.yaml': head('{ others: ok }'),
    'b.yaml': head('{ kube-apiserver -> etcd: { refusedBy: server, layer: tls, reason: expired } }'),
  })
  const scenarios = await loadScenarios(['a.yaml', 'b.yaml'].map(name => join(dir, name)))
  const seen: string[] = []
  const results = await runInProcesses(scenarios, {
    jobs: 2,
    onStart: ({ name }) => seen.push(`${name} starts`),
    onResult: ({ scenario, ok }) => seen.push(`${scenario.name} ${ok}`),
  })
  t.match(
    results.map(({ scenario, ok, error }) => ({ name: scenario.name, ok, error })),
    [
      { name: 'a', ok: true, error: undefined },
      { name: 'b', ok: false, error: undefined },
    ],
  )
  t.match(results[1]!.phases.at(-1)!.differences, [
    { connection: 'kube-apiserver -> etcd', expected: 'refused by the server (tls) expired', seen: 'ok' },
  ])
  t.match(results[0]!.phases[0]!.notices, [{ skipped: 'no-such-program is not on PATH' }])
  t.strictSame(seen.toSorted(), ['a starts', 'a true', 'b false', 'b starts'])
})
