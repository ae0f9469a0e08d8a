/** Scenarios in several processes, so that each core has something to do: a mesh's components share one process, and so one core. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { TrustplaneError } from '#errors.ts'
import { cliEntry, compileCache } from '#mesh/process.ts'
import { type RunOptions, runScenario, type ScenarioResult } from './runner.ts'
import type { Scenario } from './types.ts'

/** The scenario as it was loaded: a process that only runs needs no schema. */
interface Order extends Pick<RunOptions, 'etcdBinary' | 'isolation' | 'timeline'> {
  scenario: Scenario
}

/** What comes back: whatever a structured clone can carry. */
type Answer = Omit<ScenarioResult, 'scenario' | 'kept'>

/** Results in the order of the scenarios. `keep` is not for here: a mesh lives in the process that started it. */
export async function runInProcesses(scenarios: readonly Scenario[], options: RunOptions): Promise<ScenarioResult[]> {
  const results: ScenarioResult[] = []
  const waiting = [...scenarios.entries()]
  const { isolation, etcdBinary, timeline, signal } = options
  const worker = async () => {
    let child: ChildProcess | undefined
    for (let next = waiting.shift(); next && !signal?.aborted; next = waiting.shift()) {
      const [index, scenario] = next
      options.onStart?.(scenario)
      if (!child?.connected) child = start(signal)
      const order: Order = {
        scenario,
        ...(isolation ? { isolation } : {}),
        ...(etcdBinary ? { etcdBinary } : {}),
        ...(timeline ? { timeline } : {}),
      }
      const result: ScenarioResult = { scenario, ...(await answerOf(child, order)) }
      results[index] = result
      options.onResult?.(result)
    }
    if (child?.connected) {
      child.disconnect()
      await once(child, 'exit')
    }
  }
  await Promise.all(Array.from({ length: options.jobs ?? 2 }, worker))
  return results.filter(Boolean)
}

function start(signal: AbortSignal | undefined): ChildProcess {
  const { entry, before } = cliEntry()
  const { NODE_OPTIONS: _, ...env } = process.env
  const child = fork(entry, [...before, 'run', '--worker'], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    serialization: 'advanced',
    // a mesh makes much that is soon forgotten: fewer collections for more memory
    execArgv: ['--max-semi-space-size=64'],
    env: { ...env, NODE_COMPILE_CACHE: compileCache() },
    // Ctrl-C is this process's to handle
    detached: true,
  })
  const stop = () => child.kill('SIGTERM')
  signal?.addEventListener('abort', stop)
  child.once('exit', () => signal?.removeEventListener('abort', stop))
  return child
}

function answerOf(child: ChildProcess, order: Order): Promise<Answer> {
  const began = performance.now()
  return new Promise(resolve => {
    const onMessage = (answer: unknown) => {
      child.off('exit', onExit)
      resolve(answer as Answer)
    }
    const onExit = (code: number | null, signal: string | null) => {
      child.off('message', onMessage)
      const error = new TrustplaneError('TP_SCENARIO_FAILED', `its process ended: ${signal ?? `status ${code}`}`)
      resolve({ ok: false, seconds: (performance.now() - began) / 1000, phases: [], error })
    }
    child.once('message', onMessage)
    child.once('exit', onExit)
    child.send(order)
  })
}

/** The other side: runs what it is sent, until the channel closes or it is told to stop. */
export function serveRuns(signal: AbortSignal): Promise<void> {
  const stop = new AbortController()
  const end = AbortSignal.any([signal, stop.signal])
  return new Promise(resolve => {
    const run = async ({ scenario, ...options }: Order) => {
      const { scenario: _, ...answer } = await runScenario(scenario, { ...options, signal: end })
      if (process.connected) process.send?.(answer, () => {})
      if (end.aborted) close()
    }
    const close = () => {
      if (process.connected) process.disconnect()
      resolve()
    }
    let running: Promise<void> | undefined
    process.on('message', order => {
      running = run(order as Order).catch(error => {
        process.send?.({ ok: false, seconds: 0, phases: [], error }, () => {})
      })
    })
    // a launcher that is gone wants nothing any more; what runs is stopped first
    const over = async () => {
      stop.abort()
      await running
      close()
    }
    process.once('disconnect', over)
    signal.addEventListener('abort', over)
  })
}
