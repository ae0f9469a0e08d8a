/** `trustplane rehearse`: practises a rotation, step by step, under traffic on every connection. */
import { type Command, Option } from 'commander'
import { parseDuration } from '#clock.ts'
import { exitCodes, TrustplaneError } from '#errors.ts'
import { runningState } from '#mesh/state.ts'
import { dryRun } from '#rehearsals/dry-run.ts'
import { findRehearsal, rehearsalNames } from '#rehearsals/find.ts'
import { loadRehearsal } from '#rehearsals/load.ts'
import type { PlayedMesh } from '#rehearsals/played-mesh.ts'
import { rehearse } from '#rehearsals/rehearse.ts'
import { openRunning } from '#rehearsals/running.ts'
import { startRehearsal } from '#rehearsals/start.ts'
import type { Rehearsal, StepResult } from '#rehearsals/types.ts'
import { type ActionContext, createCommand, onRun, wholeNumber } from '../command.ts'
import type { Io } from '../io.ts'
import { print, printDocument } from '../output.ts'
import { beginning, ending, stepText } from '../rehearsal-report.ts'
import { onInterrupt } from '../signals.ts'
import { mayMove } from '../style.ts'

interface RehearseOptions {
  list?: boolean
  skip?: string[]
  swap?: string
  until?: string
  dryRun?: boolean
  resume?: boolean
  continue?: boolean
  rollback?: boolean
  nodes: number
  rate: number
  timeLimit: string
  etcdBinary?: string
  isolation: 'process' | 'in-process'
}

export function build(io?: Io): Command {
  const command = createCommand({
    name: 'rehearse',
    summary: 'practise a rotation: every step under traffic, and what it would break',
    description:
      'Keeps steady traffic on every connection of a control plane, does one step after the other, and shows after each which connections are on the old CA, the new one or both, and what failed. On the mesh that `trustplane up` runs in --dir; else one is started for the time.\nThe certificates themselves say how far one is: a run that was stopped or killed goes on with --resume, or back with --rollback.\nExit status: 0 when no request failed, 1 when one did or a step could not be done, 3 for a file that does not validate.',
    formats: ['pretty', 'json'],
    examples: [
      { does: 'What there is', line: 'trustplane rehearse --list' },
      { does: 'Replace the cluster CA', line: 'trustplane rehearse cluster-ca' },
      { does: 'Forget a step, and see what breaks', line: 'trustplane rehearse cluster-ca --skip restart-clients' },
      { does: 'Only what the files say, on a copy', line: 'trustplane rehearse cluster-ca --dry-run' },
      {
        does: 'On the mesh that `trustplane up --dir lab` runs',
        line: 'trustplane rehearse cluster-ca --dir lab',
      },
      {
        does: 'Half of it today, the rest tomorrow',
        line: 'trustplane rehearse cluster-ca --dir lab --until clients-trust-both; trustplane rehearse cluster-ca --dir lab --resume',
      },
    ],
  })
    .argument('[name]', 'a rehearsal, or the file of one')
    .addOption(new Option('--list', 'say what there is, or the steps of one'))
    .addOption(new Option('--skip <steps...>', 'leave steps out'))
    .addOption(new Option('--swap <a,b>', 'let two steps change places'))
    .addOption(new Option('--until <step>', 'stop after this step; --resume goes on'))
    .addOption(new Option('--dry-run', 'predict every step from the files: nothing runs, no file changes'))
    .addOption(new Option('--resume', 'go on from what the certificates in --dir say'))
    .addOption(new Option('--continue', 'the same'))
    .addOption(new Option('--rollback', 'take back, step by step, what was done in --dir'))
    .addOption(
      new Option('--rate <number>', 'requests a second, over all connections')
        .default(200)
        .argParser(wholeNumber(0, 10_000)),
    )
    .addOption(new Option('--time-limit <duration>', 'a request not answered well by then has failed').default('10s'))
    .addOption(
      new Option('--nodes <number>', 'how many kubelets, on a mesh that is made for this')
        .default(1)
        .argParser(wholeNumber(1, 100)),
    )
    .addOption(new Option('--etcd-binary <file>', 'on a real etcd'))
    .addOption(
      new Option('--isolation <how>', 'components as processes, or all in this one')
        .choices(['in-process', 'process'])
        .default('in-process'),
    )
  return onRun<RehearseOptions>(command, io, async ([name], context) => {
    const { options } = context
    if (options.list) return list(name, context)
    if (name === undefined) {
      throw new TrustplaneError('TP_USAGE', 'which rehearsal?', { fix: `one of ${rehearsalNames().join(', ')}` })
    }
    const rehearsal = await loadRehearsal(findRehearsal(name))
    const dir = command.getOptionValueSource('dir') === 'default' ? undefined : options.dir
    if (dir === undefined) needsNoDir(options)
    return play(rehearsal, dir, context)
  })
}

/** @throws TrustplaneError TP_USAGE */
function needsNoDir({ dryRun, until, resume, continue: goOn, rollback }: RehearseOptions): void {
  const flag = resume ? '--resume' : goOn ? '--continue' : rollback ? '--rollback' : undefined
  if (flag) throw new TrustplaneError('TP_USAGE', `${flag}: of what?`, { fix: 'say with --dir where it was begun' })
  if (until !== undefined && !dryRun) {
    throw new TrustplaneError('TP_USAGE', '--until leaves a rotation half done, and without --dir it is gone', {
      fix: 'say with --dir where it is to stay',
    })
  }
}

async function list(name: string | undefined, { io, options }: ActionContext<RehearseOptions>): Promise<number> {
  const format = { format: (options.output as string) === 'json' ? 'json' : 'table', headers: options.headers } as const
  if (name !== undefined) {
    const { title, story, steps } = await loadRehearsal(findRehearsal(name))
    const columns = [
      { header: 'STEP', value: (step: Rehearsal['steps'][number]) => step.name },
      { header: 'WHAT IT DOES', value: (step: Rehearsal['steps'][number]) => step.does },
    ]
    await print(io, { kind: 'Rehearsal', document: { name, title, story, steps }, rows: steps, columns }, format)
    return exitCodes.ok
  }
  const all = await Promise.all(rehearsalNames().map(one => loadRehearsal(findRehearsal(one))))
  await print(
    io,
    {
      kind: 'RehearsalList',
      document: { items: all.map(({ name, title, steps }) => ({ name, title, steps: steps.map(step => step.name) })) },
      rows: all,
      columns: [
        { header: 'NAME', value: one => one.name },
        { header: 'STEPS', value: one => String(one.steps.length) },
        { header: 'TITLE', value: one => one.title },
      ],
    },
    format,
  )
  return exitCodes.ok
}

async function play(
  rehearsal: Rehearsal,
  dir: string | undefined,
  context: ActionContext<RehearseOptions>,
): Promise<number> {
  const { io, options, style } = context
  const isJson = (options.output as string) === 'json'
  const progress = progressLine(io, options.quiet ?? false)
  const onStep = (result: StepResult) => {
    progress.clear()
    if (!isJson) io.stdout.write(stepText(result, style))
  }
  const order = {
    ...(options.skip ? { skip: options.skip } : {}),
    ...(options.swap === undefined ? {} : { swap: pairOf(options.swap) }),
    ...(options.until === undefined ? {} : { until: options.until }),
  }
  const rollback = options.rollback ?? false
  if (!isJson) io.stdout.write(beginning(rehearsal, { predicted: options.dryRun ?? false, rollback }, style))
  const finish = async (result: Awaited<ReturnType<typeof rehearse>>): Promise<number> => {
    if (isJson) {
      const { steps, requests, retried, failed, ok } = result
      await printDocument(
        io,
        'RehearsalReport',
        { rehearsal: rehearsal.name, ok, requests, retried, failed, steps },
        'json',
      )
    } else
      io.stdout.write(ending(result, { dir, dryRun: options.dryRun ?? false, until: options.until, rollback }, style))
    return result.ok ? exitCodes.ok : exitCodes.findings
  }
  if (options.dryRun) {
    return finish(await dryRun({ rehearsal, ...order, rollback, onStep, ...(dir === undefined ? {} : { dir }) }))
  }
  const interrupt = onInterrupt()
  try {
    const stage = await open(rehearsal, dir, context, interrupt.signal, progress.show)
    try {
      const result = await rehearse({
        mesh: stage.mesh,
        rehearsal,
        ...order,
        rate: options.rate,
        timeLimitMs: parseDuration(options.timeLimit),
        resume: (options.resume || options.continue) ?? false,
        rollback,
        signal: interrupt.signal,
        onProgress: progress.show,
        onStep,
      })
      const status = await finish(result)
      return interrupt.received ?? status
    } finally {
      progress.clear()
      await stage.close()
    }
  } catch (error) {
    // a signal before the first step: nothing was done
    if (interrupt.received !== undefined) return interrupt.received
    throw error
  } finally {
    interrupt.release()
  }
}

/** The mesh that runs in --dir; else one of our own, which goes with us. */
async function open(
  rehearsal: Rehearsal,
  dir: string | undefined,
  { options, say }: ActionContext<RehearseOptions>,
  signal: AbortSignal,
  show: (text: string) => void,
): Promise<{ mesh: PlayedMesh; close(): void | Promise<void> }> {
  const running = dir === undefined ? undefined : runningState(dir)
  if (dir !== undefined && running) {
    show(`on the mesh that runs in ${dir} (pid ${running.launcher.pid})`)
    const mesh = await openRunning(rehearsal, dir)
    return { mesh, close: () => mesh.close() }
  }
  if (dir === undefined && runningState(options.dir)) {
    say(`! a mesh runs in ${options.dir}: it is left alone; --dir ${options.dir} rehearses on it`)
  }
  show('starting a control plane …')
  const mesh = await startRehearsal(rehearsal, {
    isolation: options.isolation,
    nodes: options.nodes,
    signal,
    onProgress: say,
    ...(dir === undefined ? {} : { dir }),
    ...(options.etcdBinary ? { etcdBinary: options.etcdBinary } : {}),
  })
  return { mesh, close: () => mesh.stop() }
}

/** @throws TrustplaneError TP_USAGE */
function pairOf(text: string): [string, string] {
  const [a, b, ...more] = text.split(',').map(word => word.trim())
  if (a && b && more.length === 0) return [a, b]
  throw new TrustplaneError('TP_USAGE', `--swap ${text}: two steps, with a comma between them`, {
    fix: '--swap servers-trust-new,reissue-clients',
  })
}

/** On a terminal one line that is drawn over; elsewhere a line when a step begins. */
function progressLine(io: Io, quiet: boolean) {
  const moving = mayMove(io)
  return {
    show(text: string) {
      if (quiet) return
      io.stderr.write(moving ? `\r\x1b[2K${`${text} …`.slice(0, (io.columns ?? 80) - 1)}` : `${text}\n`)
    },
    clear() {
      if (moving && !quiet) io.stderr.write('\r\x1b[2K')
    },
  }
}
