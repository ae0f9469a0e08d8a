/** A mesh that another process runs, as other commands see it: its state, and its layout worked out again from the plan. */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { planRecord, recordedPlan } from '#pki/plan-record.ts'
import type { Layout } from './layout.ts'
import { defaultPorts } from './ports.ts'
import { type MeshState, readState } from './state.ts'

/** Undefined when nothing was started here by `trustplane up`. */
async function openMesh(dir: string): Promise<{ state: MeshState; layout: Layout } | undefined> {
  const state = readState(dir)
  return state && { state, layout: await layoutOf(dir, state) }
}

/** The layout of a mesh that has been stopped, too, as far as its PKI tells; undefined for a folder without one of ours. */
export async function openLayout(dir: string): Promise<Layout | undefined> {
  const mesh = await openMesh(dir)
  if (mesh) return mesh.layout
  if (!existsSync(join(dir, planRecord))) return undefined
  const plan = await recordedPlan(resolve(dir))
  return { plan, dir: resolve(dir), ports: defaultPorts, host: '127.0.0.1', hosts: {}, nodes: plan.cluster.nodes }
}

/** The plan is the one that the PKI was made from, with the changes that it was made with. */
export async function layoutOf(dir: string, { ports, host, nodes, bootstrap }: MeshState): Promise<Layout> {
  const plan = await recordedPlan(resolve(dir))
  return { plan, dir: resolve(dir), ports, host, hosts: {}, nodes, ...(bootstrap ? { bootstrap } : {}) }
}
