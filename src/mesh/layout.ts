/** What a mesh is made of, worked out before anything starts: the plan, where its files are, who listens where, which components on which node. */
import { dirname, join, resolve } from 'node:path'
import type { ComponentName } from '#components/component.ts'
import { certificateOf, etcdMemberFolder, kubeconfigOf, kubeletOf, trustFile } from '#pki/lookup.ts'
import type { TrustSlot } from '#pki/trust-slots.ts'
import type { Plan, PlanNode } from '#pki/types.ts'
import type { Decided, PortName } from './connections.ts'
import type { Ports } from './ports.ts'
import { addedFile, addedKey } from './settings.ts'

export interface Layout {
  /** With the faults in it, if any; a step of a scenario may replace it. */
  plan: Plan
  /** The state directory, absolute. */
  dir: string
  ports: Ports
  /** Where the control plane listens. */
  host: string
  /** Where a component listens that is elsewhere: in a container of its own. */
  hosts: Readonly<Partial<Record<PortName, string>>>
  nodes: readonly PlanNode[]
  /** Nodes join by themselves: they begin with a bootstrap token, and ask for their certificates. */
  bootstrap?: NodeBootstrap
  /** Added to command lines, by component or by a program that only dials; a step of a scenario may take them away. */
  flags?: Readonly<Record<string, readonly string[]>>
}

interface NodeBootstrap {
  /** Who approves kubelet-serving requests: somebody with kubectl, as on a real cluster, or the controller-manager. */
  approveServing: boolean
  /** Left out by other processes, which need not know it. */
  token?: string
}

/** One component to run. */
export interface Member {
  /** The component's name; on nodes after the first `kubelet@node-2`. */
  id: string
  component: ComponentName
  node: PlanNode
}

const controlPlane: readonly ComponentName[] = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'extension-apiserver',
]
const everyNode: readonly ComponentName[] = ['kubelet', 'kube-proxy']

/** @param etcdMembers etcd runs on the first node, and on those after the first of this list */
export function membersOf(nodes: readonly PlanNode[], etcdMembers: readonly PlanNode[] = []): Member[] {
  const first = nodes[0]!
  const onNode = (node: PlanNode) =>
    everyNode.map(component => ({ id: node === first ? component : `${component}@${node.name}`, component, node }))
  const etcd = [first, ...etcdMembers.slice(1)].map(
    (node): Member => ({ id: node === first ? 'etcd' : etcdId(node.name), component: 'etcd', node }),
  )
  const others = controlPlane.filter(component => component !== 'etcd')
  return [...etcd, ...others.map(component => ({ id: component, component, node: first })), ...nodes.flatMap(onNode)]
}

/** The id of a member of etcd after the first: `etcd@node-2`. */
const etcdId = (member: string): string => `etcd@${member}`

/** Where etcd runs, the first member first. With more than one, each has certificates, bundles and data of its own. */
export const etcdMembersOf = ({ plan, nodes, host }: Layout): PlanNode[] => [
  { name: nodes[0]!.name, address: host },
  ...plan.cluster.etcdMembers.slice(1),
]

/** The id of the component that is this member. */
export const etcdIdOf = (layout: Layout, member: string): string =>
  member === layout.nodes[0]!.name ? 'etcd' : etcdId(member)

/** Kubelets share their port by listening on 127.0.0.1, 127.0.0.2, …: Linux has the whole of 127.0.0.0/8. */
export const nodesOf = (count: number, host = '127.0.0.1'): PlanNode[] =>
  Array.from({ length: count }, (_, index) => ({
    name: `node-${index + 1}`,
    address: index === 0 ? host : `127.0.0.${index + 1}`,
  }))

/** Where clients dial. @param member of etcd: that one; left out: the first */
export function addressOf(layout: Layout, port: PortName, member?: string): { host: string; port: number } {
  if (member !== undefined && member !== layout.nodes[0]!.name) {
    return { host: etcdMembersOf(layout).find(({ name }) => name === member)!.address, port: layout.ports[port] }
  }
  const host = layout.hosts[port] ?? (port === 'kubelet' ? layout.nodes[0]!.address : layout.host)
  return { host, port: layout.ports[port] }
}

/** `services`: as in docker-compose.yml, where each component is a host of its name; or `etcd=10.0.0.5,kubelet=node-1`. */
export function parseHosts(text: string, nodes: readonly PlanNode[]): Layout['hosts'] {
  if (text === 'services') {
    return {
      ...Object.fromEntries(controlPlane.map(name => [name, name])),
      'etcd-peer': 'etcd',
      kubelet: nodes[0]!.name,
    }
  }
  return Object.fromEntries(text.split(',').map(part => part.split('=')))
}

export const inDir = (layout: Pick<Layout, 'dir'>, file: string): string => join(resolve(layout.dir), file)

/** A certificate's pair of files, absolute; a kubelet's by its node, an etcd member's by its name. */
export function pairOf(layout: Layout, name: string, node?: string): { certificate: string; key: string } {
  const spec = specOf(layout, name, node)
  if (name === 'kubelet' && layout.bootstrap) {
    const file = inDir(layout, join(dirname(spec.certificateFile), 'kubelet-server-current.pem'))
    return { certificate: file, key: file }
  }
  return { certificate: inDir(layout, spec.certificateFile), key: inDir(layout, spec.keyFile) }
}

function specOf({ plan, nodes }: Layout, name: string, node: string | undefined) {
  if (name === 'kubelet' && node) return kubeletOf(plan, node).serving
  const isMembers = node !== undefined && node !== nodes[0]!.name && /^etcd-(server|peer)$/.test(name)
  return certificateOf(plan, isMembers ? `${name}-${node}` : name)
}

export function kubeconfigFile(layout: Layout, name: string, node?: string): string {
  const spec =
    name === 'kubelet.conf' && node ? kubeletOf(layout.plan, node).kubeconfig : kubeconfigOf(layout.plan, name)
  return inDir(layout, spec.file)
}

/** A trust slot's bundle, absolute; undefined when the plan leaves the slot out. @param member of etcd: its own copy of what etcd checks with */
export function bundleFile(layout: Layout, name: string, node = layout.nodes[0]!.name): string | undefined {
  // a rehearsal names a member's copy: `etcd.trusted-ca@node-2`
  const [slot = '', member = node] = name.split('@')
  const file = trustFile(layout.plan, slot as TrustSlot)
  if (file === undefined) return undefined
  return inDir(layout, slot.startsWith('etcd.') ? onMember(layout, file, member) : file)
}

/** Where a member of etcd has a file of its own; the first has it where kubeadm puts it. */
const onMember = ({ nodes }: Layout, file: string, member: string): string =>
  member === nodes[0]!.name ? file : `${etcdMemberFolder(member)}/${file}`

/** etcd's data of a member, absolute. */
export const dataDirOf = (layout: Layout, member: string): string =>
  inDir(layout, onMember(layout, 'etcd-data', member))

export const isKubeconfig = (decided: Decided): boolean => decided.name.endsWith('.conf')

/** The pair of files that a row's end shows: the plan's, or those that flags name in their place. */
export function shownPair(layout: Layout, decided: Decided, node?: string): { certificate: string; key: string } {
  const { certificate, key } = pairOf(layout, decided.name, node)
  return { certificate: addedFile(layout, decided) ?? certificate, key: addedKey(layout, decided) ?? key }
}

/** The file behind what a row names: a kubeconfig, a certificate, or a trust slot's bundle. Undefined: there is none. */
export function fileOf(
  layout: Layout,
  decided: Decided,
  what: 'certificate' | 'trust',
  node?: string,
): string | undefined {
  const added = addedFile(layout, decided)
  if (added !== undefined) return added || undefined
  if (isKubeconfig(decided)) return kubeconfigFile(layout, decided.name, node)
  return what === 'certificate'
    ? pairOf(layout, decided.name, node).certificate
    : bundleFile(layout, decided.name, node)
}
