/** The catalogue as a whole: what it must have in it. Each scenario is run by run.test.ts; nothing is started here. */
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { connections } from '../../src/mesh/connections.ts'
import { packagedPlan } from '../../src/pki/plan.ts'
import { faults } from '../../src/scenarios/faults/index.ts'
import { findScenarioFiles, packagedScenarios } from '../../src/scenarios/find.ts'
import { expectationFor } from '../../src/scenarios/judge.ts'
import { loadScenarios } from '../../src/scenarios/load.ts'
import { practices } from '../../src/scenarios/practices.ts'
import type { Expectation, ExpectDocument, Scenario } from '../../src/scenarios/types.ts'
import { reasons } from '../../src/x509/reasons.ts'

const scenarios = await loadScenarios(findScenarioFiles())

/** What is expected at one look or another. */
const looksOf = ({ expect, steps, fix }: Scenario): ExpectDocument[] => [
  expect,
  ...[...steps, ...fix].filter(({ name }) => name === 'expect').map(({ value }) => value as ExpectDocument),
]
const isRefusal = (expectation: Expectation): expectation is Exclude<Expectation, string> =>
  typeof expectation !== 'string'

/** By each, what nobody uses. */
const missing = (wanted: readonly string[], has: (name: string) => boolean) => wanted.filter(name => !has(name))
const repeated = (words: readonly string[]) => words.filter((word, i) => words.indexOf(word) !== i)

t.test('there are more than fifty, each with a title of its own and a name of its own in its folder', async t => {
  t.ok(scenarios.length >= 50, `${scenarios.length}`)
  t.strictSame(repeated(scenarios.map(({ title }) => title)), [])
  t.strictSame(repeated(scenarios.map(({ name }) => name)), [], 'a name alone is enough to say which')
})

t.test('every folder of the catalogue is there', async t => {
  const folders = [
    'first-steps',
    'server-certificates',
    'etcd',
    'identity',
    'rotation',
    'front-proxy',
    'service-accounts',
    'csr-signers',
    'kubelet',
    'protocol',
    'files-and-permissions',
    'succeeds-but-should-not',
  ]
  t.strictSame(
    missing(folders, folder => scenarios.some(({ group }) => group === folder)),
    [],
  )
  t.strictSame(
    [...new Set(scenarios.map(({ group }) => group))].filter(group => !folders.includes(group)),
    [],
  )
})

t.test('every one tells a story, and where it was told', async t => {
  for (const { name, title, story, sources } of scenarios) {
    t.ok(story.length > 100, `${name}: ${story.length} letters`)
    t.notMatch(title, /\.$/, `${name}: a title has no full stop`)
    t.ok(sources.length > 0, `${name}: a source`)
    for (const source of sources) t.match(source, /^https:\/\/[\w.-]+\/\S+$/, name)
  }
})

t.test('every reason for which a connection is refused is shown', async t => {
  const shown = new Set(
    scenarios.flatMap(looksOf).flatMap(look => {
      return Object.values(look).map(one => (isRefusal(one) ? one.reason : one))
    }),
  )
  t.strictSame(
    missing(
      reasons.map(({ reason }) => reason),
      reason => shown.has(reason as never),
    ),
    [],
  )
})

t.test('every connection is refused in one of them, at each end that can refuse it', async t => {
  const refusedBy = (from: string, to: string, end: string) =>
    scenarios.flatMap(looksOf).some(look => {
      const expectation = expectationFor(look, from, to)
      return isRefusal(expectation) && expectation.refusedBy === end
    })
  for (const { from, to, clientTrust, serverTrust } of connections) {
    if (clientTrust) t.ok(refusedBy(from, to, 'client'), `${from} -> ${to}, by the client`)
    if (serverTrust) t.ok(refusedBy(from, to, 'server'), `${from} -> ${to}, by the server`)
  }
})

t.test('every fault and every plan is used', async t => {
  const used = new Set(scenarios.flatMap(({ faults }) => faults.map(({ name }) => name)))
  t.strictSame(
    missing(
      faults.map(({ name }) => name),
      name => used.has(name),
    ),
    [],
  )
  const plans = readdirSync(new URL('.', `file://${packagedPlan('x')}`))
    .filter(file => file.endsWith('.yaml'))
    .map(file => file.slice(0, -5))
  t.strictSame(
    missing(plans, plan => scenarios.some(scenario => scenario.plan === plan)),
    [],
  )
})

t.test('every good practice is shown kept and broken', async t => {
  for (const { name } of practices) {
    for (const way of ['kept', 'broken']) {
      t.ok(
        scenarios.some(({ practice }) => practice[name] === way),
        `${name}, ${way}`,
      )
    }
  }
})

t.test('whatever is broken is mended in the end', async t => {
  for (const { name, fix, faults, more, expect } of scenarios) {
    const isBroken = Object.values(expect).some(one => one !== 'ok')
    if (isBroken || faults.length > 0) t.ok(fix.length > 0, `${name} has a fix`)
    t.ok(fix.length > 0 || Object.keys(more.flags ?? {}).length === 0, name)
  }
})

t.test('no scenario has a private key in it', async t => {
  for (const file of findScenarioFiles([packagedScenarios()])) t.notMatch(readFileSync(file, 'utf8'), /PRIVATE KEY/)
})
