/** Stops a mesh that another process runs: by its launcher when that lives, and by hand what is left. */
import { setTimeout as pause } from 'node:timers/promises'
import { TrustplaneError } from '#errors.ts'
import { isAlive, type MeshState, readState, removeState } from './state.ts'

export interface Stopped {
  /** Processes that ended. */
  pids: number[]
  /** The launcher had died before. */
  stale: boolean
}

/** @throws TrustplaneError TP_NOT_RUNNING when there is nothing to stop, TP_TIMEOUT when something will not end */
export async function stopMesh(dir: string, timeoutMs = 10_000): Promise<Stopped> {
  const state = readState(dir)
  if (!state) {
    throw new TrustplaneError('TP_NOT_RUNNING', `no mesh is running in ${dir}`, {
      fix: 'give the --dir that `trustplane up` had',
    })
  }
  const components = state.components.flatMap(({ pid, began }) => (pid === undefined ? [] : [{ pid, began }]))
  const targets = [state.launcher, ...components].filter(isAlive)
  const stale = !isAlive(state.launcher)
  const deadline = Date.now() + timeoutMs
  if (!stale) signal(state.launcher, 'SIGTERM')
  else for (const target of targets) signal(target, 'SIGTERM')
  // a launcher needs a moment for each of its components; they have 3 s before they are made to end
  const patience = Date.now() + (stale ? 3000 : 8000)
  while (targets.some(isAlive)) {
    if (Date.now() > deadline) {
      const left = targets.filter(isAlive).map(target => target.pid)
      throw new TrustplaneError('TP_TIMEOUT', `still running after ${timeoutMs / 1000} s: pid ${left.join(', ')}`, {
        fix: `kill -9 ${left.join(' ')}`,
      })
    }
    if (Date.now() > patience) for (const target of targets.filter(isAlive)) signal(target, 'SIGKILL')
    await pause(10)
  }
  removeState(dir)
  return { pids: targets.map(target => target.pid), stale }
}

function signal(target: MeshState['launcher'], name: NodeJS.Signals): void {
  try {
    process.kill(target.pid, name)
  } catch {
    // it ended in between
  }
}

/** What a launcher that was killed left behind: its children stop by themselves, unless they hang. */
export async function sweep(stale: MeshState): Promise<void> {
  const left = stale.components.flatMap(({ pid, began }) => (pid === undefined ? [] : [{ pid, began }])).filter(isAlive)
  const deadline = Date.now() + 1500
  for (const target of left) {
    while (isAlive(target) && Date.now() < deadline) await pause(20)
    if (isAlive(target)) process.kill(target.pid, 'SIGKILL')
  }
}
