/** A scenario told without running it: what happens on each connection at both ends, why, what people notice, and what mends it. */
import { connections } from '#mesh/connections.ts'
import { type ReasonRow, reasons } from '#x509/reasons.ts'
import { findFault } from './faults/index.ts'
import { wordsOfStep } from './fix-words.ts'
import { describeExpectation, expectationFor } from './judge.ts'
import { findNotice } from './notices/index.ts'
import { describeStep } from './runner.ts'
import type { Expectation, Scenario } from './types.ts'

export interface ToldConnection {
  from: string
  to: string
  what: string
  client?: string
  server?: string
  reason?: string
  /** What people notice when it is refused. */
  notice: string
}

export interface ToldScenario {
  name: string
  title: string
  story: string
  sources: readonly string[]
  broken: readonly string[]
  steps: readonly string[]
  /** All that are not ok. */
  connections: readonly ToldConnection[]
  /** The reasons that occur in it: what each means, and what usually causes it. */
  reasons: readonly Pick<ReasonRow, 'reason' | 'summary' | 'cause'>[]
  notices: readonly string[]
  fix: readonly string[]
}

export function tell(scenario: Scenario): ToldScenario {
  const { name, group, title, story, sources, expect, faults, more, steps, notices, fix } = scenario
  const told = connections.flatMap(({ from, to, notice }) => {
    const expectation = expectationFor(expect, from, to)
    return expectation === 'ok' ? [] : [{ from, to, notice, ...words(expectation) }]
  })
  return {
    name: `${group}/${name}`,
    title,
    story,
    sources,
    broken: [
      ...faults.map(fault => `${findFault(fault.name)!.summary}\n${fault.name}: ${flow(fault.attributes)}`),
      ...Object.entries(more).map(([key, value]) => `${key}: ${flow(value)}`),
    ],
    steps: steps.map(describeStep),
    // what is refused first, then what that leads to
    connections: told.toSorted((a, b) => Number(b.reason !== undefined) - Number(a.reason !== undefined)),
    reasons: reasons
      .filter(({ reason }) => told.some(one => one.reason === reason))
      .map(({ reason, summary, cause }) => ({ reason, summary, cause })),
    notices: notices.map(one => findNotice(one.name)!.expected(one.attributes)),
    fix: fix.flatMap(wordsOfStep),
  }
}

function words(expectation: Expectation): Pick<ToldConnection, 'what' | 'client' | 'server' | 'reason'> {
  if (typeof expectation === 'string') return { what: expectation }
  const { words: said = {}, reason, ...rest } = expectation
  return {
    what: describeExpectation({ ...rest, ...(reason ? { reason } : {}) }),
    ...said,
    ...(reason ? { reason } : {}),
  }
}

/** `{ certificate: apiserver, ago: 1d }` */
export const flow = (value: unknown): string =>
  JSON.stringify(value, null, 1)
    .replaceAll(/\n\s*/g, ' ')
    .replaceAll(/"([\w.-]+)"/g, '$1')
