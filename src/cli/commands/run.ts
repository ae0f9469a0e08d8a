/** `trustplane run`: runs scenarios and says which connections did not do what they should. */
import { type Command, Option } from 'commander'
import { exitCodes, nearest, TrustplaneError } from '#errors.ts'
import { findScenarioFiles } from '#scenarios/find.ts'
import { loadScenarios } from '#scenarios/load.ts'
import { reporters } from '#scenarios/reporters/index.ts'
import { runScenarios } from '#scenarios/runner.ts'
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
  return onRun<RunOptions>(command, io, async (paths, context) => {
    const { options } = context
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
  const progress = progressLine(io, scenarios.length, options.quiet ?? false)
  reporter.begin(scenarios)
  const results = await runScenarios(scenarios, {
    jobs: options.jobs,
    keep: options.keep ?? false,
    isolation: options.isolation,
    signal: interrupt.signal,
    ...(options.etcdBinary ? { etcdBinary: options.etcdBinary } : {}),
    onStart: progress.start,
    onResult(result) {
      progress.end(result.scenario)
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

/** On a terminal one line that is drawn over; elsewhere nothing: results come as they are there. */
function progressLine(io: Io, total: number, quiet: boolean) {
  const moving = mayMove(io) && !quiet
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
    end(scenario: Scenario) {
      running.delete(scenario.name)
      done++
      if (moving) io.stderr.write('\r\x1b[2K')
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
