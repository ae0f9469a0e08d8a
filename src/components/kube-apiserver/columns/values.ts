/** Reading objects for columns and selectors, and writing times as kubectl shows them. */
import type { Unstructured } from '#kubernetes/types.ts'

/** What is at the path, or undefined. */
export function at(object: unknown, ...path: readonly (string | number)[]): unknown {
  let value = object
  for (const step of path) {
    if (value === null || typeof value !== 'object') return undefined
    value = (value as Record<string | number, unknown>)[step]
  }
  return value
}

/** A string at the path, or ''. */
export function text(object: unknown, ...path: readonly (string | number)[]): string {
  const value = at(object, ...path)
  return typeof value === 'string' ? value : ''
}

export function number(object: unknown, ...path: readonly (string | number)[]): number {
  const value = at(object, ...path)
  return typeof value === 'number' ? value : 0
}

export function array<T = Record<string, unknown>>(object: unknown, ...path: readonly (string | number)[]): T[] {
  const value = at(object, ...path)
  return Array.isArray(value) ? (value as T[]) : []
}

export const nameOf = (object: Unstructured) => object.metadata.name ?? ''

/** duration.HumanDuration: `3s`, `5m10s`, `2d3h`. */
export function humanDuration(ms: number): string {
  const seconds = Math.trunc(ms / 1000)
  if (seconds < -1) return '<invalid>'
  if (seconds < 0) return '0s'
  if (seconds < 120) return `${seconds}s`
  const minutes = Math.trunc(seconds / 60)
  const with_ = (big: number, bigUnit: string, small: number, smallUnit: string) =>
    small === 0 ? `${big}${bigUnit}` : `${big}${bigUnit}${small}${smallUnit}`
  if (minutes < 10) return with_(minutes, 'm', seconds % 60, 's')
  if (minutes < 180) return `${minutes}m`
  const hours = Math.trunc(minutes / 60)
  if (hours < 8) return with_(hours, 'h', minutes % 60, 'm')
  if (hours < 48) return `${hours}h`
  const days = Math.trunc(hours / 24)
  if (hours < 24 * 8) return with_(days, 'd', hours % 24, 'h')
  if (hours < 24 * 365 * 2) return `${days}d`
  const years = Math.trunc(days / 365)
  return hours < 24 * 365 * 8 ? with_(years, 'y', days % 365, 'd') : `${years}y`
}

/** translateTimestampSince. */
export const since = (timestamp: unknown, now: Date) =>
  typeof timestamp === 'string' && timestamp !== '' ? humanDuration(now.getTime() - Date.parse(timestamp)) : '<unknown>'

/** `a=b,c=d`, or `<none>`: labels.FormatLabels. */
export function labelsText(labels: unknown): string {
  const entries = Object.entries((labels as Record<string, string>) ?? {})
  return entries.length === 0
    ? '<none>'
    : entries
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, value]) => `${key}=${value}`)
        .join(',')
}

/** metav1.FormatLabelSelector. */
export function selectorText(selector: unknown): string {
  const labels = at(selector, 'matchLabels')
  const expressions = array<{ key: string; operator: string; values?: string[] }>(selector, 'matchExpressions').map(
    ({ key, operator, values = [] }) =>
      operator === 'Exists'
        ? key
        : operator === 'DoesNotExist'
          ? `!${key}`
          : `${key} ${operator.toLowerCase()} (${values.join(',')})`,
  )
  const parts = [...(labels && Object.keys(labels).length > 0 ? [labelsText(labels)] : []), ...expressions]
  return parts.length === 0 ? '<none>' : parts.join(',')
}
