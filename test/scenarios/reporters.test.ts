import t from 'tap'
import { parse } from 'yaml'
import type { Mesh } from '../../src/mesh/mesh.ts'
import { reporters } from '../../src/scenarios/reporters/index.ts'
import type { ScenarioResult } from '../../src/scenarios/runner.ts'
import type { Scenario } from '../../src/scenarios/types.ts'

const scenario = (name: string): Scenario => ({
  name,
  file: `scenarios/etcd/${name}.yaml`,
  group: 'etcd',
  title: 'etcd <refuses> #1 "the" apiserver',
  story: 'y',
  sources: [],
  plan: 'kubeadm',
  nodes: 1,
  faults: [],
  more: {},
  practice: {},
  notices: [],
  steps: [],
  expect: {},
  fix: [],
})
const row = { from: 'kube-apiserver', to: 'etcd', outcome: 'refused' as const }
const results: ScenarioResult[] = [
  {
    scenario: scenario('good'),
    ok: true,
    seconds: 1.25,
    phases: [
      { phase: 'expect', rows: [row], differences: [], disagreements: [], notices: [], explanations: [], dead: [] },
    ],
  },
  {
    scenario: scenario('bad'),
    ok: false,
    seconds: 0.5,
    phases: [
      {
        phase: 'expect',
        rows: [row],
        differences: [
          {
            connection: 'kube-apiserver -> etcd',
            expected: 'ok',
            seen: 'refused',
            client: 'remote error',
            server: 'x509: <no>',
          },
        ],
        disagreements: ['kube-apiserver -> etcd: the files say ok'],
        notices: [],
        explanations: [],
        dead: [{ id: 'kubelet', words: 'it said\nthis' }],
      },
    ],
    kept: { dir: '/tmp/mesh' } as Mesh,
  },
  { scenario: scenario('broken'), ok: false, seconds: 0, phases: [], error: new Error('port 1 is in use') },
]

function report(name: string): string {
  let text = ''
  const reporter = reporters[name]!({
    write: chunk => {
      text += chunk
    },
    symbol: state => ({ ok: '✓', fail: '✗', warn: '!', idle: '–' })[state],
    bold: word => word,
    dim: word => word,
  })
  reporter.begin(results.map(result => result.scenario))
  for (const result of results) reporter.result(result)
  reporter.end(results)
  return text
}

t.test('pretty shows expected and seen at both ends, the dead, and where the mesh was left', async t => {
  const text = report('pretty')
  t.match(text, /^✓ etcd\/good 1\.25 s\n/)
  t.match(
    text,
    /✗ etcd\/bad[\s\S]*with the fault: kube-apiserver -> etcd: expected ok, seen refused\n\s+the client says: remote error\n\s+the server says: x509: <no>/,
  )
  t.match(text, /prediction and observation part: kube-apiserver -> etcd/)
  t.match(text, /kubelet is dead\n\s+it said\n\s+this/)
  t.match(text, /trustplane status --dir \/tmp\/mesh/)
  t.match(text, /it could not be run: port 1 is in use/)
  t.match(text, /✗ 1 passed, 2 failed; 2 connections dialled, in \d+\.\d s\n$/)
})

t.test('tap is TAP 14: a plan, a subtest a scenario, diagnostics in YAML', async t => {
  const lines = report('tap').split('\n')
  t.strictSame(lines.slice(0, 2), ['TAP version 14', '1..3'])
  const points = lines.filter(line => /^(not )?ok/.test(line))
  t.match(points, [/^ok 1 - etcd\/good: .*\\#1/, /^not ok 2 - etcd\/bad/, /^not ok 3 - etcd\/broken.* # time=0ms$/])
  const inner = lines.filter(line => /^ {4}(not ok|ok|1\.\.)/.test(line)).map(line => line.trim())
  t.match(inner, [
    'ok 1 - with the fault: kube-apiserver -> etcd',
    'ok 2 - with the fault: prediction and observation agree',
    '1..2',
    'not ok 1 - with the fault: kube-apiserver -> etcd',
    'not ok 2 - with the fault: prediction and observation agree',
    '1..2',
    'not ok 1 - it could not be run',
    '1..1',
  ])
  const from = lines.findIndex(line => line.startsWith('    not ok 1 - with the fault'))
  const block = lines.slice(from + 1, lines.indexOf('      ...', from) + 1)
  t.equal(block[0], '      ---')
  t.match(parse(block.slice(1, -1).join('\n')), { expected: 'ok', seen: 'refused', server: 'x509: <no>' })
})

t.test('junit is well-formed XML with a suite a scenario', async t => {
  const text = report('junit')
  t.match(text, /<testsuites name="trustplane" tests="3" failures="2"/)
  t.match(text, /<testsuite name="etcd\/bad" tests="2" failures="2" time="0\.500">/)
  t.match(
    text,
    /<failure message="expected ok, seen refused" type="difference">client: remote error&#10;server: x509: &lt;no&gt;<\/failure>/,
  )
  t.equal(text.replace(/<[^<>]+>/g, '').includes('<'), false)
})

t.test('json is one document with everything in it', async t => {
  t.match(JSON.parse(report('json')), {
    kind: 'ScenarioReport',
    passed: 1,
    failed: 2,
    items: [
      { name: 'good', ok: true },
      { name: 'bad', kept: '/tmp/mesh', problems: { length: 3 } },
      { name: 'broken' },
    ],
  })
})

t.test('a scenario that was not run is skipped in every format, and is no failure', async t => {
  const skipped: ScenarioResult = {
    scenario: scenario('moved'),
    ok: true,
    seconds: 0,
    phases: [],
    skipped: 'it moves etcd’s clock',
  }
  const words: Record<string, RegExp> = {
    pretty: /– etcd\/moved[\s\S]*skipped: it moves etcd’s clock[\s\S]*0 passed, 0 failed, 1 skipped/,
    tap: /\nok 1 - .* # SKIP it moves etcd’s clock\n/,
    junit: /<skipped message="it moves etcd’s clock"\/>/,
    json: /"skipped": "it moves etcd’s clock"/,
    html: /– skipped/,
  }
  for (const [name, wanted] of Object.entries(words)) {
    let text = ''
    const symbols = { ok: '✓', fail: '✗', warn: '!', idle: '–' }
    const reporter = reporters[name]!({
      write: part => {
        text += part
      },
      symbol: state => symbols[state],
      bold: part => part,
      dim: part => part,
    })
    reporter.begin([skipped.scenario])
    reporter.result(skipped)
    reporter.end([skipped])
    t.match(text, wanted, name)
  }
})
