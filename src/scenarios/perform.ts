/** What the steps of a scenario do to a mesh that runs. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { offsetClock } from '#clock.ts'
import { argvOf } from '#mesh/argv.ts'
import type { Mesh } from '#mesh/mesh.ts'
import { writeTogether } from '#pki/atomic-write.ts'
import { issuePki } from '#pki/issue.ts'
import { applyChanges } from '#pki/plan.ts'
import type { TrustSlot } from '#pki/trust-slots.ts'
import type { PkiFiles, Plan } from '#pki/types.ts'
import type { StepName } from './steps.ts'
import type { Given, Step } from './types.ts'

/** What a step needs to know besides the mesh; steps that take faults away change it. */
export interface Stage {
  mesh: Mesh
  /** The plan without faults. */
  plan: Plan
  given: Given
}

const performers: Record<StepName, (stage: Stage, targets: readonly string[]) => Promise<void>> = {
  renew: async ({ mesh, plan }, targets) => {
    await reissue(mesh, await samePlace(mesh, plan), targets)
  },
  restart: async (stage, targets) => {
    for (const target of targets) await restart(stage, target)
  },
  'restore-trust': async (stage, targets) => {
    const trust = Object.fromEntries(targets.map(slot => [slot, [...(stage.plan.trust[slot as TrustSlot] ?? [])]]))
    stage.mesh.layout.plan = await applyChanges(stage.mesh.layout.plan, { trust })
    for (const component of new Set(targets.map(slot => slot.split('.')[0]!))) {
      if (stage.mesh.members.some(member => member.component === component)) await restart(stage, component)
    }
  },
  'restore-flags': async (stage, targets) => {
    for (const target of targets) {
      delete stage.given.flags[target]
      await restart(stage, target)
    }
  },
  'restore-clock': async (stage, targets) => {
    for (const target of targets) {
      stage.mesh.setClockOffset(target, 0)
      await restart(stage, target)
    }
  },
}

export async function perform(stage: Stage, { name, targets }: Step): Promise<void> {
  await performers[name as StepName](stage, targets)
}

/** The plan without faults, for the ports and nodes of this mesh. */
async function samePlace({ layout }: Mesh, plan: Plan): Promise<Plan> {
  const { server, nodeName, nodes } = layout.plan.cluster
  return applyChanges(plan, { cluster: { server, nodeName, nodes: nodes.map(node => ({ ...node })) } })
}

/** Issues these anew; everything else on disk stays, and signs. */
async function reissue(mesh: Mesh, plan: Plan, names: readonly string[]): Promise<void> {
  const { dir } = mesh
  const anew = new Set([
    ...plan.certificates.filter(row => names.includes(row.name)).flatMap(row => [row.certificateFile, row.keyFile]),
    ...plan.kubeconfigs.filter(row => names.includes(row.name)).map(row => row.file),
  ])
  const paths = [
    ...plan.authorities.flatMap(row => [row.certificateFile, row.keyFile]),
    ...plan.certificates.flatMap(row => [row.certificateFile, row.keyFile]),
    ...plan.kubeconfigs.map(row => row.file),
    ...plan.keyPairs.flatMap(row => [row.keyFile, row.publicKeyFile]),
  ].filter(path => !anew.has(path))
  const kept = new Map<string, string>()
  await Promise.all(paths.map(async path => kept.set(path, await readFile(join(dir, path), 'utf8'))))
  const files = await issuePki(plan, offsetClock(mesh.state.clockOffsetMs), kept)
  const wanted: PkiFiles = new Map([...files].filter(([path]) => anew.has(path)))
  await writeTogether(dir, wanted)
}

async function restart({ mesh, given }: Stage, component: string): Promise<void> {
  const members = mesh.members.filter(member => member.component === component)
  await Promise.all(
    members.map(async member => {
      await member.restart([...argvOf(mesh.layout, member), ...(given.flags[component] ?? [])])
      await member.settled(10_000)
    }),
  )
}
