/** What steps and notices need to know: the mesh, the plan as it was meant, and what was made of it. */
import { readFileSync } from 'node:fs'
import { offsetClock } from '#clock.ts'
import type { Client } from '#kubernetes/client.ts'
import { createClient } from '#kubernetes/from-kubeconfig.ts'
import { silentLog } from '#log.ts'
import { inDir } from '#mesh/layout.ts'
import type { Mesh } from '#mesh/mesh.ts'
import type { Plan } from '#pki/types.ts'
import type { Given } from './types.ts'

export interface Original {
  content: Buffer
  mode: number
}

/** Steps that take faults away change it. */
export interface Stage {
  mesh: Mesh
  /** The plan without faults. */
  plan: Plan
  given: Given
  /** Files that `given` or a step changed, as they were made; undefined: there was none. */
  originals?: Map<string, Original | undefined>
  /** Components in whose place real programs run: they write no records. */
  programs?: ReadonlySet<string>
  signal?: AbortSignal
}

/** Records and sockets of what only looks on are nobody's business. */
const noRecords = { write() {}, close: async () => {} }

/** A client with the rights of `kubeadm`'s super-admin. The caller closes it. */
export function adminClient({ mesh }: Stage): Client {
  const { kubeconfigs } = mesh.layout.plan
  const { file } =
    kubeconfigs.find(({ name }) => name === 'super-admin.conf') ??
    kubeconfigs.find(({ name }) => name === 'admin.conf')!
  return createClient({
    kubeconfig: inDir(mesh.layout, file),
    clock: offsetClock(mesh.state.clockOffsetMs),
    voice: mesh.voice,
    log: silentLog,
    records: noRecords,
    component: 'kubectl',
    from: 'admin',
    to: 'kube-apiserver',
  })
}

/** `{dir}` and `{node}` in texts of a scenario; `{etcd}`, `{kube-apiserver}`, … are where those listen, `host:port`. */
export function filledIn({ layout }: Mesh, text: string): string {
  return text.replace(/\{([a-z-]+)\}/g, (whole, name: string) => {
    if (name === 'dir') return layout.dir
    if (name === 'node') return layout.nodes[0]!.name
    const port = layout.ports[name as keyof typeof layout.ports] as number | undefined
    return port === undefined ? whole : `${layout.host}:${port}`
  })
}

/** Components of nodes after the first have the node in their name: `kubelet@node-2`. */
export const memberId = ({ layout }: Mesh, component: string, node = ''): string =>
  node === '' || node === layout.nodes[0]!.name ? component : `${component}@${node}`

export function readQuietly(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
