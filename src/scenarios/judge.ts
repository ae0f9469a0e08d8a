/** Did every connection do what the scenario expects, and what the files predict? */
import { describe, describeDisagreement, disagreements } from '#mesh/agreement.ts'
import type { Prediction } from '#mesh/predict.ts'
import type { ConnectionStatus } from '#mesh/status.ts'
import type { Expectation, ExpectDocument } from './types.ts'

interface Difference {
  /** `kube-apiserver -> etcd` */
  connection: string
  expected: string
  seen: string
  /** Both ends' words, for the report. */
  client?: string
  server?: string
}

export interface Judgement {
  differences: readonly Difference[]
  /** Rows on which prediction and observation part: a bug in one of the two. */
  disagreements: readonly string[]
}

/** The most exact expectation counts: `a -> b`, then one with a `*`, then `others`, then ok. */
export function expectationFor(expect: ExpectDocument, from: string, to: string): Expectation {
  return expect[`${from} -> ${to}`] ?? expect[`* -> ${to}`] ?? expect[`${from} -> *`] ?? expect.others ?? 'ok'
}

/** @param programs components in whose place real programs run */
export function judge(
  expect: ExpectDocument,
  seen: readonly ConnectionStatus[],
  predicted: readonly Prediction[],
  programs: ReadonlySet<string> = new Set(),
): Judgement {
  const differences = seen.flatMap(row => {
    const expectation = expectationFor(expect, row.from, row.to)
    return fits(expectation, row, programs) ? [] : [difference(expectation, row)]
  })
  const free = new Set(
    seen.filter(row => expectationFor(expect, row.from, row.to) === 'any').map(row => `${row.from} -> ${row.to}`),
  )
  const parted = disagreements(predicted, seen).filter(({ seen: row }) => !free.has(`${row.from} -> ${row.to}`))
  return { differences, disagreements: parted.map(describeDisagreement) }
}

/** The fix is run to make everything well. */
export const everythingOk: ExpectDocument = { others: 'ok' }

export function fits(
  expectation: Expectation,
  row: ConnectionStatus,
  programs: ReadonlySet<string> = new Set(),
): boolean {
  if (expectation === 'any') return true
  if (typeof expectation === 'string') return row.outcome === expectation
  const { refusedBy, layer, reason, words = {} } = expectation
  if (row.outcome !== 'refused' || row.refusedBy !== refusedBy || (layer && row.layer !== layer)) return false
  const real = programs.has(row.to.replace(/-peer$/, ''))
  // a real program writes no record, and what its alert says depends on its version; a stand-in that refuses says so
  if (row[refusedBy] === undefined) return refusedBy === 'server' && real
  return (
    (reason === undefined || row.reason === reason) &&
    says(row.client?.message, words.client) &&
    // what a real program thought of it is in its own log
    (real || says(row.server?.message, words.server))
  )
}

const says = (message: string | undefined, part: string | undefined) =>
  part === undefined || (message ?? '').includes(part)

function difference(expectation: Expectation, row: ConnectionStatus): Difference {
  const silent = row.outcome === 'ok' && row.client && !row.client.http
  const client = silent ? 'the handshake was well, and no answer came in time' : wordsOf(row.client)
  const server = wordsOf(row.server)
  return {
    connection: `${row.from} -> ${row.to}`,
    expected: describeExpectation(expectation),
    seen: describe(row),
    ...(client ? { client } : {}),
    ...(server ? { server } : {}),
  }
}

const wordsOf = (record: ConnectionStatus['client']) =>
  record?.message ?? (record?.http ? `HTTP ${record.http.status}` : record ? 'nothing is wrong' : undefined)

export function describeExpectation(expectation: Expectation): string {
  if (typeof expectation === 'string') return expectation
  const { words = {}, ...refusal } = expectation
  const parts = Object.entries(words).map(([end, text]) => `${end} says ${JSON.stringify(text)}`)
  return [describe({ outcome: 'refused', ...refusal }), ...parts].join(', ')
}
