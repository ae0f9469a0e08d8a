/** What a reporter is told, as it happens; what it writes is for people or for another program. */

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
  symbol(state: 'ok' | 'fail' | 'warn'): string
  bold(text: string): string
  dim(text: string): string
}

/** Every reason why a result is not well, a line each. */
export function complaints({ phases, error }: ScenarioResult): { phase: string; text: string }[] {
  const lines = phases.flatMap(({ phase, differences, disagreements, notices, dead }) => [
    ...differences.map(({ connection, expected, seen, client, server }) => ({
      phase,
      text: [
        `${connection}: expected ${expected}, seen ${seen}`,
        ...(client ? [`  the client says: ${client}`] : []),
        ...(server ? [`  the server says: ${server}`] : []),
      ].join('\n'),
    })),
    ...notices
      .filter(({ ok }) => !ok)
      .map(({ expected, seen }) => ({ phase, text: `expected ${expected}\n  seen ${seen}` })),
    ...disagreements.map(text => ({ phase, text: `prediction and observation part: ${text}` })),
    ...(differences.length > 0 ? dead : []).map(({ id, words }) => ({
      phase,
      text: [
        `${id} is dead`,
        ...words
          .split('\n')
          .filter(Boolean)
          .map(line => `  ${line}`),
      ].join('\n'),
    })),
  ])
  if (error === undefined) return lines
  return [...lines, { phase: 'start', text: error instanceof Error ? error.message : String(error) }]
}

export const phaseWords: Record<string, string> = {
  start: 'it could not be run',
  expect: 'with the fault',
  step: 'in between',
  fix: 'after the fix',
}

export function totals(results: readonly ScenarioResult[]) {
  const passed = results.filter(result => result.ok).length
  const dialled = results.reduce(
    (sum, { phases }) => sum + phases.reduce((rows, phase) => rows + phase.rows.length, 0),
    0,
  )
  return { passed, failed: results.length - passed, dialled }
}
