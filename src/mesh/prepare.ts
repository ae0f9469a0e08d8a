/** Everything that must be on disk before the components start: the PKI, kubeconfigs that name the right port, the kubelets' configuration. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { stringify } from 'yaml'
import type { Clock } from '#clock.ts'
import { createPki } from '#pki/create.ts'
import { applyChanges, loadPlan } from '#pki/plan.ts'
import type { Plan, PlanChanges, PlanNode } from '#pki/types.ts'
import { kubeletConfiguration, measuringConfiguration, measuringKubeconfig } from './argv.ts'
import { prepareToJoin } from './join.ts'
import { inDir, type Layout, membersOf } from './layout.ts'

export interface PrepareOptions extends Omit<Layout, 'plan' | 'hosts'> {
  plan: string | Plan
  changes: PlanChanges
  /** Where etcd runs; left out: where the plan says. */
  etcdMembers?: readonly PlanNode[] | undefined
  clock: Clock
  /** See MeshOptions. */
  asIs?: boolean
  /** The directory is new, and goes with the mesh. */
  temporary?: boolean
}

/** Makes what is missing and keeps what is there, as kubeadm's phases do. */
export async function prepare(options: PrepareOptions): Promise<Layout> {
  const { dir, ports, host, nodes, clock, flags, bootstrap } = options
  const plan = typeof options.plan === 'string' ? await loadPlan(options.plan) : options.plan
  const server = `https://${host}:${ports['kube-apiserver']}`
  const cluster = {
    ...options.changes.cluster,
    server,
    nodeName: nodes[0]!.name,
    nodes: nodes.map(({ name, address }) => ({ name, address })),
    ...(options.etcdMembers ? { etcdMembers: [...options.etcdMembers] } : {}),
  }
  const overrides = { ...options.changes, cluster }
  const created = options.asIs
    ? { plan: await applyChanges(plan, overrides), written: [] }
    : await createPki({ plan, dir, clock, overrides, temporary: options.temporary ?? false })
  const layout: Layout = {
    plan: created.plan,
    dir,
    ports,
    host,
    hosts: {},
    nodes,
    ...(flags ? { flags } : {}),
    ...(bootstrap ? { bootstrap } : {}),
  }
  const written = new Set(created.written.map(({ file }) => file))
  await Promise.all([
    writeConfigurations(layout),
    ...created.plan.kubeconfigs
      .filter(({ file }) => !written.has(file))
      .map(({ file }) => pointTo(server, inDir(layout, file))),
  ])
  if (bootstrap?.token) await prepareToJoin(layout, bootstrap.token)
  return layout
}

/** The files that name bundles where others have flags: the kubelets' configuration, and what the extension-apiserver measures with. */
export async function writeConfigurations(layout: Layout): Promise<void> {
  const kubelets = membersOf(layout.nodes).filter(({ component }) => component === 'kubelet')
  await Promise.all([
    write(inDir(layout, measuringKubeconfig), stringify(measuringConfiguration(layout))),
    ...kubelets.map(member =>
      write(inDir(layout, `kubelet/${member.node.name}/config.yaml`), stringify(kubeletConfiguration(layout, member))),
    ),
  ])
}

/** A kubeconfig of an earlier run may name another port. */
async function pointTo(server: string, file: string): Promise<void> {
  const text = await readFile(file, 'utf8')
  const changed = text.replace(/^(\s*server: ).*$/m, `$1${server}`)
  if (changed !== text) await write(file, changed)
}

async function write(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const next = `${file}.${process.pid}`
  await writeFile(next, text, { mode: 0o600 })
  await rename(next, file)
}
