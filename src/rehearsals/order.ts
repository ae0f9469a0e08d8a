/** Which steps are done, in which order: as asked for, and as far as the certificates say that they are done already. */
import { nearest, TrustplaneError } from '#errors.ts'
import { findAction } from './actions.ts'
import { isDone, type Workshop } from './files.ts'
import type { Rehearsal, Step } from './types.ts'

export interface OrderOptions {
  skip?: readonly string[]
  swap?: readonly [string, string]
  /** The last one. */
  until?: string
}

/** @throws TrustplaneError TP_NAME_UNKNOWN */
export function stepsInOrder(rehearsal: Rehearsal, { skip = [], swap, until }: OrderOptions): Step[] {
  const names = rehearsal.steps.map(step => step.name)
  const indexOf = (name: string) => {
    const index = names.indexOf(name)
    if (index >= 0) return index
    const near = nearest(name, names)
    throw new TrustplaneError('TP_NAME_UNKNOWN', `${rehearsal.name} has no step ${JSON.stringify(name)}`, {
      fix: near ? `did you mean ${near}?` : `it has ${names.join(', ')}`,
    })
  }
  const steps = [...rehearsal.steps]
  if (swap) {
    const [a, b] = swap.map(indexOf) as [number, number]
    steps[a] = rehearsal.steps[b]!
    steps[b] = rehearsal.steps[a]!
  }
  for (const name of skip) indexOf(name)
  if (until !== undefined) indexOf(until)
  const last = until === undefined ? steps.length : steps.findIndex(step => step.name === until) + 1
  return steps.slice(0, last).filter(step => !skip.includes(step.name))
}

const changesFiles = (step: Step) => step.actions.some(action => findAction(action.name)!.files)
/**
 * How many steps are behind us, by the certificates alone: up to the last step that changed files, with none before it left to do.
 * A restart leaves nothing in the files, so those that follow are done again: it does no harm.
 */
export function stepsBehind(workshop: Workshop, steps: readonly Step[]): number {
  let behind = 0
  for (const [index, step] of steps.entries()) {
    if (!changesFiles(step)) continue
    if (!isKnownDone(workshop, step)) break
    behind = index + 1
  }
  return behind
}

/** For people: how many steps are behind, and which is next. */
export function howFar(workshop: Workshop, steps: readonly Step[]): { done: number; next?: string } {
  const done = stepsBehind(workshop, steps)
  const next = steps.slice(done).find(changesFiles)
  return { done, ...(next ? { next: steps[done]!.name } : {}) }
}

/** One whose files cannot be read is still to be done: doing it says what is wrong with them. */
function isKnownDone(workshop: Workshop, step: Step): boolean {
  try {
    return step.actions.every(action => isDone(workshop, action))
  } catch {
    return false
  }
}

/**
 * The way back: the steps from the last to the first, but each with the restarts that follow it, since a component must read what was
 * put back.
 */
export function stepsBack(workshop: Workshop, steps: readonly Step[]): Step[][] {
  const phases: Step[][] = []
  for (const step of steps) {
    if (changesFiles(step) || phases.length === 0) phases.push([step])
    else phases.at(-1)!.push(step)
  }
  const touched = phases.filter(phase =>
    phase.some(step =>
      step.actions.some(action => isPartlyDone(workshop, { name: action.name, targets: action.targets })),
    ),
  )
  return touched.toReversed()
}

function isPartlyDone(workshop: Workshop, action: Step['actions'][number]): boolean {
  if (!findAction(action.name)!.files || action.name === 'make') return false
  return action.targets.some(target => isDone(workshop, { name: action.name, targets: [target] }))
}
