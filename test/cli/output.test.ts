import t from 'tap'
import { ageOf, summaryOf } from '../../src/cli/connection-table.ts'
import type { Io } from '../../src/cli/io.ts'
import { formatOf, formatTable } from '../../src/cli/output.ts'
import { styleOf, widthOf } from '../../src/cli/style.ts'

const columns = [
  { header: 'NAME', value: (row: string[]) => row[0]! },
  { header: 'STATE', value: (row: string[]) => row[1]! },
  { header: 'WHY', value: (row: string[]) => row[2]!, wide: true },
]
const rows = [
  ['etcd', 'ok', 'x'],
  ['kube-apiserver', '\x1b[31mdead\x1b[0m', 'y'],
]

t.test('tables are kubectl’s: upper-case headers, three spaces, no trailing blanks', async t => {
  t.equal(
    formatTable(rows, columns),
    'NAME             STATE\netcd             ok\nkube-apiserver   \x1b[31mdead\x1b[0m\n',
  )
})

t.test('wide shows more columns; headers can be left out', async t => {
  t.match(formatTable(rows, columns, { wide: true }), /^NAME +STATE {3}WHY\n/)
  t.match(formatTable(rows, columns, { headers: false }), /^etcd /)
})

t.test('escape sequences take no width', async t => t.equal(widthOf('\x1b[1;31mdead\x1b[0m'), 4))

t.test('an unknown format names the known ones', async t => {
  t.throws(() => formatOf('jsn'), { code: 'TP_USAGE', fix: /table, wide, json, yaml/ })
})

t.test('colours', async t => {
  const io = (more: Partial<Io>): Io => ({ env: {}, interactive: true, columns: 80, ...more }) as Io
  const pipe = (env: NodeJS.ProcessEnv): Io =>
    ({ ...io({ env }), interactive: false, columns: undefined }) as unknown as Io
  const cases: [string, Io, 'auto' | 'always' | 'never', boolean][] = [
    ['a terminal has them', io({}), 'auto', true],
    ['a pipe has none', pipe({}), 'auto', false],
    ['NO_COLOR', io({ env: { NO_COLOR: '1' } }), 'auto', false],
    ['FORCE_COLOR into a pipe', pipe({ FORCE_COLOR: '1' }), 'auto', true],
    ['--color=never on a terminal', io({ env: { FORCE_COLOR: '1' } }), 'never', false],
    ['--color=always with NO_COLOR', io({ env: { NO_COLOR: '1' } }), 'always', true],
    ['a dumb terminal', io({ env: { TERM: 'dumb' } }), 'auto', false],
  ]
  for (const [name, given, choice, expected] of cases) t.equal(styleOf(given, choice).color, expected, name)
})

t.test('symbols fall back to ASCII where the locale is not UTF-8', async t => {
  const of = (env: NodeJS.ProcessEnv) => styleOf({ env, interactive: false } as Io).symbol('ok')
  t.equal(of({ LANG: 'de_DE.UTF-8' }), '✓')
  t.equal(of({ LANG: 'C' }), '[OK]')
  t.equal(of({ LC_ALL: 'POSIX', LANG: 'C.UTF-8' }), '[OK]')
  t.equal(of({}), '✓')
})

t.test('ages are kubectl’s', async t => {
  const now = new Date('2026-11-24T12:00:00Z')
  const cases: [string, string][] = [
    ['2026-11-24T12:00:00Z', '0s'],
    ['2026-11-24T11:58:30Z', '90s'],
    ['2026-11-24T11:55:30Z', '4m30s'],
    ['2026-11-24T11:00:00Z', '60m'],
    ['2026-11-23T12:00:00Z', '24h'],
    ['2026-11-14T12:00:00Z', '10d'],
    ['2026-11-24T12:00:05Z', '0s'],
  ]
  for (const [then, age] of cases) t.equal(ageOf(new Date(then), now), age, then)
})

t.test('the summary counts what is well, what is not, and what is unknown', async t => {
  const style = styleOf({ env: {}, interactive: false } as Io)
  const row = (outcome: 'ok' | 'refused' | 'unknown') => ({ from: 'a', to: 'b', outcome })
  t.equal(summaryOf([row('ok'), row('ok')], style), '✓ 2 of 2 connections are well')
  t.equal(summaryOf([row('ok'), row('refused')], style), '✗ 1 of 2 connections are well, 1 is not')
  t.equal(summaryOf([row('unknown')], style), '– 0 of 1 connections are well, of 1 nothing is known yet')
})
