/** The connection table as commands show it. */
import type { ComponentState } from '#mesh/state.ts'
import type { ConnectionStatus } from '#mesh/status.ts'
import type { HandshakeRecord } from '#tls/types.ts'
import type { Column } from './output.ts'
import type { State, Style } from './style.ts'

const states: Record<ConnectionStatus['outcome'], State> = {
  ok: 'ok',
  refused: 'fail',
  unreachable: 'fail',
  unknown: 'idle',
}

export const isRed = (row: Pick<ConnectionStatus, 'outcome'>): boolean => states[row.outcome] === 'fail'

/** `now`: for the age of what was seen. */
export function connectionColumns(style: Style, now: Date): Column<ConnectionStatus>[] {
  return [
    { header: 'FROM', value: row => row.from },
    { header: 'TO', value: row => row.to },
    { header: 'STATE', value: row => stateOf(row, style) },
    { header: 'REFUSED BY', value: row => row.refusedBy ?? '–' },
    { header: 'LAYER', value: row => row.layer ?? '–' },
    {
      header: 'REASON',
      value: row => [row.reason ?? '–', ...(row.failing ? [`(${row.failing.join(', ')})`] : [])].join(' '),
    },
    { header: 'AGE', value: row => (row.time ? ageOf(new Date(row.time), now) : '–') },
    { header: 'CLIENT CERTIFICATE', value: row => shown(row.client?.own ?? row.server?.peer?.[0]), wide: true },
    { header: 'SERVER CERTIFICATE', value: row => shown(row.server?.own ?? row.client?.peer?.[0]), wide: true },
    { header: 'TLS', value: row => tlsOf(row.client ?? row.server), wide: true },
    { header: 'CLIENT SAYS', value: row => saysOf(row.client), wide: true },
    { header: 'SERVER SAYS', value: row => saysOf(row.server), wide: true },
    { header: 'DECIDED BY', value: row => row.decidedBy ?? '–', wide: true },
  ]
}

/** A server that lets the client in and then fails by itself (500, 503) is no refusal, but not well either. */
function stateOf(row: ConnectionStatus, style: Style): string {
  const status = (row.client?.http ?? row.server?.http)?.status ?? 0
  const failing = row.outcome === 'ok' && status >= 500
  const state = failing ? 'warn' : states[row.outcome]
  return `${style.symbol(state)} ${style.paint(state, failing ? `ok, then ${status}` : row.outcome)}`
}

const shown = (certificate: { subject: string; notAfter: string } | undefined) =>
  certificate ? `${certificate.subject} (until ${certificate.notAfter.slice(0, 10)})` : '–'

const tlsOf = (record: HandshakeRecord | undefined) =>
  record?.tls ? [record.tls.version, record.tls.cipher, record.tls.group].filter(Boolean).join(' ') : '–'

const saysOf = (record: HandshakeRecord | undefined) =>
  record?.message ?? (record?.outcome === 'ok' ? (record.http ? `HTTP ${record.http.status}` : 'ok') : '–')

/** As kubectl's AGE: the largest unit, two of them when small. */
export function ageOf(then: Date, now: Date): string {
  const seconds = Math.max(0, Math.round((now.getTime() - then.getTime()) / 1000))
  if (seconds < 120) return `${seconds}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 10) return seconds % 60 ? `${minutes}m${seconds % 60}s` : `${minutes}m`
  if (minutes < 180) return `${minutes}m`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours}h` : `${Math.floor(hours / 24)}d`
}

/** What people read first: how many are well, and what to ask about the others. */
export function summaryOf(rows: readonly ConnectionStatus[], style: Style): string {
  const red = rows.filter(isRed)
  const idle = rows.filter(row => row.outcome === 'unknown')
  const green = rows.length - red.length - idle.length
  const parts = [
    `${green} of ${rows.length} connections are well`,
    ...(red.length > 0 ? [`${red.length} ${red.length === 1 ? 'is' : 'are'} not`] : []),
    ...(idle.length > 0 ? [`of ${idle.length} nothing is known yet`] : []),
  ]
  const state: State = red.length > 0 ? 'fail' : idle.length > 0 ? 'idle' : 'ok'
  return `${style.symbol(state)} ${parts.join(', ')}`
}

/** A component that has ended is shown with its last words. */
export function componentLine(
  style: Style,
  { id, state, restarts, lastWords }: Pick<ComponentState, 'id' | 'state' | 'restarts' | 'lastWords'>,
): string {
  const symbol = style.symbol(state === 'running' ? 'ok' : state === 'dead' ? 'fail' : 'warn')
  const again = restarts > 0 ? ` (started again ${restarts} times)` : ''
  const words = state === 'dead' && lastWords ? `\n    ${lastWords.replaceAll('\n', '\n    ')}` : ''
  return `${symbol} ${id} is ${state}${again}${words}`
}
