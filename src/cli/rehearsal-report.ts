/** A rehearsal as people read it: a table after each step, and at the end what it cost. */
import { brokenIn, type RehearsalResult } from '#rehearsals/result.ts'
import type { Rehearsal, RowState, StepResult } from '#rehearsals/types.ts'
import { formatTable } from './output.ts'
import type { State, Style } from './style.ts'

interface How {
  predicted: boolean
  rollback: boolean
}

const tableLegend = [
  'ON: whose certificates both ends show; TRUSTS: whose they believe, in memory and not on disk; –: not concerned',
  'RETRIED: answered well, once a server was there again; FAILED: refused, or no good answer within --time-limit',
]

export function beginning(
  { name, title, story, steps }: Rehearsal,
  { predicted, rollback }: How,
  style: Style,
): string {
  const what = rollback ? 'taking it back' : `${steps.length} steps`
  const how = predicted ? ', predicted from the files: nothing runs, and no file changes' : ''
  const legend = predicted ? tableLegend.slice(0, 1) : tableLegend
  return `${style.bold(name)}: ${title}\n${style.dim(story)}\n${what}${how}\n${style.dim(legend.join('\n'))}\n\n`
}

export function stepText(result: StepResult, style: Style): string {
  const { step, does, outcome, direction, rows, seconds, predicted, died, error, fix } = result
  const broken = brokenIn(result)
  const state: State =
    outcome === 'stopped' ? 'fail' : broken.length > 0 ? 'fail' : outcome === 'already' ? 'idle' : 'ok'
  const name = direction === 'back' ? `back: ${step}` : step
  const after =
    outcome === 'already' ? 'done already, by the certificates' : predicted ? 'predicted' : figures(rows, seconds)
  const lines = [`${style.symbol(state)} ${style.bold(name)}  ${style.dim(after)}`, `  ${does}`]
  for (const one of died) lines.push(`  ended meanwhile: ${howItEnded(one)}`)
  if (error) lines.push(`  could not be done: ${error.replaceAll('\n', '\n  ')}`)
  if (fix) lines.push(`  next: ${fix}`)
  const table = outcome === 'already' ? '' : indent(formatTable(rows, columns(style, predicted)))
  const words = rows.filter(row => broken.includes(`${row.from} -> ${row.to}`)).flatMap(row => wordsOf(row, style))
  return `${lines.join('\n')}\n${table}${words.join('')}\n`
}

/** Of one that was killed its last words are no explanation. */
function howItEnded(words: string): string {
  const [id] = words.split(' ')
  const last = words.split('\n').at(-1)!
  return /^killed by /.test(last) ? `${id}, ${last}` : words.replaceAll('\n', '; ')
}

const columns = (style: Style, predicted: boolean) => [
  { header: 'FROM', value: (row: RowState) => row.from },
  { header: 'TO', value: (row: RowState) => row.to },
  { header: 'STATE', value: (row: RowState) => shownState(row, style) },
  { header: 'ON', value: (row: RowState) => row.on },
  { header: 'TRUSTS', value: (row: RowState) => row.trusts },
  ...(predicted
    ? []
    : [
        { header: 'REQUESTS', value: (row: RowState) => String(row.requests) },
        { header: 'RETRIED', value: (row: RowState) => String(row.retried) },
        { header: 'FAILED', value: (row: RowState) => String(row.failed) },
      ]),
]

function shownState({ state, failed }: RowState, style: Style): string {
  const shown: State = state === 'failed' ? 'fail' : failed > 0 ? 'warn' : 'ok'
  return `${style.symbol(shown)} ${style.paint(shown, state)}`
}

function wordsOf({ from, to, client, server, notice }: RowState, style: Style): string[] {
  return [
    `  ${style.symbol('fail')} ${from} -> ${to}\n`,
    ...(client ? [`      the client says: ${client}\n`] : []),
    ...(server ? [`      the server says: ${server}\n`] : []),
    ...(notice ? [`      people notice:   ${notice}\n`] : []),
  ]
}

function figures(rows: readonly RowState[], seconds: number): string {
  const sum = (key: 'requests' | 'retried' | 'failed') => rows.reduce((all, row) => all + row[key], 0)
  return `${seconds.toFixed(1)} s, ${sum('requests')} requests, ${sum('retried')} retried, ${sum('failed')} failed`
}

interface End {
  dir: string | undefined
  dryRun: boolean
  until: string | undefined
  rollback: boolean
}

export function ending(result: RehearsalResult, { dir, dryRun, until, rollback }: End, style: Style): string {
  const { rehearsal, requests, retried, failed, ok, steps } = result
  const seconds = steps.reduce((all, step) => all + step.seconds, 0)
  const broken = steps.filter(step => brokenIn(step).length > 0)
  const total = dryRun
    ? ok
      ? 'nothing will break, by the files'
      : `${broken.length} steps leave a connection broken, by the files`
    : `${requests} requests in ${seconds.toFixed(1)} s (${Math.round(requests / Math.max(seconds, 0.1))}/s): ${retried} retried while a server restarted, ${failed} failed`
  const lines = [`${style.symbol(ok ? 'ok' : 'fail')} ${total}`]
  if (broken[0]) lines.push(`  the first to break: ${broken[0].step}`)
  if (dir !== undefined && !dryRun && !result.stopped) {
    const command = `trustplane rehearse ${rehearsal.name} --dir ${dir}`
    if (rollback) lines.push(`  the new authority stays in ${dir}/rehearsals/${rehearsal.name}/new/`)
    else if (until !== undefined) lines.push(`  go on: ${command} --resume`, `  take it back: ${command} --rollback`)
    else
      lines.push(
        `  the old keys are in ${dir}/rehearsals/${rehearsal.name}/old/ (0600): remove the folder when nobody needs them`,
      )
  }
  return `${lines.join('\n')}\n`
}

const indent = (text: string) => text.replaceAll(/^(?=.)/gm, '  ')
