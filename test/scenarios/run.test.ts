import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test as Tap } from 'tap'
import { findScenarioFiles } from '../../src/scenarios/find.ts'
import { loadScenarios } from '../../src/scenarios/load.ts'
import { runInProcesses } from '../../src/scenarios/workers.ts'
import { trustplane } from '../cli/harness.ts'

// whole meshes, and the machine may be busy
t.setTimeout(1_200_000)

const child = fileURLToPath(new URL('../../src/mesh/child.ts', import.meta.url))

// One of each folder here; all of them by `trustplane run scenarios/`, in .ci/run.
const folders = Map.groupBy(findScenarioFiles(), file => dirname(file))
const scenarios = await loadScenarios([...folders.values()].map(([first]) => first!))
for (const { scenario, ok, error, phases } of await runInProcesses(scenarios, { jobs: 2 })) {
  t.test(`${scenario.group}/${scenario.name}: ${scenario.title}`, async t => {
    t.equal(error, undefined)
    for (const { phase, differences, disagreements, notices, dead } of phases) {
      t.strictSame(differences, [], `${phase}: what was expected`)
      t.strictSame(disagreements, [], `${phase}: what was predicted`)
      t.strictSame(
        notices.filter(notice => !notice.ok),
        [],
        `${phase}: what people notice`,
      )
      if (phase === 'fix') t.strictSame(dead, [], 'nothing is dead any more')
    }
    t.ok(phases.some(({ phase }) => phase === 'expect'))
    t.equal(phases.at(-1)?.phase, scenario.fix.length > 0 ? 'fix' : 'expect')
    t.ok(ok)
  })
}

const wrong = (t: Tap) =>
  join(
    t.testdir({
      'wrong.yaml': `title: etcd is said to refuse, and does not
story: y
expect:
  kube-apiserver -> etcd: { refusedBy: server, layer: tls, reason: expired }
`,
    }),
    'wrong.yaml',
  )

t.test('a scenario that expects what does not happen fails with 1, and shows both', async t => {
  const { status, stdout } = await trustplane('run', wrong(t))
  t.equal(status, 1)
  t.match(stdout, /kube-apiserver -> etcd: expected refused by the server \(tls\) expired, seen ok/)
  t.match(stdout, /the client says: HTTP 200/)
  t.match(stdout, /0 passed, 1 failed/)
})

t.test('with --keep its mesh goes on, to be looked at, until it is told to stop', async t => {
  const running = spawn(process.execPath, [child, 'cli', 'run', wrong(t), '--keep'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_OPTIONS: undefined },
  })
  t.teardown(() => running.kill('SIGKILL'))
  let text = ''
  const kept = await new Promise<string>(resolve => {
    running.stdout.on('data', chunk => {
      text += chunk
      const dir = /left running: trustplane status --dir (\S+)/.exec(text)?.[1]
      if (dir) resolve(dir)
    })
  })
  t.equal((await trustplane('status', '--dir', kept)).status, 0)
  const exited = once(running, 'exit')
  t.equal((await trustplane('down', '--dir', kept)).status, 0)
  t.strictSame(await exited, [1, null])
  t.notOk(existsSync(kept))
})

t.test('a file that does not validate ends with 3, and nothing is started', async t => {
  const file = join(t.testdir({ 's.yaml': 'titel: x\n' }), 's.yaml')
  const { status, stdout, stderr } = await trustplane('run', file)
  t.equal(status, 3)
  t.equal(stdout, '')
  t.match(stderr, /× TP_SCENARIO_INVALID\n[\s\S]*s\.yaml:1:1: unknown key "titel", did you mean "title"\?/)
})

t.test('a name that is not there ends with 2', async t => {
  t.equal((await trustplane('run', '--only', 'all-is-wel')).status, 2)
  t.match((await trustplane('run', '--only', 'all-is-wel')).stderr, /did you mean .*all-is-well\?/)
  t.equal((await trustplane('run', 'nowhere/')).status, 2)
})
