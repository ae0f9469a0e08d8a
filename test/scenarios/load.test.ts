import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test as Tap } from 'tap'
import type { TrustplaneError } from '../../src/errors.ts'
import { findScenarioFiles, packagedScenarios } from '../../src/scenarios/find.ts'
import { loadScenarios } from '../../src/scenarios/load.ts'
import { scenarioSchema } from '../../src/scenarios/schema.ts'
import { scenarioTemplate } from '../../src/scenarios/template.ts'

const head = 'title: x\nstory: y\n'

/** The problems of one file with this text, without its path. */
async function problems(t: Tap, text: string): Promise<string[]> {
  const file = join(t.testdir({ 's.yaml': text }), 's.yaml')
  try {
    await loadScenarios([file])
    return []
  } catch (error) {
    return (error as TrustplaneError).message.split('\n').map(line => line.replace(`${file}:`, ''))
  }
}

t.test('every packaged scenario validates', async t => {
  const scenarios = await loadScenarios(findScenarioFiles())
  t.ok(scenarios.length >= 5)
  for (const { name, title, story, group } of scenarios) {
    t.match(name, /^[a-z0-9.-]+$/)
    t.match(group, /^[a-z-]+$/, name)
    t.match(title, /^\S.*[^.]$/, name)
    t.ok(story.length > 40, name)
  }
})

t.test('the written schema is the one of the tables', async t => {
  const written = JSON.parse(readFileSync(join(packagedScenarios(), 'scenario.schema.json'), 'utf8')) as object
  t.strictSame(written, JSON.parse(JSON.stringify(scenarioSchema())), 'run `npm run docs`')
})

t.test('every key of the schema is described', async t => {
  const walk = (schema: unknown, path: string) => {
    if (typeof schema !== 'object' || schema === null) return
    const { properties } = schema as { properties?: Record<string, { description?: string; $ref?: string }> }
    for (const [key, value] of Object.entries(properties ?? {})) {
      t.ok(value.description || value.$ref, `${path}.${key}`)
    }
    for (const [key, value] of Object.entries(schema)) walk(value, `${path}.${key}`)
  }
  walk(scenarioSchema(), '')
})

t.test('what `new scenario` writes is a scenario', async t => {
  const file = join(t.testdir({ 'mine.yaml': scenarioTemplate('scenario.schema.json') }), 'mine.yaml')
  t.match(await loadScenarios([file]), [{ name: 'mine', faults: [{ name: 'expired-certificate' }] }])
})

t.test('without a fix, the faults are undone, the last one first', async t => {
  const text = `${head}given:\n  faults:\n    - wrong-issuer: { certificate: apiserver-etcd-client, issuer: ca }\n    - wrong-flag: { component: kubelet, flags: [--v=5] }\nexpect: { others: ok }\n`
  const [scenario] = await loadScenarios([join(t.testdir({ 's.yaml': text }), 's.yaml')])
  t.strictSame(scenario!.fix, [
    { name: 'restore-flags', targets: ['kubelet'] },
    { name: 'renew', targets: ['apiserver-etcd-client'] },
    { name: 'restart', targets: ['kube-apiserver'] },
  ])
})

t.test('every problem is named with its place and the nearest known word, all at once', async t => {
  const text = `${head}given:
  plan: kubeadm
  fautls: []
  faults:
    - expired-certificat: { certificate: scheduler.conf, ago: 1d }
    - expired-certificate: { certificate: schedular.conf, ago: 1 }
    - wrong-trust: { slot: etcd.trusted, authorities: [ca] }
    - wrong-issuer: { certificate: apiserver-etcd-client, issuer: etcdca }
expect:
  kube-apiserver -> etc: ok
  kube-apiserver -> etcd: { refusedBy: servr, reason: expird, word: {} }
  others: okay
fix:
  - renw: x
  - restart: [kubelt]
  - renew: apisrver
`
  t.strictSame(await problems(t, text), [
    '5:3: unknown key "fautls", did you mean "faults"?',
    '7:7: unknown key "expired-certificat", did you mean "expired-certificate"?',
    '8:43: no certificate "schedular.conf", did you mean "scheduler.conf"?',
    '8:64: expected string, found number 1',
    '9:28: unknown value "etcd.trusted", did you mean "etcd.trusted-ca"?',
    '10:67: no authority "etcdca", did you mean "etcd-ca"?',
    '12:3: unknown key "kube-apiserver -> etc", did you mean "kube-apiserver -> etcd"?',
    '13:40: unknown value "servr", did you mean "server"?',
    '13:55: unknown value "expird", did you mean "expired"?',
    '13:63: unknown key "word", did you mean "words"?',
    '14:11: unknown value "okay"; known: ok, unreachable, any',
    '16:5: unknown key "renw", did you mean "renew"?',
    '17:15: unknown value "kubelt", did you mean "kubelet"?',
    '18:12: no certificate "apisrver", did you mean "apiserver"?',
  ])
})

t.test('what is new in given, steps and notices is held to the plan and the tables as well', async t => {
  const text = `${head}given:
  flags: { kubelt: ['--v=2'] }
  clock: { al: 364d, etcd: 5 }
  files: { /etc/passwd: '0644', pki/ca.key: '0999' }
  objects: [{ kind: Pod, metadata: {} }]
  certificates: { apiserver: { issuer: cA, dnsName: [x] } }
  trust: { etcd.trusted: [ca] }
steps:
  - replace: { apisrver: { issuer: ca } }
  - replace-trust: { etcd.trusted-ca: [cca] }
  - break: { expired-certificate: { certificate: schedular.conf, ago: 1d } }
  - wait-until: { nod: { is: Ready }, within: 5 }
  - wait-until: { node: { is: Redy }, pod: { name: x, is: Running } }
  - wait-until: { connection: { connection: kube-apiserver -> etc, is: ok } }
  - advance-clock: { by: soon, component: etc }
  - request: { as: kublet, to: etc, path: / }
  - chmod: { pki/../x: '0600' }
  - expect: { others: okay }
  - notices: [{ csr: { is: Signed } }]
expect: { others: ok }
notices:
  - comand: { run: x }
  - request: { as: apiservr, path: / }
  - audit: { code: many }
  - component: { component: kubelet, node: nod-1, is: running }
`
  t.strictSame(await problems(t, text), [
    '4:12: unknown key "kubelt", did you mean "kubelet"?',
    '5:12: unknown key "al", did you mean "all"?',
    '5:28: expected string, found number 5',
    '6:10: "/etc/passwd" is not valid here: Which one. A path below the state directory: pki/ca.crt.',
    `6:45: "0999" is not valid here: Its mode. In octal, in quotes: '0644'.`,
    '7:13: "apiVersion" is missing',
    '7:36: "name" is missing',
    '8:40: no authority "cA", did you mean "ca"?',
    '8:44: unknown key "dnsName", did you mean "dnsNames"?',
    '9:12: unknown key "etcd.trusted", did you mean "etcd.trusted-ca"?',
    '11:16: no certificate or authority "apisrver", did you mean "apiserver"?',
    '12:40: no authority "cca", did you mean "ca"?',
    '13:50: no certificate "schedular.conf", did you mean "scheduler.conf"?',
    '14:19: unknown key "nod", did you mean "node"?',
    '14:47: expected string, found number 5',
    '15:17: one thing to wait for, and perhaps `within`',
    '15:31: unknown value "Redy", did you mean "Ready"?',
    '16:45: unknown value "kube-apiserver -> etc", did you mean "kube-apiserver -> etcd"?',
    '17:26: "soon" is not valid here: How far; `-10m` is back. A duration with its unit: 90s, 10m, 1h30m, 364d.',
    '17:43: unknown value "etc", did you mean "etcd"?',
    '18:20: no component or certificate "kublet", did you mean "kubelet"?',
    '18:32: unknown value "etc", did you mean "etcd"?',
    '19:12: "pki/../x" is not valid here: Which one. A path below the state directory: pki/ca.crt.',
    '20:23: unknown value "okay"; known: ok, unreachable, any',
    '21:28: unknown value "Signed"; known: Pending, Approved, Issued, Denied, Failed, absent',
    '24:5: unknown key "comand", did you mean "command"?',
    '25:20: no component or certificate "apiservr", did you mean "apiserver"?',
    '26:20: expected integer, found string "many"',
    '27:44: no node "nod-1", did you mean "node-1"?',
  ])
})

const cases: [string, string, RegExp][] = [
  ['an empty file', '', /^1:1: "title" is missing/],
  ['a list instead of a map', '- a\n', /^1:1: expected object, found a list/],
  ['a tab', 'title: x\nstory: y\ngiven:\n\tplan: kubeadm\n', /^4:1: a tab: YAML is indented with spaces/],
  ['a key that is there twice', `title: x\n${head}expect: { others: ok }\n`, /^2:1: the key "title" is there twice/],
  ['two documents', `${head}expect: { others: ok }\n---\n`, /^4:1: a second document begins here/],
  [
    'a name of the plan, and what the plan itself refuses',
    `${head}given:\n  certificates:\n    new: { file: ../x, issuer: ca }\nexpect: { others: ok }\nfix: [{ renew: apisrver }]\n`,
    /^5:18: .*not a path inside the state directory[\s\S]*\n\d+:\d+: no certificate "apisrver"/,
  ],
  [
    'a plan that is not there, and a name in it',
    `${head}given: { plan: kubeadn }\nexpect: { others: ok }\nfix: [{ renew: apisrver }]\n`,
    /^3:16: no plan "kubeadn"[\s\S]*no certificate "apisrver"/,
  ],
  ['no YAML', 'title: [\n', /^2:1: /],
  [
    'a plan that is not there',
    `${head}given: { plan: kubeadn }\nexpect: { others: ok }\n`,
    /^3:16: no plan "kubeadn", did you mean "kubeadm"\?/,
  ],
  [
    'two faults in one entry',
    `${head}given:\n  faults:\n    - expired-certificate: { certificate: apiserver, ago: 1d }\n      wrong-clock: { component: etcd, offset: 1h }\nexpect: { others: ok }\n`,
    /^5:7: /,
  ],
  [
    'an attribute that is missing',
    `${head}given:\n  faults:\n    - expired-certificate: { certificate: apiserver }\nexpect: { others: ok }\n`,
    /^5:28: "ago" is missing/,
  ],
  [
    'a duration without unit',
    `${head}given:\n  faults:\n    - expired-certificate: { certificate: apiserver, ago: '5' }\nexpect: { others: ok }\n`,
    /^5:59: "5" is not valid here.*unit/,
  ],
  [
    'what the plan itself refuses',
    `${head}given:\n  faults:\n    - wrong-usages: { certificate: apiserver, extKeyUsages: [clientAut] }\nexpect: { others: ok }\n`,
    /^5:5: .*did you mean "clientAuth"\?/,
  ],
  ['nothing expected', `${head}expect: {}\n`, /^3:9: /],
]
for (const [name, text, expected] of cases) {
  t.test(name, async t => t.match((await problems(t, text)).join('\n'), expected))
}

t.test('problems of several files are said together, and nothing is loaded', async t => {
  const dir = t.testdir({ 'a.yaml': 'titel: x\n', 'b.yaml': `${head}expect: { others: no }\n` })
  await t.rejects(loadScenarios(findScenarioFiles([dir])), {
    code: 'TP_SCENARIO_INVALID',
    message: /a\.yaml:1:1: [\s\S]*b\.yaml:3:19: /,
  })
})

t.test('a scenario is found by its name, by group and name, by file and by folder', async t => {
  const file = join(packagedScenarios(), 'etcd/client-from-cluster-ca.yaml')
  for (const where of ['client-from-cluster-ca', 'etcd/client-from-cluster-ca', file]) {
    t.strictSame(findScenarioFiles([where]), [file], where)
  }
  t.ok(findScenarioFiles([join(packagedScenarios(), 'etcd')]).includes(file))
  t.ok(findScenarioFiles(['etcd']).includes(file), 'from any folder')
  t.throws(() => findScenarioFiles(['client-from-cluster-c']), {
    code: 'TP_NAME_UNKNOWN',
    fix: 'did you mean etcd/client-from-cluster-ca?',
  })
  t.throws(() => findScenarioFiles(['etcd-certificate-expired']), {
    code: 'TP_NAME_UNKNOWN',
    fix: /etcd\/server-certificate-expired/,
  })
  t.throws(() => findScenarioFiles(['nothing like it']), { code: 'TP_NAME_UNKNOWN', fix: /--list/ })
})
