/** A mesh that another process runs, as other commands see it: its state, and its layout worked out again from the plan. */
import { resolve } from 'node:path'
import { recordedPlan } from '#pki/plan-record.ts'
import type { Layout } from './layout.ts'
import { type MeshState, readState } from './state.ts'

/** Undefined when nothing was started here by `trustplane up`. */
export async function openMesh(dir: string): Promise<{ state: MeshState; layout: Layout } | undefined> {
  const state = readState(dir)
  return state && { state, layout: await layoutOf(dir, state) }
}

/** The plan is the one that the PKI was made from, with the changes that it was made with. */
export async function layoutOf(dir: string, { ports, host, nodes }: MeshState): Promise<Layout> {
  return { plan: await recordedPlan(resolve(dir)), dir: resolve(dir), ports, host, nodes }
}
