/** One look at a mesh: every connection dialled, every notice looked for, and both held against what a scenario says. */
import { findConnection } from '#mesh/connections.ts'
import { type Explanation, explain } from '#mesh/explain.ts'
import type { Mesh } from '#mesh/mesh.ts'
import type { ConnectionStatus } from '#mesh/status.ts'
import { waitingFor } from './conditions.ts'
import { type Judgement, judge } from './judge.ts'
import { findNotice } from './notices/index.ts'
import type { Stage } from './stage.ts'
import type { ExpectDocument, Notice } from './types.ts'
import { until } from './waiting.ts'

/** When it was looked: with the fault, in between, after the fix. */
type Phase = 'expect' | 'step' | 'fix'

export interface NoticeResult {
  name: string
  expected: string
  seen: string
  ok: boolean
  /** Why it could not be looked for: the program that is missing. */
  skipped?: string
}

export interface PhaseResult extends Judgement {
  phase: Phase
  /** Of one in between: after which steps, in a few words. */
  after?: string
  rows: readonly ConnectionStatus[]
  notices: readonly NoticeResult[]
  /** Of every connection that is not ok: both sides, told while the files are still there. */
  explanations: readonly Explanation[]
  /** Components that had ended by then, with their last words. */
  dead: readonly { id: string; words: string }[]
}

export interface LookFor {
  phase: Phase
  after?: string
  /** Left out: nothing is dialled. */
  expect?: ExpectDocument
  notices?: readonly Notice[]
}

export const isGood = ({ differences, disagreements, notices }: PhaseResult): boolean =>
  differences.length === 0 && disagreements.length === 0 && notices.every(({ ok }) => ok)

export async function look(stage: Stage, { phase, after, expect, notices = [] }: LookFor): Promise<PhaseResult> {
  const seen = expect ? await lookAtRows(stage, expect) : { rows: [], differences: [], disagreements: [] }
  return {
    phase,
    ...(after ? { after } : {}),
    ...seen,
    notices: await Promise.all(notices.map(notice => lookForNotice(stage, notice))),
    explanations: explained(stage.mesh, seen.rows),
    dead: deadOf(stage.mesh),
  }
}

function explained(mesh: Mesh, rows: readonly ConnectionStatus[]): Explanation[] {
  const context = { layout: mesh.layout, dir: mesh.dir, clockOffsetMs: mesh.state.clockOffsetMs }
  return rows
    .filter(({ outcome }) => outcome !== 'ok')
    .map(row => explain(findConnection(row.from, row.to)!, row, context))
}

async function lookForNotice(stage: Stage, { name, attributes }: Notice): Promise<NoticeResult> {
  const { ok, seen, skipped } = await until(stage, waitingFor(stage, name, attributes))
  const expected = findNotice(name)!.expected(attributes)
  return { name, expected, seen, ok, ...(skipped ? { skipped } : {}) }
}

/** A component may still be on its way (a file re-read, a lease taken): rows that differ are dialled again for a while. */
async function lookAtRows({ mesh, signal, programs }: Stage, expect: ExpectDocument) {
  const began = performance.now()
  // a kubelet that cannot ask the apiserver whether somebody may takes 4 s to give up, as its original does: that is no refusal
  let rows: readonly ConnectionStatus[] = await mesh.probe(undefined, { timeoutMs: 1500 })
  for (;;) {
    const judgement = judge(expect, rows, mesh.predict(), programs)
    const good = judgement.differences.length === 0 && judgement.disagreements.length === 0
    const names = new Set(judgement.differences.map(one => one.connection))
    const stale = rows.filter(row => names.has(`${row.from} -> ${row.to}`))
    // where only the prediction parts, a component has ended since it was dialled: the next round sees that it has
    const unclear = stale.some(ranOutOfTime) || judgement.differences.length === 0
    const over = performance.now() - began > (unclear ? 20_000 : 5000)
    if (good || over || signal?.aborted) return { rows, ...judgement }
    await new Promise(resolve => setTimeout(resolve, 100))
    const fresh = await mesh.probe(stale.length > 0 ? stale : rows)
    rows = rows.map(row => fresh.find(one => one.from === row.from && one.to === row.to) ?? row)
  }
}

/** Who only ran out of time says nothing about certificates: a machine that is busy gets more of it. */
const ranOutOfTime = ({ outcome, client }: ConnectionStatus): boolean =>
  /timeout|timed out/i.test(client?.message ?? '') || (outcome === 'ok' && client?.http === undefined)

const deadOf = (mesh: Mesh) =>
  mesh.members.filter(({ state }) => state === 'dead').map(({ id, words }) => ({ id, words: words ?? '' }))
