/** What a run that was killed left behind: temporary directories of meshes whose launcher is gone, with keys in them. */
import { readdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sweep } from '#mesh/down.ts'
import { isAlive, type MeshState, readState } from '#mesh/state.ts'

/** @returns the directories that were deleted */
export async function cleanLeftovers(folder: string = tmpdir()): Promise<string[]> {
  const left = readdirSync(folder)
    .filter(name => name.startsWith('trustplane-'))
    .map(name => join(folder, name))
    .flatMap(dir => {
      const state = stateOf(dir)
      return state?.temporary && !isAlive(state.launcher) ? [{ dir, state }] : []
    })
  await Promise.all(
    left.map(async ({ dir, state }) => {
      await sweep(state)
      await rm(dir, { recursive: true, force: true })
    }),
  )
  return left.map(({ dir }) => dir)
}

/** A directory of somebody else's, or one that is not to be read, is none of ours. */
function stateOf(dir: string): MeshState | undefined {
  try {
    return readState(dir)
  } catch {
    return undefined
  }
}
