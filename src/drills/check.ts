/** Is it repaired? Every connection is dialled again; components must run with what is on disk, and nobody may be believed more than before. */
import { findConnection } from '#mesh/connections.ts'
import { readDrift } from '#mesh/drift.ts'
import { layoutOf } from '#mesh/open.ts'
import { probe } from '#mesh/probe.ts'
import { type ComponentState, requireRunning } from '#mesh/state.ts'
import type { ConnectionStatus } from '#mesh/status.ts'
import { loosened } from './loosened.ts'
import { layoutNow } from './manifests.ts'
import { requireDrill, writeDrill } from './state.ts'
import type { DrillCheck } from './types.ts'

/** How long something that was just mended may take to be read again; longer while nobody refuses, and somebody is still on the way. */
const patienceMs = { usual: 2500, starting: 10_000 }

/** @throws TrustplaneError TP_NOT_RUNNING */
export async function checkDrill(dir: string): Promise<DrillCheck> {
  const drill = requireDrill(dir)
  const layout = layoutNow(await layoutOf(dir, requireRunning(dir)))
  const began = performance.now()
  let rows = await probe(layout)
  const patience = () =>
    rows.some(({ outcome }) => outcome === 'refused') || !isStarting(dir) ? patienceMs.usual : patienceMs.starting
  while (rows.some(isRed) && performance.now() - began < patience()) {
    await new Promise(resolve => setTimeout(resolve, 300))
    const again = rows.filter(isRed)
    const fresh = await probe(layout, { rows: again.map(({ from, to }) => findConnection(from, to)!) })
    rows = rows.map(row => fresh.find(one => one.from === row.from && one.to === row.to) ?? row)
  }
  const components = [...notRunning(dir), ...behind(dir)]
  const isGreen = !rows.some(isRed) && components.length === 0
  // before that, what is too loose may be the fault itself, which is the learner's to find
  const opened = isGreen ? await loosened(layout) : []
  const solved = isGreen && opened.length === 0
  const checks = drill.checks + 1
  const solvedAt = drill.solvedAt ?? (solved ? new Date().toISOString() : undefined)
  writeDrill(dir, { ...drill, checks, ...(solvedAt ? { solvedAt } : {}) })
  return { solved, rows, components, loosened: opened, hints: drill.hints, checks }
}

export const isRed = ({ outcome }: ConnectionStatus): boolean => outcome === 'refused' || outcome === 'unreachable'

const isStarting = (dir: string): boolean => requireRunning(dir).components.some(({ state }) => state === 'starting')

const notRunning = (dir: string): string[] =>
  requireRunning(dir)
    .components.filter(({ state }) => state !== 'running')
    .map(({ id, state }) => `${id} is ${state}: ${adviceFor[state] ?? ''}trustplane logs ${id} --dir ${dir}`)

const adviceFor: Partial<Record<ComponentState['state'], string>> = {
  starting: 'give it a moment and check again, or see what it waits for: ',
  dead: 'its last lines say why: ',
}

/** A component that reads a file once may look well to everybody else and still fail with what it read. */
const behind = (dir: string): string[] => [
  ...new Set(
    readDrift(dir)
      .filter(({ state }) => state === 'restart' || state === 'bad')
      .map(({ component, holds, says }) => `${component}, ${holds}: ${says}`),
  ),
]
