/** One rehearsal at a time in a directory: two would take back what the other has done. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { TrustplaneError } from '#errors.ts'
import { isAlive, type MeshState, thisProcess } from '#mesh/state.ts'

/**
 * Returns what gives it back. One that was killed has lost it.
 * @throws TrustplaneError TP_REHEARSAL_STOPPED
 */
export function claimRehearsal(dir: string): () => void {
  const file = join(resolve(dir), 'rehearsals', '.running')
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  for (let tries = 0; ; tries++) {
    try {
      writeFileSync(file, JSON.stringify(thisProcess()), { flag: 'wx', mode: 0o600 })
      return () => rmSync(file, { force: true })
    } catch (error) {
      // of a full disk the system says no more than that
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || tries === 2)
        throw Object.assign(error as Error, { path: file })
      const holder = holderOf(file)
      if (holder && isAlive(holder)) {
        throw new TrustplaneError('TP_REHEARSAL_STOPPED', `a rehearsal is under way in ${dir} (pid ${holder.pid})`, {
          fix: 'wait for its end, or stop it with Ctrl-C and go on with --resume',
        })
      }
      rmSync(file, { force: true })
    }
  }
}

function holderOf(file: string): MeshState['launcher'] | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as MeshState['launcher']
  } catch {
    return undefined
  }
}
