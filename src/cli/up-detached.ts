/** `up --detach`: the same command in a session of its own; we return when it has shown the table, and print what it printed. */
import { fork } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { exitCodes } from '#errors.ts'
import { cliEntry, compileCache } from '#mesh/process.ts'
import type { UpContext } from './commands/up.ts'

export async function detach({ io, options, style }: UpContext): Promise<number> {
  const logs = resolve(options.dir, 'logs')
  mkdirSync(logs, { recursive: true, mode: 0o700 })
  const out = join(logs, 'up.out')
  const log = join(logs, 'up.log')
  const files = [openSync(out, 'w', 0o600), openSync(log, 'w', 0o600)] as const
  const { entry, before } = cliEntry()
  const child = fork(entry, [...before, 'up', ...argvOf(options, style.color)], {
    detached: true,
    execArgv: [],
    env: { ...process.env, NODE_OPTIONS: undefined, NODE_COMPILE_CACHE: compileCache(), TRUSTPLANE_DETACH: undefined },
    stdio: ['ignore', ...files, 'ipc'],
  })
  for (const file of files) closeSync(file)
  const interrupt = () => child.kill('SIGTERM')
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  const status = await new Promise<number>(done => {
    child.on('message', message => done((message as { exitCode: number }).exitCode))
    child.once('exit', (code, signal) => done(code ?? (signal ? 130 : exitCodes.internal)))
  })
  process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
  if (child.connected) child.disconnect()
  child.unref()
  io.stdout.write(readFileSync(out))
  io.stderr.write(readFileSync(log))
  return status
}

/** The options again, as flags: what came from the environment is passed on there, too. */
function argvOf(options: UpContext['options'], color: boolean): string[] {
  const {
    dir,
    plan,
    ports,
    nodes,
    etcdMembers,
    etcdBinary,
    restart,
    clockOffset,
    clockRate,
    voice,
    output,
    headers,
    quiet,
  } = options
  const { bootstrap, approveServing } = options
  return [
    `--dir=${dir}`,
    `--plan=${plan}`,
    `--ports=${ports}`,
    `--nodes=${nodes}`,
    ...(etcdMembers === undefined ? [] : [`--etcd-members=${etcdMembers}`]),
    `--clock-offset=${clockOffset}`,
    `--clock-rate=${clockRate}`,
    `--voice=${voice}`,
    `--output=${output}`,
    `--color=${color ? 'always' : 'never'}`,
    ...(etcdBinary === undefined ? [] : [`--etcd-binary=${etcdBinary}`]),
    ...(restart ? ['--restart'] : []),
    ...(bootstrap ? ['--bootstrap'] : []),
    ...(approveServing ? ['--approve-serving'] : []),
    ...(headers ? [] : ['--no-headers']),
    ...(quiet ? ['--quiet'] : []),
  ]
}
