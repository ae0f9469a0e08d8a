/** What came of a rehearsal as a whole, run or predicted. */
import type { Rehearsal, StepResult } from './types.ts'

export interface RehearsalResult {
  rehearsal: Rehearsal
  steps: readonly StepResult[]
  requests: number
  retried: number
  failed: number
  /** Every step was done, no request failed, and no connection is predicted to. */
  ok: boolean
  /** The step that could not be done. */
  stopped?: StepResult
}

export function resultOf(rehearsal: Rehearsal, steps: readonly StepResult[]): RehearsalResult {
  const sum = (key: 'requests' | 'retried' | 'failed') =>
    steps.reduce((all, step) => all + step.rows.reduce((some, row) => some + row[key], 0), 0)
  const stopped = steps.find(step => step.outcome === 'stopped')
  const failed = sum('failed')
  return {
    rehearsal,
    steps,
    requests: sum('requests'),
    retried: sum('retried'),
    failed,
    ok: failed === 0 && !stopped && steps.every(step => step.rows.every(row => row.state === 'ok')),
    ...(stopped ? { stopped } : {}),
  }
}

/** `a -> b`, of those that failed in a step. */
export const brokenIn = ({ rows }: StepResult): string[] =>
  rows.filter(row => row.state === 'failed' || row.failed > 0).map(row => `${row.from} -> ${row.to}`)
