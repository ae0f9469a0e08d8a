/** Kubernetes versions, as far as a plan's rows depend on them. */
import type { RowDocument } from './types.ts'

/** `1.29` is its newest patch, so it comes after `1.29.9`. */
function parts(version: string): [number, number] {
  const [, minor = '0', patch] = version.replace(/^v/, '').split('.')
  return [Number(minor), patch === undefined ? Number.POSITIVE_INFINITY : Number(patch)]
}

export function compareVersions(a: string, b: string): number {
  const [minorA, patchA] = parts(a)
  const [minorB, patchB] = parts(b)
  return minorA - minorB || (patchA === patchB ? 0 : patchA - patchB)
}

/** The row as it was at `version`: of all `before` that apply, the oldest decides. Undefined: it did not exist yet. */
export function rowAt<T extends RowDocument>(row: T, version: string): T | undefined {
  if (row.since && compareVersions(version, row.since) < 0) return undefined
  const older = Object.keys(row.before ?? {})
    .filter(limit => compareVersions(version, limit) < 0)
    .sort(compareVersions)[0]
  const { before: _, since: __, ...rest } = row
  return { ...rest, ...(older ? row.before?.[older] : {}) } as T
}
