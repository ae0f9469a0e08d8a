/** Which scenarios are drills, how hard each is, and what people would tell you: its symptoms, and nothing else. */
import { createHash } from 'node:crypto'
import { relative, sep } from 'node:path'
import { componentNames } from '#components/component.ts'
import { nearest, TrustplaneError } from '#errors.ts'
import { type Connection, connections } from '#mesh/connections.ts'
import { findScenarioFiles, packagedScenarios } from '#scenarios/find.ts'
import { expectationFor } from '#scenarios/judge.ts'
import { loadScenarios } from '#scenarios/load.ts'
import type { Expectation, Scenario } from '#scenarios/types.ts'
import type { Drill, Level } from './types.ts'

/** Faults that one look at the certificate tells are for beginners; those not named here are of the middle. */
const levels: Readonly<Record<string, Level>> = {
  'expired-certificate': 1,
  'not-yet-valid-certificate': 1,
  'wrong-names': 1,
  'foreign-key': 1,
  'expired-authority': 3,
  'narrow-constraint': 3,
  'not-an-authority': 3,
  'short-path': 3,
  'stale-kubeconfig': 3,
  'unknown-extension': 3,
  'repeated-names': 3,
}

/** Nothing is broken for people, or no connection tells whether it is mended: no drill. */
const otherGroups = [
  'first-steps',
  'succeeds-but-should-not',
  'rehearsals',
  'rotation',
  'csr-signers',
  'service-accounts',
]
/** Nobody can mend a clock, or a verification that was never on, with files. */
const otherFaults = ['wrong-clock', 'no-verification', 'readable-key', 'revoked-certificate']
/** What probes and objects trust is no file that the learner could put right. */
const fixedSlots = /^(monitoring\.|etcd-healthcheck\.|kube-apiserver\.extension-ca-bundle$)/

/** Every drill, by its id: a seed names one of them, and the same one as long as there are no new scenarios. */
export async function drills(): Promise<Drill[]> {
  // a folder without drills need not be read
  const files = findScenarioFiles().filter(file => !otherGroups.includes(folderOf(file)))
  const scenarios = await loadScenarios(files)
  return scenarios
    .filter(isDrill)
    .map(scenario => ({
      id: idOf(scenario),
      level: levelOf(scenario),
      symptoms: symptomsOf(scenario),
      scenario,
    }))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
}

const folderOf = (file: string): string => relative(packagedScenarios(), file).split(sep)[0]!

/** Of the scenario, whichever others there are; and not a word of it. */
const idOf = ({ group, name }: Scenario): string =>
  `drill-${createHash('sha256').update(`${group}/${name}`).digest('hex').slice(0, 4)}`

function isDrill(scenario: Scenario): boolean {
  const { faults, steps, fix, more } = scenario
  const slots = [...faults.map(({ attributes }) => String(attributes.slot ?? '')), ...Object.keys(more.trust ?? {})]
  return (
    steps.length === 0 &&
    fix.length > 0 &&
    !more.clock &&
    !more.objects &&
    Object.keys(more.flags ?? {}).every(name => (componentNames as readonly string[]).includes(name)) &&
    !faults.some(({ name }) => otherFaults.includes(name)) &&
    !faults.some(({ attributes }) => ['etcdctl', 'monitoring'].includes(String(attributes.component ?? ''))) &&
    !slots.some(slot => fixedSlots.test(slot)) &&
    redRows(scenario).length > 0
  )
}

export interface RedRow {
  connection: Connection
  expected: Expectation
}

/** What the scenario says will not be well; refusals first, since what is unreachable usually follows from one. */
export function redRows({ expect }: Scenario): RedRow[] {
  const rows = connections
    .map(connection => ({ connection, expected: expectationFor(expect, connection.from, connection.to) }))
    .filter(({ expected }) => expected !== 'ok' && expected !== 'any')
  return [
    ...rows.filter(({ expected }) => typeof expected === 'object'),
    ...rows.filter(({ expected }) => typeof expected === 'string'),
  ]
}

const symptomsOf = (scenario: Scenario): string[] => {
  const rows = redRows(scenario)
  // with the apiserver away, that is all that anybody sees
  const down = rows.find(({ connection, expected }) => expected === 'unreachable' && connection.from === 'kubectl')
  const shown = down ? [down] : rows
  return [...new Set(shown.map(({ connection }) => connection.notice))]
}

function levelOf(scenario: Scenario): Level {
  const hardest = Math.max(
    ...scenario.faults.map(({ name }) => levels[name] ?? 2),
    scenario.faults.length === 0 ? 2 : 1,
  )
  const rows = redRows(scenario)
  // the symptom is elsewhere than the cause
  const isElsewhere =
    rows.some(({ expected }) => expected === 'unreachable') && rows.some(({ expected }) => typeof expected === 'object')
  return Math.min(3, hardest + (isElsewhere ? 1 : 0)) as Level
}

/**
 * By id or by the scenario's name; else the one that the seed comes to among those of the level.
 * @throws TrustplaneError TP_NAME_UNKNOWN
 */
export function chooseDrill(all: readonly Drill[], options: { name?: string; seed: number; level?: Level }): Drill {
  const { name, seed, level } = options
  if (name !== undefined) {
    const found = all.find(
      ({ id, scenario }) => id === name || scenario.name === name || `${scenario.group}/${scenario.name}` === name,
    )
    if (found) return found
    const near = nearest(
      name,
      all.map(({ id }) => id),
    )
    throw new TrustplaneError('TP_NAME_UNKNOWN', `there is no drill ${JSON.stringify(name)}`, {
      fix: near ? `did you mean ${near}?` : 'see `trustplane drill list`',
    })
  }
  const eligible = all.filter(drill => level === undefined || drill.level === level)
  // a multiplicative hash (Knuth), whose high bits are the good ones: seeds next to each other are not drills next to each other
  const hash = Number((BigInt(seed) * 2_654_435_761n) % 4_294_967_296n)
  return eligible[Math.floor((hash / 4_294_967_296) * eligible.length)]!
}
