/** One writer at a time in a state directory: two that make a PKI at once would mix their keys. */
import { open, readFile, rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { TrustplaneError } from '#errors.ts'

const lockName = '.pki-lock'
const pollMs = 25
/** RSA-4096 keys for a whole PKI take a while. */
const patienceMs = 120_000
/** Of a holder on another machine (a container on the same volume), whose process cannot be looked up. */
const staleMs = 300_000

/** Held by this process: a restarted container has the process id that it had before. */
const held = new Set<string>()

/**
 * A folder that is not there, or cannot be written to, is not locked: `work` will say what is wrong with it.
 * @throws TrustplaneError TP_PKI_LOCKED when somebody else does not come to an end
 */
export async function withLock<T>(dir: string, work: () => Promise<T>): Promise<T> {
  const file = resolve(dir, lockName)
  const locked = await acquire(dir, file)
  try {
    return await work()
  } finally {
    if (locked) {
      held.delete(file)
      await rm(file, { force: true })
    }
  }
}

async function acquire(dir: string, file: string): Promise<boolean> {
  for (const began = Date.now(); ; await sleep(pollMs)) {
    try {
      await writeLock(file)
      held.add(file)
      return true
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException
      if (code !== 'EEXIST') return false
      if (await isStale(file)) await rm(file, { force: true })
      else if (Date.now() - began > patienceMs) {
        throw new TrustplaneError('TP_PKI_LOCKED', `another trustplane is writing the PKI in ${dir}`, {
          fix: `wait for it to end, or, if there is none, remove ${file}`,
          at: { file },
        })
      }
    }
  }
}

async function writeLock(file: string): Promise<void> {
  const lock = await open(file, 'wx', 0o600)
  try {
    await lock.writeFile(JSON.stringify({ pid: process.pid, host: hostname() }))
  } catch (cause) {
    // a full disk: an empty lock would stand in the next one's way
    await rm(file, { force: true })
    throw cause
  } finally {
    await lock.close()
  }
}

/** Its holder is gone. */
async function isStale(file: string): Promise<boolean> {
  try {
    const [text, { mtimeMs }] = await Promise.all([readFile(file, 'utf8'), stat(file)])
    const age = Date.now() - mtimeMs
    // created a moment ago and not written yet
    if (text === '') return age > 5000
    const { pid, host } = JSON.parse(text) as { pid: number; host: string }
    if (host !== hostname()) return age > staleMs
    if (pid === process.pid) return !held.has(file)
    process.kill(pid, 0)
    return false
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === 'ESRCH' || error instanceof SyntaxError
  }
}
