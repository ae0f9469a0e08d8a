/** Changes to a plan, merged into it by name. */
import { nearest } from '#errors.ts'
import type { PlanChanges, PlanDocument, RowDocument } from './types.ts'

export const sections = ['authorities', 'certificates', 'kubeconfigs', 'keyPairs'] as const
export type Section = (typeof sections)[number]

/**
 * `document` with `changes` in it; neither is altered.
 * @param unknown told of a name that is taken out but is not there
 */
export function merge(
  document: PlanDocument,
  changes: PlanChanges,
  unknown: (section: Section | 'trust', name: string, message: string) => void = () => {},
): PlanDocument {
  const { cluster, trust, ...parameters } = changes
  const merged: PlanDocument = { ...document }
  for (const key of [
    'ownTrustFiles',
    'kubernetesVersion',
    'keyAlgorithm',
    'certificateValidityPeriod',
    'caCertificateValidityPeriod',
  ] as const) {
    if (parameters[key] !== undefined) Object.assign(merged, { [key]: parameters[key] })
  }
  if (cluster) merged.cluster = { ...document.cluster, ...cluster }
  if (trust) {
    const slots: Record<string, string[]> = { ...document.trust }
    for (const [slot, names] of Object.entries(trust)) {
      if (names) slots[slot] = names
      else delete slots[slot]
    }
    merged.trust = slots
  }
  for (const section of sections) {
    if (changes[section]) {
      const rows = mergeRows(document[section] ?? [], changes[section], (name, message) =>
        unknown(section, name, message),
      )
      Object.assign(merged, { [section]: rows })
    }
  }
  return merged
}

function mergeRows(
  rows: readonly RowDocument[],
  changes: Readonly<Record<string, RowDocument | null>>,
  unknown: (name: string, message: string) => void,
): RowDocument[] {
  const merged = [...rows]
  for (const [name, change] of Object.entries(changes)) {
    const index = merged.findIndex(row => row.name === name)
    if (change === null) {
      if (index >= 0) merged.splice(index, 1)
      else unknown(name, `there is no ${JSON.stringify(name)} to take out${hint(name, rows)}`)
    } else if (index >= 0) {
      merged[index] = { ...merged[index], ...change, name, ...beforeOf(merged[index]!, change) }
    } else {
      merged.push({ ...change, name })
    }
  }
  return merged
}

function hint(name: string, rows: readonly RowDocument[]): string {
  const near = nearest(
    name,
    rows.map(row => row.name ?? ''),
  )
  return near ? `, did you mean ${JSON.stringify(near)}?` : ''
}

/** What is changed holds for every version. */
function beforeOf(row: RowDocument, change: RowDocument): Pick<RowDocument, 'before'> {
  if (change.before || !row.before) return {}
  const before = Object.entries(row.before).map(([version, fields]) => [
    version,
    Object.fromEntries(Object.entries(fields).filter(([key]) => !(key in change))),
  ])
  return { before: Object.fromEntries(before) }
}
