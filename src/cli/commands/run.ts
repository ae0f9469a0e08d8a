/** `trustplane run`: runs scenarios and says which connections did not do what they should. */
import { type Command, Option } from 'commander'
import { exitCodes, nearest, TrustplaneError } from '#errors.ts'
import { findScenarioFiles } from '#scenarios/find.ts'
import { cleanLeftovers } from '#scenarios/leftovers.ts'
import { loadScenarios } from '#scenarios/load.ts'
import { reporters } from '#scenarios/reporters/index.ts'
import { type RunOptions as RunnerOptions, runScenarios, type ScenarioResult } from '#scenarios/runner.ts'
import type { Scenario } from '#scenarios/types.ts'
import { type ActionContext, createCommand, onRun, wholeNumber } from '../command.ts'
import type { Io } from '../io.ts'
import { print } from '../output.ts'
import { onInterrupt } from '../signals.ts'
import { mayMove } from '../style.ts'

interface RunOptions {
  only?: string[]
  jobs: number
  keep?: boolean
  list?: boolean
  etcdBinary?: string
  isolation: 'process' | 'in-process'
  worker?: boolean
}

export function build(io?: Io): Command {
  const command = createCommand({
    name: 'run',
    summary: 'run scenarios: break something, and check who refuses whom, where and why',
    description:
      'A mesh for each, on free ports, in a directory of its own; every connection is really dialled, with the fault and after the fix.\nExit status: 0 when all did as expected, 1 when one did not, 2 for wrong usage, 3 for a scenario file that does not validate.',
    formats: Object.keys(reporters),
    examples: [
      { does: 'All that come with trustplane', line: 'trustplane run' },
      { does: 'A folder of them, for a CI service', line: 'trustplane run scenarios/etcd -o junit > report.xml' },
      {
        does: 'One, and look at its mesh if it fails',
        line: 'trustplane run --only scheduler-certificate-expired --keep',
      },
      { does: 'A page to show and to send, with pictures', line: 'trustplane run -o html > report.html' },
      { does: 'What there is', line: 'trustplane run --list' },
    ],
  })
    .argument('[path...]', 'files, folders, or names of scenarios')
    .addOption(new Option('--only <names...>', 'only scenarios with these names'))
    .addOption(new Option('-j, --jobs <number>', 'how many at once').default(2).argParser(wholeNumber(1, 64)))
    .addOption(new Option('--keep', 'leave the mesh of a failed one running, to look at, until Ctrl-C'))
    .addOption(new Option('--list', 'say what there is, and run nothing'))
    .addOption(new Option('--etcd-binary <file>', 'run them on a real etcd'))
    .addOption(
      new Option('--isolation <how>', 'components as processes, or all in this one')
        .choices(['in-process', 'process'])
        .default('in-process'),
    )
    .addOption(new Option('--worker').hideHelp())
  return onRun<RunOptions>(command, io, async (paths, context) => {
    const { options } = context
    if (options.worker) return work()
    const all = await loadScenarios(findScenarioFiles(paths.length > 0 ? paths : undefined))
    const chosen = options.only ? only(all, options.only) : all
    if (chosen.length === 0) {
      throw new TrustplaneError('TP_NAME_UNKNOWN', 'there is no scenario in what was named', {
        fix: 'scenarios are .yaml files; `trustplane new scenario` writes one',
      })
    }
    return options.list ? list(chosen, context) : run(chosen, context)
  })
}

async function list(scenarios: readonly Scenario[], { io, options }: ActionContext<RunOptions>): Promise<number> {
  await print(
    io,
    {
      kind: 'ScenarioList',
      document: { items: scenarios.map(({ name, group, title, file }) => ({ name, group, title, file })) },
      rows: scenarios,
      columns: [
        { header: 'NAME', value: one => one.name },
        { header: 'GROUP', value: one => one.group },
        { header: 'TITLE', value: one => one.title },
      ],
    },
    { format: (options.output as string) === 'json' ? 'json' : 'table', headers: options.headers },
  )
  return exitCodes.ok
}

async function run(
  scenarios: readonly Scenario[],
  { io, options, style, say }: ActionContext<RunOptions>,
): Promise<number> {
  const reporter = reporters[options.output as string]!({
    write: text => io.stdout.write(text),
    symbol: style.symbol,
    bold: style.bold,
    dim: style.dim,
  })
  const interrupt = onInterrupt()
  const progress = progressLine(io, scenarios.length, options)
  const left = await cleanLeftovers()
  if (left.length > 0) say(`deleted what a run that was killed had left: ${left.join(', ')}`)
  reporter.begin(scenarios)
  const results = await runAll(scenarios, {
    jobs: options.jobs,
    keep: options.keep ?? false,
    isolation: options.isolation,
    signal: interrupt.signal,
    // only the page shows it
    timeline: (options.output as string) === 'html',
    ...(options.etcdBinary ? { etcdBinary: options.etcdBinary } : {}),
    onStart: progress.start,
    onResult(result) {
      progress.end(result)
      reporter.result(result)
    },
  })
  progress.clear()
  reporter.end(results)
  const kept = results.flatMap(result => result.kept ?? [])
  if (kept.length > 0) {
    say(`${kept.length} left running, until Ctrl-C`)
    await interrupt.status
    await Promise.all(kept.map(mesh => mesh.stop()))
  }
  interrupt.release()
  if (kept.length === 0 && interrupt.received !== undefined) return interrupt.received
  return results.every(result => result.ok) ? exitCodes.ok : exitCodes.findings
}

/** Several processes for several cores, where there is enough to do to be worth their start. */
async function runAll(scenarios: readonly Scenario[], options: RunnerOptions): Promise<ScenarioResult[]> {
  const { jobs = 1, keep } = options
  if (jobs === 1 || keep || scenarios.length < 3 * jobs) return runScenarios(scenarios, options)
  const { runInProcesses } = await import('#scenarios/workers.ts')
  return runInProcesses(scenarios, options)
}

/** One of those processes. */
async function work(): Promise<number> {
  const { serveRuns } = await import('#scenarios/workers.ts')
  const interrupt = onInterrupt()
  await serveRuns(interrupt.signal)
  interrupt.release()
  return exitCodes.ok
}

/** On a terminal one line that is drawn over; elsewhere a line a result, where the report itself comes only at the end. */
function progressLine(io: Io, total: number, { quiet = false, output }: { quiet?: boolean; output: string }) {
  const moving = mayMove(io) && !quiet
  const telling = !moving && !quiet && !['pretty', 'tap'].includes(output)
  const running = new Set<string>()
  let done = 0
  const draw = () => {
    if (!moving) return
    const text = running.size > 0 ? `${done}/${total} ${[...running].join(', ')} …` : ''
    io.stderr.write(`\r\x1b[2K${text.slice(0, (io.columns ?? 80) - 1)}`)
  }
  return {
    start(scenario: Scenario) {
      running.add(scenario.name)
      draw()
    },
    end({ scenario, ok, skipped }: ScenarioResult) {
      running.delete(scenario.name)
      done++
      if (moving) io.stderr.write('\r\x1b[2K')
      if (telling)
        io.stderr.write(
          `${done}/${total} ${skipped ? 'skipped' : ok ? 'ok' : 'FAILED'} ${scenario.group}/${scenario.name}\n`,
        )
      setImmediate(draw)
    },
    clear() {
      running.clear()
      if (moving) io.stderr.write('\r\x1b[2K')
    },
  }
}

/** @throws TrustplaneError TP_NAME_UNKNOWN */
function only(scenarios: readonly Scenario[], names: readonly string[]): Scenario[] {
  const known = scenarios.flatMap(({ name, group }) => [name, `${group}/${name}`])
  for (const name of names) {
    if (known.includes(name)) continue
    const near = nearest(name, known)
    throw new TrustplaneError('TP_NAME_UNKNOWN', `no scenario ${JSON.stringify(name)}`, {
      fix: near ? `did you mean ${near}?` : 'see `trustplane run --list`',
    })
  }
  return scenarios.filter(({ name, group }) => names.includes(name) || names.includes(`${group}/${name}`))
}
