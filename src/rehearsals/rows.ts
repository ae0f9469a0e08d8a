/** Every connection that traffic goes over: the rows of the connection table, a pod, and what the nodes after the first add. */
import { type Connection, connections, type Decided } from '#mesh/connections.ts'
import type { Layout } from '#mesh/layout.ts'
import { memberRows } from '#mesh/member-rows.ts'
import type { PlanNode } from '#pki/types.ts'
import { trafficRows } from './pods.ts'

export interface TrafficRow extends Connection {
  /** Whose kubelet or kube-proxy it is; left out: the first node's, or nobody's. */
  node?: PlanNode
}

/** In the table's order, and then node by node: `kube-apiserver -> kubelet@node-2`. */
export const trafficRowsOf = ({ nodes, plan }: Pick<Layout, 'nodes' | 'plan'>): TrafficRow[] => [
  ...trafficRows.flatMap(row =>
    memberRows(plan.cluster.etcdMembers, row).map(part => ofMember(plan.cluster.nodeName, part)),
  ),
  ...nodes.slice(1).flatMap(node => {
    const own = new Set([...plan.certificates, ...plan.kubeconfigs].flatMap(row => (row.node ? [row.name] : [])))
    const named = (decided: Decided): Decided => {
      const name = decided.name.replace(/(\.conf)?$/, `-${node.name}$1`)
      return own.has(name) ? { ...decided, name } : decided
    }
    return connections
      .filter(({ from, to }) => isOnNode(from) || isOnNode(to))
      .map((row): TrafficRow => {
        const { clientCertificate, clientTrust } = row
        return {
          ...row,
          node,
          from: isOnNode(row.from) ? `${row.from}@${node.name}` : row.from,
          to: isOnNode(row.to) ? `${row.to}@${node.name}` : row.to,
          serverCertificate: named(row.serverCertificate),
          ...(clientCertificate ? { clientCertificate: named(clientCertificate) } : {}),
          ...(clientTrust ? { clientTrust: named(clientTrust) } : {}),
        }
      })
  }),
]

/** `kube-apiserver -> etcd@node-2`, with what that member has of its own. */
export function ofMember(first: string, row: TrafficRow): TrafficRow {
  const { clientMember, serverMember, clientCertificate, clientTrust, serverCertificate, serverTrust } = row
  if (!serverMember) return row
  const at = (member: string | undefined) => (member && member !== first ? member : undefined)
  const end = (name: string, member: string | undefined) => (at(member) ? `${name}@${member}` : name)
  const named = (decided: Decided, member: string | undefined): Decided => {
    if (!at(member) || !decided.name.startsWith('etcd')) return decided
    return { ...decided, name: `${decided.name}${decided.name.includes('.') ? '@' : '-'}${member}` }
  }
  return {
    ...row,
    from: end(row.from, clientMember),
    to: end(row.to, serverMember),
    serverCertificate: named(serverCertificate, serverMember),
    ...(serverTrust ? { serverTrust: named(serverTrust, serverMember) } : {}),
    ...(clientCertificate ? { clientCertificate: named(clientCertificate, clientMember) } : {}),
    ...(clientTrust ? { clientTrust: named(clientTrust, clientMember) } : {}),
  }
}

const isOnNode = (end: string) => end === 'kubelet' || end === 'kube-proxy'

/** The mesh as that row sees it: with its own node as the only one. */
export const layoutFor = (layout: Layout, { node }: TrafficRow): Layout =>
  node ? { ...layout, nodes: [node] } : layout

/** What a certificate of a further node's is called on the first: the name that tables know. */
export const nameOnFirst = (name: string, { node, clientMember, serverMember }: TrafficRow): string => {
  const place = [node?.name, clientMember, serverMember].find(one => one && name.endsWith(`-${one}`))
  return node || place ? name.replace(`-${node?.name ?? place}`, '') : name
}
