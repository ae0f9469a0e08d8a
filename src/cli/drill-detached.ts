/** `trustplane drill`: its mesh runs on in a session of its own; we return when it is up. */
import { fork } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { exitCodes } from '#errors.ts'
import { cliEntry, compileCache } from '#mesh/process.ts'
import type { Io } from './io.ts'

/** Resolves with 0 when the drill's mesh runs; else with the exit status, and what it said on stderr. */
export async function detachDrill(io: Io, dir: string, ports: string): Promise<number> {
  const logs = resolve(dir, 'logs')
  mkdirSync(logs, { recursive: true, mode: 0o700 })
  const log = join(logs, 'up.log')
  const file = openSync(log, 'w', 0o600)
  const { entry, before } = cliEntry()
  const child = fork(entry, [...before, 'drill', 'serve', `--dir=${dir}`, `--ports=${ports}`], {
    detached: true,
    execArgv: [],
    env: { ...process.env, NODE_OPTIONS: undefined, NODE_COMPILE_CACHE: compileCache() },
    stdio: ['ignore', file, file, 'ipc'],
  })
  closeSync(file)
  const interrupt = () => child.kill('SIGTERM')
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  const status = await new Promise<number>(done => {
    child.once('message', () => done(exitCodes.ok))
    child.once('exit', (code, signal) => done(code || (signal ? 130 : exitCodes.internal)))
  })
  process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
  if (child.connected) child.disconnect()
  child.unref()
  if (status !== exitCodes.ok) io.stderr.write(readFileSync(log))
  return status
}
