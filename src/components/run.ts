/** A component as a process: our own settings from flags and environment, the launcher's messages, signals, and what is said when it cannot start. */
import { join } from 'node:path'
import { adjustableClock, type Clock } from '#clock.ts'
import { messageOf, TrustplaneError } from '#errors.ts'
import { kubernetesVersion } from '#kubernetes/version.ts'
import { createLog, type Log } from '#log.ts'
import { fileRecords } from '#tls/records.ts'
import type { RecordSink } from '#tls/types.ts'
import type { Voice } from '#x509/types.ts'
import type { Component, ComponentContext, ProgramName, RunningComponent } from './component.ts'
import { commonFlags, type FlagSpec, helpText, parseFlags } from './flags.ts'
import { loadComponent } from './index.ts'
import { explainPortInUse } from './port-in-use.ts'

/** For a component that was given no state directory. */
const noRecords: RecordSink = { write() {}, async close() {} }

// The launcher kills after 3 s (mesh/process.ts).
const stopWithinMs = 2500

/**
 * Runs a component until it is told to stop: SIGTERM, SIGINT, or the launcher's channel closing.
 * @returns the exit status: 0 after a stop, 1 when it could not start or failed, which it has said on stderr and to the launcher
 */
export async function runComponent(
  name: ProgramName,
  argv: readonly string[],
  load: (name: ProgramName) => Promise<Component> = loadComponent,
): Promise<number> {
  const stopping = untilStopped()
  if (argv.some(word => /^--?h(elp)?$/.test(word))) {
    const { summary, flags } = await load(name)
    process.stdout.write(helpText(name, summary, complete(flags)))
    return end(0)
  }
  if (argv.some(word => /^--?version(=true)?$/.test(word))) {
    const version = name === 'etcd' ? 'etcd Version: 3.5.16' : `Kubernetes ${kubernetesVersion.gitVersion}`
    process.stdout.write(`${version}\n`)
    return end(0)
  }
  const waiting = process.env.TRUSTPLANE_WAIT === '1' && process.send ? startMessage() : Promise.resolve(argv)
  let log = createLog({ component: name })
  let records = noRecords
  try {
    const component = await load(name)
    const given = await Promise.race([waiting, stopping])
    if (given === undefined) return end(0)
    const settings = readSettings(component, given)
    log = settings.log
    records = settings.records
    surviveBugs(log)
    const running = await Promise.race([component.start(given, settings), stopping])
    if (!running) return end(0)
    return await serve(running, log, stopping, records)
  } catch (error) {
    await sayFailure(name, error, log)
    await records.close()
    return end(1)
  }
}

async function serve(
  running: RunningComponent,
  log: Log,
  stopping: Promise<undefined>,
  records: RecordSink,
): Promise<number> {
  const { addresses } = running
  log.info('ready', { addresses: Object.fromEntries(Object.entries(addresses).map(([k, a]) => [k, goAddress(a)])) })
  void tell({ type: 'ready', addresses })
  const failure = await Promise.race([stopping, running.failed])
  setTimeout(() => process.exit(failure ? 1 : 0), stopWithinMs).unref()
  if (failure) await sayFailure('', failure, log)
  await running.stop()
  await records.close()
  return end(failure ? 1 : 0)
}

/** Lets the process end: nothing of ours keeps it alive any more, and what still does has a moment. */
function end(status: number): number {
  if (process.connected) process.disconnect()
  setTimeout(() => process.exit(status), 250).unref()
  return status
}

const goAddress = ({ host, port }: { host: string; port: number }) =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`

/** The component's flags, and those that every stand-in has. */
const complete = (flags: readonly FlagSpec[]): readonly FlagSpec[] => [
  ...flags,
  ...commonFlags.filter(({ name }) => !flags.some(flag => flag.name === name)),
]

function readSettings(component: Component, argv: readonly string[]): ComponentContext {
  const table = complete(component.flags)
  const { values, ignored } = parseFlags(component.name, table, argv) as {
    values: Record<string, unknown>
    ignored: readonly string[]
  }
  const voice = values.voice as Voice
  if (voice !== 'go1.24' && voice !== 'go1.19') {
    throw new TrustplaneError('TP_FLAG_INVALID', `${component.name}: unknown voice ${JSON.stringify(voice)}`, {
      fix: 'go1.24 (current Kubernetes) or go1.19',
    })
  }
  const verbosity = typeof values.v === 'number' ? values.v : 0
  const log = createLog({ component: component.name, format: component.logFormat, verbosity })
  if (ignored.length > 0)
    log.info('flags accepted but not acted on', { flags: ignored.map(flag => `--${flag}`).join(' ') })
  const stateDir = values['state-dir'] as string | undefined
  return {
    clock: launchersClock(values['clock-offset'] as number),
    voice,
    log,
    records: stateDir ? fileRecords(join(stateDir, 'connections', `${component.name}.jsonl`)) : noRecords,
  }
}

/** The launcher may put it forward and back. */
function launchersClock(offsetMs: number): Clock {
  const clock = adjustableClock(offsetMs)
  process.on('message', message => {
    const { type, offsetMs } = message as { type?: string; offsetMs?: number }
    if (type === 'clock' && offsetMs !== undefined) clock.set(offsetMs)
  })
  return clock
}

/** Flags: as cobra says it. Everything else: as component-base/cli/run.go. Our fix is a line of its own. */
async function sayFailure(name: string, thrown: unknown, log: Log): Promise<void> {
  const error = explainPortInUse(thrown)
  const known = error instanceof TrustplaneError ? error : undefined
  const message = messageOf(error)
  if (known?.code.startsWith('TP_FLAG')) process.stderr.write(`Error: ${message.replace(`${name}: `, '')}\n`)
  else log.error('command failed', message, stackOf(error))
  if (known?.fix) process.stderr.write(`fix: ${known.fix}\n`)
  await tell({ type: 'failed', message, ...(known ? { code: known.code, fix: known.fix } : {}) })
}

/** To the launcher, when there is one; resolves when it is on its way, or cannot be. */
function tell(message: object): Promise<void> {
  return new Promise(resolve => {
    if (process.connected && process.send) process.send(message, () => resolve())
    else resolve()
  })
}

/** A TypeError and the like are bugs of ours: where they happened is what matters. */
const stackOf = (error: unknown) =>
  error instanceof TypeError || error instanceof ReferenceError ? { stack: error.stack } : {}

/** util/runtime.HandleCrash: a handler that throws is logged and harms nobody else. */
function surviveBugs(log: Log): void {
  const panic = (error: unknown) =>
    log.error('Observed a panic', messageOf(error), error instanceof Error ? { stacktrace: error.stack } : {})
  process.on('uncaughtException', panic)
  process.on('unhandledRejection', panic)
}

function startMessage(): Promise<readonly string[]> {
  return new Promise(resolve => {
    process.on('message', message => {
      const { type, argv } = message as { type?: string; argv?: readonly string[] }
      if (type === 'start' && argv) resolve(argv)
    })
  })
}

/** Resolves when the process is asked to stop; a second signal ends it at once, as the originals do. */
function untilStopped(): Promise<undefined> {
  return new Promise(resolve => {
    let asked = false
    const stop = () => {
      if (asked) process.exit(1)
      asked = true
      resolve(undefined)
    }
    process.on('SIGTERM', stop).on('SIGINT', stop)
    if (!process.send) return
    if (process.connected) process.once('disconnect', () => resolve(undefined))
    else resolve(undefined)
  })
}
