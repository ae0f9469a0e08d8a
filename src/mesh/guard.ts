/**
 * Runs a real program in a component's place, and takes it down when the launcher dies: a real etcd does not watch our channel.
 * Forked like a component, it gets `{ type: 'start', argv }`, the program first.
 */
import { spawn } from 'node:child_process'

/** Resolves with the program's exit status. `initial`: the command line, when there is no launcher. */
export async function guard(initial: readonly string[]): Promise<number> {
  const argv = initial.length > 0 ? initial : await startMessage()
  const [program, ...rest] = argv
  if (program === undefined) return 0
  const child = spawn(program, rest, { stdio: ['ignore', 'inherit', 'inherit'] })
  const stop = () => {
    child.kill('SIGTERM')
    setTimeout(() => child.kill('SIGKILL'), 2000).unref()
  }
  process.on('SIGTERM', stop).on('SIGINT', stop)
  process.on('disconnect', stop)
  return new Promise(resolve => {
    child.once('error', error => {
      process.stderr.write(`${error.message}\n`)
      process.send?.({ type: 'failed', message: error.message })
      resolve(127)
    })
    child.once('exit', (code, signal) => {
      if (process.connected) process.disconnect()
      resolve(code ?? (signal === 'SIGTERM' ? 0 : 1))
    })
  })
}

/** Empty when the launcher died before it had anything to start. */
function startMessage(): Promise<readonly string[]> {
  return new Promise(resolve => {
    process.once('disconnect', () => resolve([]))
    process.once('SIGTERM', () => resolve([]))
    process.once('message', message => resolve((message as { argv: string[] }).argv))
  })
}
