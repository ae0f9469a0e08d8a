/** What faults and the rest of `given` come to, together: how the mesh is started. */
import { parseDuration } from '#clock.ts'
import type { MeshOptions } from '#mesh/launcher.ts'
import type { PlanChanges } from '#pki/types.ts'
import { findFault } from './faults/index.ts'
import { changeFile } from './performers/files.ts'
import type { Original } from './stage.ts'
import type { FileChange, FileDocument, Given, GivenDocument, Scenario } from './types.ts'

/** Sections of a plan that have rows with names. */
const rowKeys = ['authorities', 'certificates', 'kubeconfigs', 'keyPairs'] as const

/** @param more what stands under `given` besides; faults come on top of it */
export function givenBy(faults: Scenario['faults'], more: GivenDocument = {}): Given {
  const { all, ...clocks } = more.clock ?? {}
  const given: Given = {
    changes: changesIn(more),
    flags: structuredClone(more.flags ?? {}),
    clockOffsets: Object.fromEntries(Object.entries(clocks).map(([name, offset]) => [name, parseDuration(offset)])),
    ...(all === undefined ? {} : { clockOffsetMs: parseDuration(all) }),
    ...(more.files
      ? { files: Object.fromEntries(Object.entries(more.files).map(([path, change]) => [path, fileChange(change)])) }
      : {}),
    ...(more.objects ? { objects: [more.objects].flat() } : {}),
  }
  for (const { name, attributes } of faults) findFault(name)!.apply(given, attributes)
  return given
}

/** What is a change to the plan. */
export function changesIn(more: GivenDocument): PlanChanges {
  const { plan, nodes, faults, flags, clock, files, objects, ...changes } = more
  return changes
}

/** The changes that no step takes back: parameters, and rows that the plan does not have. */
export function lastingChanges(more: GivenDocument, known: ReadonlySet<string>): PlanChanges {
  const { authorities, certificates, kubeconfigs, keyPairs, trust, ...parameters } = changesIn(more)
  const added = rowKeys.flatMap(key => {
    const rows = Object.entries(more[key] ?? {}).filter(([name]) => !known.has(name))
    return rows.length > 0 ? [[key, Object.fromEntries(rows)]] : []
  })
  return { ...parameters, ...Object.fromEntries(added) }
}

function fileChange(change: string | FileDocument): FileChange {
  const { mode, ...rest } = typeof change === 'string' ? { mode: change } : change
  return { ...rest, ...(mode === undefined ? {} : { mode: Number.parseInt(mode, 8) }) }
}

/** How a mesh is started with it. Objects are applied once it runs, by whoever starts it. */
export function meshOptionsOf(given: Given, originals = new Map<string, Original | undefined>()): MeshOptions {
  const { changes, flags, clockOffsets, clockOffsetMs, files = {} } = given
  return {
    changes,
    flags,
    clockOffsets,
    // the certificates were made before the clocks went wrong
    ...(clockOffsetMs === undefined ? {} : { clockOffsetMs, issuedOffsetMs: 0 }),
    ...(Object.keys(files).length > 0
      ? {
          async onPrepared(layout) {
            for (const [path, change] of Object.entries(files)) {
              await changeFile({ mesh: { layout }, originals }, path, change)
            }
          },
        }
      : {}),
  }
}
