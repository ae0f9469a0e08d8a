/** One component in this very process: quick to start, for scenarios and other people's tests. Its log and records go where a process's would. */
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { adjustableClock, type Clock, parseDuration } from '#clock.ts'
import type { ComponentName, RunningComponent } from '#components/component.ts'
import { loadComponent } from '#components/index.ts'
import { messageOf } from '#errors.ts'
import { createLog } from '#log.ts'
import { fileRecords } from '#tls/records.ts'
import type { Voice } from '#x509/types.ts'
import type { Addresses, Exit, ProcessOptions, Running } from './process.ts'
import { recordsFolder } from './records.ts'

/** @param given the clock, instead of one that the launcher can put forward */
export function runInline(options: ProcessOptions, given?: Clock): Running {
  const ready = Promise.withResolvers<Addresses>()
  const exited = Promise.withResolvers<Exit>()
  const name = options.component as ComponentName
  mkdirSync(dirname(options.logFile), { recursive: true, mode: 0o700 })
  const logFile = openSync(options.logFile, 'a', 0o600)
  const records = fileRecords(join(recordsFolder(options.env.TRUSTPLANE_STATE_DIR!), `${name}.jsonl`))
  const adjustable = adjustableClock(parseDuration(options.env.TRUSTPLANE_CLOCK_OFFSET ?? '0'))
  const clock = given ?? adjustable
  let running: Promise<RunningComponent> | undefined
  let stopping: Promise<void> | undefined
  const unwanted = new AbortController()

  let over = false
  const end = async (exit: Exit) => {
    if (over) return
    over = true
    await records.close()
    closeSync(logFile)
    exited.resolve(exit)
  }
  const begin = async (argv: readonly string[]): Promise<RunningComponent> => {
    const component = await loadComponent(name)
    // what is said after the end is lost, as when a process has ended
    const destination = {
      write(line: string) {
        try {
          if (!over) writeSync(logFile, line)
        } catch {
          // a full disk must not stop a component; what is lost is a line of its log
        }
      },
    }
    const log = createLog({ component: name, format: component.logFormat, destination })
    return component.start(argv, {
      clock,
      voice: options.env.TRUSTPLANE_VOICE as Voice,
      log,
      records,
      signal: unwanted.signal,
    })
  }
  return {
    pid: undefined,
    ready: ready.promise,
    exited: exited.promise,
    start(argv) {
      running = begin(argv)
      running.then(
        async ({ addresses, failed, stop }) => {
          ready.resolve(addresses)
          const error = await failed
          await stop().catch(() => {})
          await end({ code: 1, signal: null, failure: messageOf(error) })
        },
        error => end({ code: 1, signal: null, failure: messageOf(error) }),
      )
    },
    setClock: offsetMs => adjustable.set(offsetMs),
    stop() {
      stopping ??= (async () => {
        // one that is still starting cannot be stopped before it has started, or given up
        unwanted.abort()
        const component = await running?.catch(() => undefined)
        await component?.stop()
        await end({ code: 0, signal: null })
      })()
      return stopping
    },
  }
}
