/** `status --drift`: disk and memory, component by component. */
import { resolve } from 'node:path'
import { exitCodes } from '#errors.ts'
import type { Drift } from '#mesh/drift.ts'
import type { ActionContext } from './command.ts'
import { type Column, print } from './output.ts'
import type { State, Style } from './style.ts'

const states: Record<Drift['state'], State> = { same: 'ok', 'by itself': 'warn', restart: 'fail', bad: 'fail' }
const words: Record<Drift['state'], string> = {
  same: 'same',
  'by itself': 'newer on disk, read by itself',
  restart: 'newer on disk, needs a restart',
  bad: 'bad on disk',
}

const short = (sha256: string | undefined) => sha256?.slice(0, 12) ?? '–'

const dirFlag = (dir: string) => (dir === '.trustplane' ? '' : ` --dir ${dir}`)

function columns(style: Style, dir: string): Column<Drift>[] {
  const root = `${resolve(dir)}/`
  return [
    { header: 'COMPONENT', value: row => row.id },
    { header: 'FLAG', value: row => row.flag },
    { header: 'HOLDS', value: row => row.holds },
    { header: 'FILE', value: row => (row.file.startsWith(root) ? row.file.slice(root.length) : row.file) },
    {
      header: 'STATE',
      value: row => `${style.symbol(states[row.state])} ${style.paint(states[row.state], words[row.state])}`,
    },
    { header: 'READ AGAIN', value: row => row.when, wide: true },
    { header: 'IN MEMORY', value: row => short(row.memory), wide: true },
    { header: 'ON DISK', value: row => short(row.disk), wide: true },
  ]
}

/** Exit status: 1 when something needs a restart, or a file on disk is no good. */
export async function showDrift({ io, options, style, say }: ActionContext<object>): Promise<number> {
  const { readDrift } = await import('#mesh/drift.ts')
  const rows = readDrift(options.dir)
  await print(
    io,
    { kind: 'DriftList', document: { items: rows }, rows, columns: columns(style, options.dir) },
    { format: options.output, headers: options.headers },
  )
  const red = rows.filter(({ state }) => states[state] === 'fail')
  if (options.output === 'table' || options.output === 'wide') {
    if (rows.length === 0) say(`${style.symbol('idle')} nothing runs here that told what it has loaded`)
    for (const row of red) say(`${style.symbol('fail')} ${row.id} ${row.flag}: ${row.says}`)
    const restarts = [...new Set(red.filter(({ state }) => state === 'restart').map(({ id }) => id))]
    if (restarts.length > 0) say(`  next: trustplane restart ${restarts.join(' ')}${dirFlag(options.dir)}`)
    else if (rows.length > 0 && red.length === 0) {
      const later = rows.filter(({ state }) => state === 'by itself').length
      say(
        `${style.symbol('ok')} ${later === 0 ? 'memory and disk are the same everywhere' : `${later} newer on disk, and all of them are read without a restart`}`,
      )
    }
  }
  return red.length > 0 ? exitCodes.findings : exitCodes.ok
}
