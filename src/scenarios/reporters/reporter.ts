/** What a reporter is told, as it happens; what it writes is for people or for another program. */

import { messageOf } from '#errors.ts'
import type { PhaseResult } from '../look.ts'
import type { ScenarioResult } from '../runner.ts'
import type { Scenario } from '../types.ts'

export interface Reporter {
  /** Before the first one. */
  begin(scenarios: readonly Scenario[]): void
  result(result: ScenarioResult): void
  end(results: readonly ScenarioResult[]): void
}

export interface ReporterOptions {
  write(text: string): void
  /** Colours and symbols for people; others ignore them. */
  symbol(state: 'ok' | 'fail' | 'warn' | 'idle'): string
  bold(text: string): string
  dim(text: string): string
}

/** Every reason why a result is not well, a line each. */
export function complaints({ phases, error }: ScenarioResult): { phase: string; text: string }[] {
  const lines = phases.flatMap(one => complaintsOf(one).map(text => ({ phase: one.phase, text: inContext(one, text) })))
  if (error === undefined) return lines
  return [...lines, { phase: 'start', text: messageOf(error) }]
}

const inContext = ({ after }: PhaseResult, text: string) => (after ? `${after}: ${text}` : text)

function complaintsOf({ differences, disagreements, notices, dead }: PhaseResult): string[] {
  const wrong = [
    ...differences.map(({ connection, expected, seen, client, server }) =>
      [
        `${connection}: expected ${expected}, seen ${seen}`,
        ...(client ? [`  the client says: ${client}`] : []),
        ...(server ? [`  the server says: ${server}`] : []),
      ].join('\n'),
    ),
    ...notices.filter(({ ok }) => !ok).map(({ expected, seen }) => `expected ${expected}\n  seen ${seen}`),
  ]
  const lastWords = dead.map(({ id, words }) =>
    [
      `${id} is dead`,
      ...words
        .split('\n')
        .filter(Boolean)
        .map(line => `  ${line}`),
    ].join('\n'),
  )
  return [
    ...wrong,
    ...disagreements.map(text => `prediction and observation part: ${text}`),
    ...(wrong.length > 0 ? lastWords : []),
  ]
}

/** Why it was not run, or why notices could not be looked for; each once. */
export const skippedIn = ({ phases, skipped }: ScenarioResult): string[] => [
  ...new Set([
    ...(skipped ? [skipped] : []),
    ...phases.flatMap(({ notices }) => notices.flatMap(one => one.skipped ?? [])),
  ]),
]

export const phaseWords: Record<string, string> = {
  start: 'it could not be run',
  expect: 'with the fault',
  step: 'in between',
  fix: 'after the fix',
}

export function totals(results: readonly ScenarioResult[]) {
  const leftOut = results.filter(result => result.skipped !== undefined).length
  const passed = results.filter(result => result.ok).length - leftOut
  const phases = results.flatMap(result => result.phases)
  return {
    passed,
    failed: results.length - passed - leftOut,
    /** Scenarios that were not run. */
    leftOut,
    dialled: phases.reduce((sum, { rows }) => sum + rows.length, 0),
    noticed: phases.reduce((sum, { notices }) => sum + notices.length, 0),
    skipped: phases.flatMap(({ notices }) => notices).filter(({ skipped }) => skipped).length,
  }
}
