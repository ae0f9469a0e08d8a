/** `trustplane status`: what both ends of every connection last saw. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Command, Option } from 'commander'
import { exitCodes, messageOf } from '#errors.ts'
import { etcdMembersOf } from '#mesh/layout.ts'
import { openLayout } from '#mesh/open.ts'
import { ownersOf } from '#mesh/owners.ts'
import { watchRecords } from '#mesh/records.ts'
import { apiVersion, isAlive, type MeshState, readState } from '#mesh/state.ts'
import { type ConnectionStatus, readStatus } from '#mesh/status.ts'
import { type ActionContext, createCommand, onRun } from '../command.ts'
import { componentLine, connectionColumns, isRed, summaryOf } from '../connection-table.ts'
import type { Io } from '../io.ts'
import { print } from '../output.ts'
import { onInterrupt } from '../signals.ts'

interface StatusOptions {
  watch?: boolean
  drift?: boolean
}

export function build(io?: Io): Command {
  const command = createCommand({
    name: 'status',
    summary: 'what both ends of every connection last saw',
    description:
      'Reads the handshake records in the state directory, so it works for processes, for containers on one volume, and after a crash.\nExit status: 0 when no connection is refused or unreachable, 1 when one is.',
    formats: ['table', 'wide', 'json', 'yaml'],
    examples: [
      { does: 'The connection table', line: 'trustplane status' },
      { does: 'With certificates, and the words of both ends', line: 'trustplane status -o wide' },
      {
        does: 'After a renewal: which component still has what of the files on disk?',
        line: 'trustplane status --drift',
      },
      {
        does: 'What is not well, for a script',
        line: 'trustplane status -o json | jq -r \'.items[] | select(.outcome == "refused") | .from + " -> " + .to\'',
      },
    ],
  })
    .addOption(new Option('-w, --watch', 'go on, and print every change (with -o json: a line each)'))
    .addOption(
      new Option(
        '--drift',
        'instead: what components hold in memory of their certificate files, beside what is on disk, and whether a restart is needed',
      ).conflicts('watch'),
    )
  return onRun<StatusOptions>(command, io, async (_, context) => {
    if (context.options.drift) return (await import('../drift-table.ts')).showDrift(context)
    const read = await reader(context)
    if (context.options.watch) return follow(read, context)
    const seen = read()
    await show(seen, context)
    await tellRehearsals(context)
    return seen.rows.some(isRed) ? exitCodes.findings : exitCodes.ok
  })
}

/** What is half rotated is easily taken for broken. */
async function tellRehearsals({ options, style, say }: ActionContext<StatusOptions>): Promise<void> {
  if (!existsSync(join(options.dir, 'rehearsals'))) return
  const { underWay } = await import('#rehearsals/under-way.ts')
  for (const { rehearsal, done, next } of await underWay(options.dir)) {
    const { name, steps } = rehearsal
    say(
      `${style.symbol('warn')} the rehearsal ${name} is under way: ${done} of ${steps.length} steps are behind it, the next is ${next}`,
    )
    say(`  next: trustplane rehearse ${name} --dir ${options.dir} --resume (or --rollback)`)
  }
}

interface Seen {
  rows: ConnectionStatus[]
  /** What `trustplane up` started here, if it did. */
  state: MeshState | undefined
}

async function reader({ options, say }: ActionContext<StatusOptions>): Promise<() => Seen> {
  const layout = await openLayout(options.dir).catch(error => {
    say(`! what the plan says is unknown: ${messageOf(error)}`)
    return undefined
  })
  const known = layout && { ownerOf: ownersOf(layout), members: etcdMembersOf(layout) }
  return () => {
    const state = readState(options.dir)
    const since = state && { since: state.startedAt }
    return { state, rows: readStatus(options.dir, { ...known, ...since }) }
  }
}

async function show({ rows, state }: Seen, { io, options, style, say }: ActionContext<StatusOptions>) {
  const columns = connectionColumns(style, nowOf(state))
  const components = state && { components: state.components }
  await print(
    io,
    { kind: 'ConnectionList', document: { items: rows, ...components }, rows, columns },
    { format: options.output, headers: options.headers },
  )
  if (options.output === 'json' || options.output === 'yaml') return
  if (state && !isAlive(state.launcher)) say(`${style.symbol('warn')} the launcher has died: this is how it was before`)
  if (state?.clockOffsetMs) say(`by the clock of this mesh it is ${nowOf(state).toISOString().slice(0, 19)}Z`)
  for (const component of state?.components ?? []) {
    if (component.state !== 'running') say(componentLine(style, component))
  }
  say(summaryOf(rows, style))
  const dir = options.dir === '.trustplane' ? '' : ` --dir ${options.dir}`
  const first = rows.find(isRed)
  if (first) say(`  next: trustplane explain ${first.from} ${first.to}${dir}`)
  if (rows.every(row => row.outcome === 'unknown')) say(`  next: trustplane up${dir}`)
}

const nowOf = (state: MeshState | undefined) => new Date(Date.now() + (state?.clockOffsetMs ?? 0))

/** Whenever a record was written. On a terminal the table is drawn anew; otherwise a changed row is a line. */
async function follow(read: () => Seen, context: ActionContext<StatusOptions>): Promise<number> {
  const { io, options, style } = context
  const seen = new Map<string, string>()
  const redraw = io.interactive && options.output !== 'json' && options.output !== 'yaml'
  const look = async () => {
    const seenNow = read()
    const { rows, state } = seenNow
    const changed = rows.filter(row => {
      const key = `${row.from} ${row.to}`
      const now = `${row.outcome} ${row.refusedBy} ${row.layer} ${row.reason}`
      const differs = seen.get(key) !== now
      seen.set(key, now)
      return differs
    })
    if (redraw) {
      io.stdout.write('\x1b[H\x1b[2J')
      await show(seenNow, context)
    } else if (options.output === 'json' || options.output === 'yaml') {
      for (const row of changed) io.stdout.write(`${JSON.stringify({ apiVersion, kind: 'Connection', ...row })}\n`)
    } else {
      const columns = connectionColumns(style, nowOf(state)).filter(column => !column.wide)
      for (const row of changed) io.stdout.write(`${columns.map(column => column.value(row)).join('   ')}\n`)
    }
  }
  await look()
  const interrupt = onInterrupt()
  const watcher = watchRecords(options.dir, () => void look())
  const status = await interrupt.status
  watcher.close()
  interrupt.release()
  return status
}
