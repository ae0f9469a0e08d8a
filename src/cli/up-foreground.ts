/** A mesh in the foreground: the table when everything was dialled, then what changes, until a signal comes. */
import { exitCodes, TrustplaneError } from '#errors.ts'
import { describeDisagreement, disagreements } from '#mesh/agreement.ts'
import { serveControl } from '#mesh/control.ts'
import { type MeshOptions, startMesh } from '#mesh/launcher.ts'
import type { Mesh } from '#mesh/mesh.ts'
import type { ConnectionStatus } from '#mesh/status.ts'
import type { UpContext } from './commands/up.ts'
import { componentLine, connectionColumns, isRed, summaryOf } from './connection-table.ts'
import { print } from './output.ts'
import { onInterrupt } from './signals.ts'

export async function runInForeground(context: UpContext, meshOptions: MeshOptions): Promise<number> {
  const { say } = context
  const began = performance.now()
  const interrupt = onInterrupt()
  let mesh: Mesh
  try {
    mesh = await startMesh({ ...meshOptions, signal: interrupt.signal, onProgress: line => say(`! ${line}`) })
  } catch (error) {
    // a signal while it was starting: nothing is left of it
    if (interrupt.received !== undefined) return interrupt.received
    throw await ofRehearsal(error, context.options.dir)
  }
  let control: { close(): void } | undefined
  let hastened: NodeJS.Timeout | undefined
  try {
    const rows = await mesh.probe()
    control = serveControl(mesh)
    await show(context, mesh, rows, (performance.now() - began) / 1000)
    tellParent(rows)
    compare(context, mesh, rows)
    if (context.options.clockRate > 1) hastened = hasten(mesh, context.options.clockRate)
    return await follow(context, mesh, interrupt.status)
  } finally {
    say('stopping …')
    clearInterval(hastened)
    control?.close()
    await mesh.stop()
  }
}

// four times a second: who looks at mesh.json meanwhile is not far off
const hastenEveryMs = 250

/** The clock is put forward in steps. Whoever waits by it is woken in time; what is about living processes (leases, heartbeats) goes by no clock. */
function hasten(mesh: Mesh, rate: number): NodeJS.Timeout {
  let last = performance.now()
  return setInterval(() => {
    const now = performance.now()
    mesh.advanceClock(Math.round((now - last) * (rate - 1)))
    last = now
  }, hastenEveryMs)
}

/** A PKI that is half rotated fits no plan, and must not be made anew over its keys. */
async function ofRehearsal(error: unknown, dir: string): Promise<unknown> {
  if (!(error instanceof TrustplaneError) || error.code !== 'TP_PKI_EXISTS') return error
  const { underWay } = await import('#rehearsals/under-way.ts')
  const [half] = await underWay(dir)
  if (!half) return error
  const command = `trustplane rehearse ${half.rehearsal.name} --dir ${dir}`
  return new TrustplaneError(error.code, `${error.message}: the rehearsal ${half.rehearsal.name} is under way there`, {
    fix: `go on with \`${command} --resume\`, or take it back with \`${command} --rollback\`; then \`up\` starts it`,
    cause: error,
  })
}

async function show(context: UpContext, mesh: Mesh, rows: readonly ConnectionStatus[], seconds: number): Promise<void> {
  const { io, options, style, say } = context
  await print(
    io,
    {
      kind: 'ConnectionList',
      document: { items: rows },
      rows,
      columns: connectionColumns(style, new Date(Date.now() + mesh.state.clockOffsetMs)),
    },
    { format: options.output, headers: options.headers },
  )
  for (const member of mesh.members) if (member.state !== 'running') say(componentLine(style, member.toState()))
  say(`${summaryOf(rows, style)} (${seconds.toFixed(2)} s)`)
  const dir = options.dir === '.trustplane' ? '' : ` --dir ${options.dir}`
  const red = rows.find(isRed)
  say(`
  export KUBECONFIG=${mesh.kubeconfig}
  kubectl get nodes

  ${red ? `trustplane explain ${red.from} ${red.to}${dir}` : `trustplane status -o wide${dir}`}
  trustplane down${dir}
`)
}

/** A component that does not run is shown above; for the rest the files know what must happen. */
function compare({ say, style }: UpContext, mesh: Mesh, rows: readonly ConnectionStatus[]): void {
  for (const one of disagreements(mesh.predict(), rows)) {
    if (one.seen.outcome !== 'unreachable') say(`${style.symbol('warn')} ${describeDisagreement(one)}`)
  }
}

/** Components that die or come back, and connections that turn. */
async function follow(context: UpContext, mesh: Mesh, stopped: Promise<number>): Promise<number> {
  const { say, style } = context
  mesh.on('component', member => {
    if (member.state !== 'stopped') say(componentLine(style, member.toState()))
  })
  const seen = new Map(mesh.status().map(row => [`${row.from} -> ${row.to}`, row.outcome]))
  const look = () => {
    for (const row of mesh.status()) {
      const name = `${row.from} -> ${row.to}`
      if (row.outcome === 'unknown' || seen.get(name) === row.outcome) continue
      seen.set(name, row.outcome)
      const why = [row.refusedBy && `by the ${row.refusedBy}`, row.layer, row.reason].filter(Boolean).join(', ')
      say(`${style.symbol(isRed(row) ? 'fail' : 'ok')} ${name}: ${row.outcome}${why ? ` (${why})` : ''}`)
    }
  }
  const { watchRecords } = await import('#mesh/records.ts')
  const watcher = watchRecords(mesh.dir, look)
  const status = await stopped
  watcher.close()
  mesh.removeAllListeners('component')
  return status
}

/** Started by `up --detach`: it returns now, with our exit status. */
function tellParent(rows: readonly ConnectionStatus[]): void {
  if (!process.send) return
  process.send({ type: 'up', exitCode: rows.some(isRed) ? exitCodes.findings : exitCodes.ok }, () =>
    process.disconnect(),
  )
}
