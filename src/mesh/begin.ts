/** The order in which a mesh starts. */
import { hasJoined } from './join.ts'
import { etcdMembersOf } from './layout.ts'
import type { Member } from './member.ts'
import type { Mesh } from './mesh.ts'
import { newRecords } from './records.ts'

export interface BeginOptions {
  /** Gives a component its command line; etcd has its own already. */
  start(member: Member): void
  settleMs: number
  signal: AbortSignal | undefined
  onProgress: ((line: string) => void) | undefined
}

/**
 * Waits for etcd, then gives the apiserver its command line, then the rest; each as soon as what it needs is there.
 * @throws the signal's reason, when it was aborted
 */
export async function begin(mesh: Mesh, { start, settleMs, signal, onProgress }: BeginOptions): Promise<void> {
  const { members } = mesh
  const settled = async (member: Member) => {
    await member.settled(settleMs, signal)
    signal?.throwIfAborted()
  }
  const etcd = members.filter(({ component }) => component === 'etcd')
  const apiserver = mesh.member('kube-apiserver')
  await Promise.all(etcd.map(settled))
  start(apiserver)
  await Promise.race([settled(apiserver), withoutStorage(mesh)])
  const others = members.filter(member => !etcd.includes(member) && member !== apiserver)
  for (const member of others) start(member)
  // also when the apiserver is not there: it is tried again until it is
  const report = apiserver.state === 'running' ? onProgress : undefined
  await Promise.all([mesh.bootstrap(report), ...others.map(settled)])
  signal?.throwIfAborted()
  if (mesh.layout.bootstrap) await joined(mesh, settleMs, signal)
}

/** Resolves when every node has the certificates that it will get without a person's help, at the latest after `settleMs`. */
async function joined(mesh: Mesh, settleMs: number, signal: AbortSignal | undefined): Promise<void> {
  const { layout, members } = mesh
  const until = performance.now() + settleMs
  const all = () => {
    const now = new Date(Date.now() + mesh.clockOffsetOf('kubelet'))
    return layout.nodes.every(({ name }) => hasJoined(layout, name, now))
  }
  const lives = () => members.some(({ component, state }) => component === 'kubelet' && state !== 'dead')
  while (!all() && performance.now() < until && lives()) {
    await new Promise(resolve => setTimeout(resolve, 20))
    signal?.throwIfAborted()
  }
}

/** Resolves when etcd (each member of it) has refused the apiserver, or was not there, twice: the apiserver waits then, as its original does, and need not be waited for. */
export async function withoutStorage(mesh: Mesh): Promise<void> {
  const arrived = newRecords(mesh.dir)
  const members = etcdMembersOf(mesh.layout).length
  const failed = new Map<string, number>()
  const isRefused = () => [...failed.values()].filter(times => times >= 2).length === members
  while (!isRefused() && mesh.member('kube-apiserver').state === 'starting') {
    await new Promise(resolve => setTimeout(resolve, 50))
    const dials = arrived().filter(
      // the apiserver asks by way of etcd's gateway, which etcd may refuse itself
      ({ end, from, to }) =>
        end === 'client' && to === 'etcd' && (from === 'kube-apiserver' || from === 'etcd-gateway'),
    )
    // in TLS 1.3 the client's own record says ok before the refusal arrives
    for (const { address, outcome } of dials) {
      if (outcome !== 'ok') failed.set(address, (failed.get(address) ?? 0) + 1)
    }
  }
}
