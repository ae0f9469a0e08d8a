/** The order in which a mesh starts. */
import { argvOf } from './argv.ts'
import type { Member } from './member.ts'
import type { Mesh } from './mesh.ts'
import { newRecords } from './records.ts'

export interface BeginOptions {
  /** More flags, by component. */
  flags: Partial<Record<string, readonly string[]>>
  settleMs: number
  signal: AbortSignal | undefined
  onProgress: ((line: string) => void) | undefined
}

/**
 * Gives each component its command line: etcd, the apiserver, the rest; each as soon as what it needs is there.
 * @throws the signal's reason, when it was aborted
 */
export async function begin(mesh: Mesh, { flags, settleMs, signal, onProgress }: BeginOptions): Promise<void> {
  const { layout, members } = mesh
  const settled = async (member: Member) => {
    await member.settled(settleMs, signal)
    signal?.throwIfAborted()
  }
  const start = (member: Member) => member.start([...argvOf(layout, member), ...(flags[member.component] ?? [])])
  const etcd = mesh.member('etcd')
  const apiserver = mesh.member('kube-apiserver')
  start(etcd)
  await settled(etcd)
  start(apiserver)
  await Promise.race([settled(apiserver), withoutStorage(mesh)])
  const others = members.filter(member => member !== etcd && member !== apiserver)
  for (const member of others) start(member)
  await Promise.all([apiserver.state === 'running' ? mesh.bootstrap(onProgress) : undefined, ...others.map(settled)])
  signal?.throwIfAborted()
}

/** Resolves when etcd has refused the apiserver, or was not there, twice: the apiserver waits then, as its original does, and need not be waited for. */
async function withoutStorage(mesh: Mesh): Promise<void> {
  const arrived = newRecords(mesh.dir)
  let failed = 0
  while (failed < 2 && mesh.member('kube-apiserver').state === 'starting') {
    await new Promise(resolve => setTimeout(resolve, 50))
    const dials = arrived().filter(
      ({ end, from, to }) => end === 'client' && from === 'kube-apiserver' && to === 'etcd',
    )
    // in TLS 1.3 the client's own record says ok before the refusal arrives
    failed += dials.filter(({ outcome }) => outcome !== 'ok').length
  }
}
