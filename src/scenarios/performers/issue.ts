/** Certificates, kubeconfigs and bundles, made anew while the mesh runs. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { offsetClock } from '#clock.ts'
import { inDir } from '#mesh/layout.ts'
import type { Mesh } from '#mesh/mesh.ts'
import { writeTogether } from '#pki/atomic-write.ts'
import { issuePki } from '#pki/issue.ts'
import { trustFile } from '#pki/lookup.ts'
import { applyChanges } from '#pki/plan.ts'
import type { TrustSlot } from '#pki/trust-slots.ts'
import type { PkiFiles, Plan, PlanChanges, RowDocument } from '#pki/types.ts'
import type { Stage } from '../stage.ts'
import { keepOriginal } from './files.ts'

/** The plan, for the ports and nodes of this mesh. */
export async function samePlace({ layout }: Mesh, plan: Plan): Promise<Plan> {
  const { server, nodeName, nodes } = layout.plan.cluster
  return applyChanges(plan, { cluster: { server, nodeName, nodes: nodes.map(node => ({ ...node })) } })
}

/** Issues these anew; everything else on disk stays, and signs. */
export async function reissue(mesh: Mesh, plan: Plan, names: readonly string[]): Promise<void> {
  const { dir } = mesh
  const wanted = <T extends { name: string }>(rows: readonly T[]) => rows.filter(({ name }) => names.includes(name))
  const anew = new Set([
    ...wanted([...plan.authorities, ...plan.certificates]).flatMap(row => [row.certificateFile, row.keyFile]),
    ...wanted(plan.kubeconfigs).map(row => row.file),
  ])
  const paths = [
    ...[...plan.authorities, ...plan.certificates].flatMap(row => [row.certificateFile, row.keyFile]),
    ...plan.kubeconfigs.map(row => row.file),
    ...plan.keyPairs.flatMap(row => [row.keyFile, row.publicKeyFile]),
  ].filter(path => !anew.has(path))
  const kept = new Map<string, string>()
  await Promise.all(
    paths.map(async path => {
      const text = await readFile(join(dir, path), 'utf8').catch(() => undefined)
      // what is not there is made for this time, and not written
      if (text !== undefined) kept.set(path, text)
    }),
  )
  const files = await issuePki(plan, offsetClock(mesh.state.clockOffsetMs), kept)
  await writeTogether(dir, new Map([...files].filter(([path]) => anew.has(path))))
}

/** Everything, over what is there. */
export async function reissueAll(mesh: Mesh, plan: Plan): Promise<void> {
  const files: PkiFiles = await issuePki(plan, offsetClock(mesh.state.clockOffsetMs))
  await writeTogether(mesh.dir, files)
}

/** Rows by name, whichever section of the plan they stand in. */
export function changesOf(plan: Plan, rows: Readonly<Record<string, RowDocument>>): PlanChanges {
  const sectionOf = (name: string) => {
    if (plan.authorities.some(row => row.name === name)) return 'authorities'
    return name.endsWith('.conf') ? 'kubeconfigs' : 'certificates'
  }
  const sections = Map.groupBy(Object.entries(rows), ([name]) => sectionOf(name))
  return Object.fromEntries([...sections].map(([section, entries]) => [section, Object.fromEntries(entries)]))
}

export async function replaceRows({ mesh }: Stage, changes: PlanChanges): Promise<void> {
  const { layout } = mesh
  layout.plan = await applyChanges(layout.plan, changes)
  const names = Object.keys({ ...changes.authorities, ...changes.certificates, ...changes.kubeconfigs })
  await reissue(mesh, layout.plan, names)
}

/** Into the file that the slot's component has on its command line: nobody needs a restart to be told where it is. */
export async function replaceTrust(stage: Stage, trust: Readonly<Record<string, readonly string[]>>): Promise<void> {
  const { layout, dir } = stage.mesh
  const { authorities, certificates } = layout.plan
  for (const [slot, names] of Object.entries(trust)) {
    const path = trustFile(layout.plan, slot as TrustSlot) ?? `trust/${slot}.crt`
    const files = names.map(name => [...authorities, ...certificates].find(row => row.name === name)!.certificateFile)
    const content = await Promise.all(files.map(file => firstCertificate(inDir(layout, file))))
    await keepOriginal(stage, path)
    await writeTogether(dir, new Map([[path, { content: content.join(''), mode: 0o644 }]]))
  }
}

async function firstCertificate(file: string): Promise<string> {
  const text = await readFile(file, 'utf8')
  const [pem = ''] = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(text) ?? []
  return `${pem}\n`
}
