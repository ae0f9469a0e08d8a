/**
 * Whose each file is, and when it is read again. With a trust file for every slot no file has two owners, so that what a component has
 * in memory can be kept as a copy of its files (`loaded.ts`). Sources: kubernetes-pki reference §3.2; the components' own code.
 */
import { type Connection, connections } from '#mesh/connections.ts'
import { bundleFile, fileOf, inDir, isKubeconfig, type Layout, pairOf } from '#mesh/layout.ts'
import { trustSlotNames } from '#pki/trust-slots.ts'

/**
 * - `start`: only when it starts
 * - `watch`: when it changes; a bad file is not taken
 * - `use`: at every handshake, or by a program that runs anew each time
 * - `object`: from an object of the API, not from the file
 */
export type Reread = 'start' | 'watch' | 'use' | 'object'

/** Everything else is read at start. */
const rereads: Readonly<Record<string, Reread>> = {
  // k8s.io/apiserver/pkg/server/dynamiccertificates: fsnotify, and a poll every minute
  'kube-apiserver.client-ca': 'watch',
  'kube-apiserver.requestheader-client-ca': 'watch',
  'kube-controller-manager.client-ca': 'watch',
  'kube-controller-manager.requestheader-client-ca': 'watch',
  'kube-scheduler.client-ca': 'watch',
  'kube-scheduler.requestheader-client-ca': 'watch',
  'extension-apiserver.client-ca': 'watch',
  'extension-apiserver.requestheader-client-ca': 'watch',
  'kubelet.client-ca': 'watch',
  apiserver: 'watch',
  'front-proxy-client': 'watch',
  kubelet: 'watch',
  'extension-apiserver': 'watch',
  'kube-controller-manager': 'watch',
  'kube-scheduler': 'watch',
  // etcd's transport.TLSInfo: GetCertificate and GetClientCertificate read the pair anew; its trusted CA only at start
  'etcd-server': 'use',
  'etcd-peer': 'use',
  'apiserver-etcd-client': 'use',
  'kube-apiserver.extension-ca-bundle': 'object',
}

export const watchedNames: readonly string[] = Object.keys(rereads).filter(name => rereads[name] === 'watch')

/** They are no processes of the mesh: they read their files whenever they dial. */
const programs = ['kubectl', 'etcd-healthcheck', 'monitoring']

/**
 * Does the client end its connections when its certificate has changed? client-go and the aggregator do, and programs dial anew; etcd's
 * client does not. It matters: Kubernetes' servers judge the certificate of a connection at every request.
 */
export const endsOnChange = ({ from, clientCertificate }: Connection): boolean =>
  programs.includes(from) || (clientCertificate !== undefined && rereads[clientCertificate.name] === 'watch')

/** Names in the connection table that are part of another component. */
const partOf: Readonly<Record<string, string>> = {
  'etcd-gateway': 'etcd',
  'etcd-peer': 'etcd',
  webhook: 'extension-apiserver',
}

/** The component of the mesh behind an end of a row; a program's own name. */
export const componentOf = (end: string): string => partOf[end] ?? end

export interface Owned {
  /** A certificate, kubeconfig or trust slot of the plan. */
  name: string
  owner: string
  reread: Reread
  /** Absolute. */
  files: readonly string[]
}

/** Every file that a row of the connection table depends on, once. */
export function ownedFiles(layout: Layout): Owned[] {
  const owned = new Map<string, Owned>()
  const add = (name: string, end: string, files: readonly (string | undefined)[]) => {
    const there = files.filter(file => file !== undefined)
    const owner = componentOf(end)
    if (there.length === 0 || owned.has(name)) return
    const reread = programs.includes(owner) ? 'use' : (rereads[name] ?? 'start')
    owned.set(name, { name, owner, reread, files: there })
  }
  for (const { from, to, clientCertificate, clientTrust, serverCertificate, serverTrust } of connections) {
    for (const [decided, end] of [
      [clientCertificate, from],
      [serverCertificate, to],
    ] as const) {
      if (!decided) continue
      if (isKubeconfig(decided)) add(decided.name, end, [fileOf(layout, decided, 'certificate')])
      else add(decided.name, end, Object.values(pairOf(layout, decided.name)))
    }
    if (clientTrust) add(clientTrust.name, from, [fileOf(layout, clientTrust, 'trust')])
    if (serverTrust) add(serverTrust.name, to, [fileOf(layout, serverTrust, 'trust')])
  }
  for (const slot of trustSlotNames) add(slot, slot.split('.')[0]!, [bundleFile(layout, slot)])
  // what pods' tokens are signed and checked with
  for (const { name, publicKeyFile, keyFile } of layout.plan.keyPairs) {
    add(name, 'kube-apiserver', [inDir(layout, publicKeyFile), inDir(layout, keyFile)])
  }
  return [...owned.values()]
}

/** Who has to read it, and when: also of slots that no row of the table depends on. */
export function rereadOf(name: string): { component: string; reread: Reread } | undefined {
  const reread = rereads[name] ?? 'start'
  if ((trustSlotNames as readonly string[]).includes(name)) return { component: name.split('.')[0]!, reread }
  for (const row of connections) {
    if (row.clientCertificate?.name === name) return { component: componentOf(row.from), reread }
    if (row.serverCertificate.name === name) return { component: componentOf(row.to), reread }
  }
  return undefined
}
