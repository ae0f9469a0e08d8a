/** A mesh in the foreground: the table when everything was dialled, then what changes, until a signal comes. */
import { exitCodes } from '#errors.ts'
import { describeDisagreement, disagreements } from '#mesh/agreement.ts'
import { type MeshOptions, startMesh } from '#mesh/launcher.ts'
import type { Member } from '#mesh/member.ts'
import type { Mesh } from '#mesh/mesh.ts'
import type { ConnectionStatus } from '#mesh/status.ts'
import type { UpContext } from './commands/up.ts'
import { connectionColumns, isRed, summaryOf } from './connection-table.ts'
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
    throw error
  }
  try {
    await mesh.probe()
    const rows = mesh.status()
    await show(context, mesh, rows, (performance.now() - began) / 1000)
    tellParent(rows)
    return await follow(context, mesh, interrupt.status)
  } finally {
    say('stopping …')
    await mesh.stop()
  }
}

async function show(context: UpContext, mesh: Mesh, rows: readonly ConnectionStatus[], seconds: number): Promise<void> {
  const { io, options, style, say } = context
  await print(
    io,
    { kind: 'ConnectionList', document: { items: rows }, rows, columns: connectionColumns(style, new Date()) },
    { format: options.output, headers: options.headers },
  )
  for (const member of mesh.members) if (member.state !== 'running') say(memberLine(context, member))
  // a component that does not run is shown above; for the rest the files know what must happen
  for (const one of disagreements(mesh.predict(), rows)) {
    if (one.seen.outcome !== 'unreachable') say(`${style.symbol('warn')} ${describeDisagreement(one)}`)
  }
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

function memberLine({ style }: UpContext, member: Member): string {
  const state = member.state === 'running' ? 'ok' : member.state === 'dead' ? 'fail' : 'warn'
  const again = member.restarts > 0 ? ` (started again ${member.restarts} times)` : ''
  const words = member.state === 'dead' && member.words ? `\n    ${member.words.replaceAll('\n', '\n    ')}` : ''
  return `${style.symbol(state)} ${member.id} is ${member.state}${again}${words}`
}

/** Components that die or come back, and connections that turn. */
async function follow(context: UpContext, mesh: Mesh, stopped: Promise<number>): Promise<number> {
  const { say, style } = context
  mesh.on('component', member => {
    if (member.state !== 'stopped') say(memberLine(context, member))
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
