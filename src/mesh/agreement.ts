/** Does what was predicted agree with what was seen? Where it does not, one of the two has a bug. */
import type { Prediction } from './predict.ts'
import type { ConnectionStatus } from './status.ts'

type Seen = Pick<
  ConnectionStatus,
  'from' | 'to' | 'outcome' | 'refusedBy' | 'layer' | 'reason' | 'server' | 'client' | 'failing'
>

export interface Disagreement {
  predicted: Prediction
  seen: Seen
}

/**
 * Rows that are in both lists and differ. What nobody has seen yet is no disagreement.
 * @example
 * disagreements(mesh.predict(), await mesh.probe()) // []
 */
export function disagreements(predicted: readonly Prediction[], seen: readonly Seen[]): Disagreement[] {
  return predicted.flatMap(prediction => {
    const row = seen.find(({ from, to }) => from === prediction.from && to === prediction.to)
    return row && row.outcome !== 'unknown' && !agrees(prediction, row) ? [{ predicted: prediction, seen: row }] : []
  })
}

function agrees(predicted: Prediction, seen: Seen): boolean {
  if (predicted.outcome !== seen.outcome) return false
  if (String(predicted.failing ?? '') !== String(seen.failing ?? '')) return false
  if (predicted.outcome !== 'refused') return true
  if (predicted.refusedBy !== seen.refusedBy || predicted.layer !== seen.layer) return false
  // a real program writes no record, and its alert or 401 does not say why
  const decider = seen.refusedBy === 'client' ? seen.client : seen.server
  return decider === undefined || predicted.reason === seen.reason
}

export const describeDisagreement = ({ predicted, seen }: Disagreement): string =>
  `${predicted.from} -> ${predicted.to}: the files say ${describe(predicted)}, but it was ${describe(seen)}`

export function describe(
  row: Pick<ConnectionStatus, 'outcome' | 'refusedBy' | 'layer' | 'reason' | 'failing'>,
): string {
  const whom = row.failing ? ` with ${row.failing.join(', ')}` : ''
  const why = [row.refusedBy && `by the ${row.refusedBy}`, row.layer && `(${row.layer})`, row.reason].filter(Boolean)
  return (row.outcome === 'refused' ? [row.outcome, ...why].join(' ') : row.outcome) + whom
}
