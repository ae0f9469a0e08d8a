/**
 * How every command shows what it found: `-o table|wide|json|yaml|name`. Tables are kubectl's: upper-case headers, three spaces
 * between columns, no boxes, so that `awk '{print $1}'` works. Every JSON document has apiVersion and kind.
 */
import { TrustplaneError } from '#errors.ts'
import { apiVersion } from '#mesh/state.ts'
import type { Io } from './io.ts'
import { widthOf } from './style.ts'

export const formats = ['table', 'wide', 'json', 'yaml'] as const
export type Format = (typeof formats)[number]

export interface Column<T> {
  header: string
  value(row: T): string
  /** Only with `-o wide`. */
  wide?: boolean
}

export interface Printed<T> {
  /** `ConnectionList`, `Expiration`, … */
  kind: string
  /** What JSON and YAML show after apiVersion and kind. */
  document: object
  rows: readonly T[]
  columns: readonly Column<T>[]
}

export interface PrintOptions {
  format?: Format
  headers?: boolean
}

/** Writes `printed` to stdout in the format that was asked for. */
export async function print<T>(io: Io, printed: Printed<T>, options: PrintOptions = {}): Promise<void> {
  const { format = 'table', headers = true } = options
  if (format === 'json' || format === 'yaml') return printDocument(io, printed.kind, printed.document, format)
  io.stdout.write(formatTable(printed.rows, printed.columns, { wide: format === 'wide', headers }))
}

/** Writes one JSON or YAML document. */
export async function printDocument(io: Io, kind: string, document: object, format: 'json' | 'yaml'): Promise<void> {
  const whole = { apiVersion, kind, ...document }
  if (format === 'json') {
    io.stdout.write(`${JSON.stringify(whole, null, 2)}\n`)
    return
  }
  const { stringify } = await import('yaml')
  io.stdout.write(stringify(whole, { aliasDuplicateObjects: false }))
}

export function formatTable<T>(
  rows: readonly T[],
  columns: readonly Column<T>[],
  options: { wide?: boolean; headers?: boolean } = {},
): string {
  const shown = columns.filter(column => options.wide || !column.wide)
  const lines = rows.map(row => shown.map(column => column.value(row)))
  if (options.headers !== false) lines.unshift(shown.map(column => column.header))
  const widths = shown.map((_, index) => Math.max(0, ...lines.map(line => widthOf(line[index]!))))
  return lines
    .map(line => `${line.map((cell, index) => pad(cell, widths[index]!)).join('   ')}`.trimEnd())
    .map(line => `${line}\n`)
    .join('')
}

const pad = (text: string, width: number) => text + ' '.repeat(Math.max(0, width - widthOf(text)))

/** @throws TrustplaneError TP_USAGE */
export function formatOf(text: string, allowed: readonly string[] = formats): Format {
  if (!allowed.includes(text)) {
    throw new TrustplaneError('TP_USAGE', `unknown output format ${JSON.stringify(text)}`, {
      fix: `-o takes ${allowed.join(', ')}`,
    })
  }
  return text as Format
}
