/** Certificates of a mesh that runs are issued anew, and everybody who shows them is brought to do so. */
import { setTimeout as pause } from 'node:timers/promises'
import { offsetClock } from '#clock.ts'
import { TrustplaneError } from '#errors.ts'
import { kubeletOf } from '#pki/lookup.ts'
import { renewCertificates } from '#pki/renew.ts'
import { afterRenewal } from './after-renewal.ts'
import { readDrift } from './drift.ts'
import { inDir } from './layout.ts'
import type { Member } from './member.ts'
import type { Mesh } from './mesh.ts'
import { policies } from './reload.ts'

/** kubeadm's, for an editor; a plan may have others. `all`: those that `kubeadm certs renew all` renews. */
export type CertificateName =
  | 'all'
  | 'apiserver'
  | 'apiserver-etcd-client'
  | 'apiserver-kubelet-client'
  | 'etcd-healthcheck-client'
  | 'etcd-peer'
  | 'etcd-server'
  | 'front-proxy-client'
  | 'kubelet'
  | 'monitoring'
  | 'admin.conf'
  | 'controller-manager.conf'
  | 'kube-proxy.conf'
  | 'kubelet.conf'
  | 'scheduler.conf'
  | (string & {})

/** For an editor; what can be replaced is what there is a rehearsal of. */
export type AuthorityName = 'ca' | 'etcd-ca' | 'front-proxy-ca' | 'sa' | (string & {})

export interface Rotation {
  /** What was issued, with the file (in the mesh's directory) and how long it lasts; a key pair does not expire. */
  renewed: { name: string; file: string; notAfter?: Date }[]
  /** Components that had to be started again: they read these files at start only. */
  restarted: string[]
}

/** A watcher that missed a change looks again after a minute. */
const rereadMs = 70_000
const settleMs = 10_000

/** @throws TrustplaneError TP_NAME_UNKNOWN, TP_PKI_CA_KEY_MISSING, TP_TIMEOUT */
export async function rotateLeaves(mesh: Mesh, names: readonly string[]): Promise<Rotation> {
  const { layout } = mesh
  const { authorities, keyPairs } = layout.plan
  const authority = names.find(name => [...authorities, ...keyPairs].some(row => row.name === name))
  if (authority !== undefined) {
    throw new TrustplaneError(
      'TP_NAME_UNKNOWN',
      `${authority} is not issued by anybody: it is replaced, in several steps`,
      {
        fix: `mesh.rotate({ authority: '${authority}' })`,
      },
    )
  }
  const results = await renewCertificates(mesh.dir, layout.plan, names, offsetClock(mesh.state.clockOffsetMs))
  const external = results.find(({ outcome }) => outcome === 'external')
  if (external) throw new TrustplaneError('TP_PKI_CA_KEY_MISSING', external.message)
  const renewed = results.flatMap(({ name, file, notAfter }) => (notAfter ? [{ name, file, notAfter }] : []))
  const files = new Set(renewed.map(({ file }) => inDir(layout, file)))
  const restarting = mesh.members.filter(member => mustRestart(mesh, member, renewed))
  await Promise.all(restarting.map(member => member.restart()))
  await Promise.all(restarting.map(member => member.settled(settleMs)))
  await rereadBy(mesh, files)
  return { renewed, restarted: restarting.map(({ id }) => id) }
}

function mustRestart({ layout }: Mesh, { component, node }: Member, renewed: readonly { name: string }[]): boolean {
  // a node's own kubeconfig is not its neighbour's
  const concerned = renewed.filter(({ name }) => {
    if (component !== 'kubelet' || !/^kubelet.*\.conf$/.test(name)) return true
    return kubeletOf(layout.plan, node.name).kubeconfig.name === name
  })
  const asInTable = concerned.map(({ name }) =>
    component === 'kubelet' ? name.replace(/^kubelet.*\.conf$/, 'kubelet.conf') : name,
  )
  return afterRenewal(asInTable).restart.some(row => row.component === component)
}

/** Resolves when nobody who watches one of these files still has the old one. */
async function rereadBy(mesh: Mesh, files: ReadonlySet<string>): Promise<void> {
  const deadline = performance.now() + rereadMs
  for (;;) {
    const behind = readDrift(mesh.dir).filter(
      row => files.has(row.file) && row.state !== 'same' && row.when === policies.watch.when,
    )
    if (behind.length === 0) return
    if (performance.now() > deadline) {
      const { component, file } = behind[0]!
      throw new TrustplaneError('TP_TIMEOUT', `${component} has not read ${file} again within ${rereadMs / 1000} s`, {
        fix: `look at ${inDir(mesh.layout, `logs/${component}.log`)}`,
      })
    }
    await pause(20)
  }
}
