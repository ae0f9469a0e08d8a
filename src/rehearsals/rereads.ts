/**
 * Whose each file is, and when it is read again. With a trust file for every slot no file has two owners, so that what a component has
 * in memory can be kept as a copy of its files (`loaded.ts`). When it is read again is in `#mesh/reload.ts`.
 */
import { type Connection, componentOf, connections } from '#mesh/connections.ts'
import { bundleFile, fileOf, inDir, isKubeconfig, type Layout, pairOf } from '#mesh/layout.ts'
import { reloadTable } from '#mesh/reload.ts'
import { trustSlotNames, trustSlots } from '#pki/trust-slots.ts'
import { podRow } from './pods.ts'
import { nameOnFirst, type TrafficRow, trafficRowsOf } from './rows.ts'

/**
 * - `start`: only when it starts
 * - `watch`: when it changes; a bad file is not taken
 * - `use`: at every handshake, or by a program that runs anew each time
 * - `object`: from an object of the API, not from the file
 */
export type Reread = 'start' | 'watch' | 'use' | 'object'

/** The table has a row a flag; `--cert-dir` is where the serving pair is when no flag names it. */
function byFlag(component: string, flag: string): Reread {
  const wanted = flag.replace('--cert-dir', '--tls-cert-file')
  const row = reloadTable.find(one => one.component === component && one.flag === wanted)
  if (!row || row.policy === 'start') return 'start'
  return row.policy === 'watch' ? 'watch' : 'use'
}

/** By what decides it in the connection table; of slots that are in no row, by the flag that the slot is named after. */
const rereads: ReadonlyMap<string, Reread> = new Map([
  ...trustSlotNames.map((slot): [string, Reread] => [
    slot,
    byFlag(slot.split('.')[0]!, /^--[a-z-]+/.exec(trustSlots[slot])?.[0] ?? ''),
  ]),
  ...connections.flatMap(({ clientCertificate, clientTrust, serverCertificate, serverTrust }) =>
    [clientCertificate, clientTrust, serverCertificate, serverTrust].flatMap((decided): [string, Reread][] => {
      const [, component, flag] = /^(\S+) (--.+)$/.exec(decided?.flag ?? '') ?? []
      return decided && component && flag ? [[decided.name, byFlag(component, flag)]] : []
    }),
  ),
  ['kube-apiserver.extension-ca-bundle', 'object'],
])

export const watchedNames: readonly string[] = [...rereads.keys()].filter(name => rereads.get(name) === 'watch')

/** They are no processes of the mesh: they read their files whenever they dial. */
const programs = ['kubectl', 'etcd-healthcheck', 'monitoring']

/**
 * Does the client end its connections when its certificate has changed? The aggregator does, and programs dial anew; etcd's client
 * does not, and client-go within five minutes. It matters: Kubernetes' servers judge the certificate of a connection at every request.
 */
export const endsOnChange = ({ from, clientCertificate }: Connection): boolean =>
  programs.includes(from) || (clientCertificate !== undefined && rereads.get(clientCertificate.name) === 'watch')

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
  const add = (name: string, end: string, files: readonly (string | undefined)[], row?: TrafficRow) => {
    const there = files.filter(file => file !== undefined)
    const owner = componentOf(end)
    if (there.length === 0 || owned.has(name)) return
    const reread = programs.includes(owner) ? 'use' : (rereads.get(row ? nameOnFirst(name, row) : name) ?? 'start')
    owned.set(name, { name, owner, reread, files: there })
  }
  for (const row of trafficRowsOf(layout).filter(row => row !== podRow)) {
    const { from, to, clientCertificate, clientTrust, serverCertificate, serverTrust } = row
    for (const [decided, end] of [
      [clientCertificate, from],
      [serverCertificate, to],
    ] as const) {
      if (!decided) continue
      if (isKubeconfig(decided)) add(decided.name, end, [fileOf(layout, decided, 'certificate')], row)
      else add(decided.name, end, Object.values(pairOf(layout, decided.name)), row)
    }
    if (clientTrust) add(clientTrust.name, from, [fileOf(layout, clientTrust, 'trust')], row)
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
  const reread = rereads.get(name) ?? 'start'
  if ((trustSlotNames as readonly string[]).includes(name)) return { component: name.split('.')[0]!, reread }
  for (const row of connections) {
    if (row.clientCertificate?.name === name) return { component: componentOf(row.from), reread }
    if (row.serverCertificate.name === name) return { component: componentOf(row.to), reread }
  }
  return undefined
}
