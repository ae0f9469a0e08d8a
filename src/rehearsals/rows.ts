/** Every connection that traffic goes over: the rows of the connection table, a pod, and what the nodes after the first add. */
import { type Connection, connections, type Decided } from '#mesh/connections.ts'
import type { Layout } from '#mesh/layout.ts'
import type { PlanNode } from '#pki/types.ts'
import { trafficRows } from './pods.ts'

export interface TrafficRow extends Connection {
  /** Whose kubelet or kube-proxy it is; left out: the first node's, or nobody's. */
  node?: PlanNode
}

/** In the table's order, and then node by node: `kube-apiserver -> kubelet@node-2`. */
export const trafficRowsOf = ({ nodes, plan }: Pick<Layout, 'nodes' | 'plan'>): TrafficRow[] => [
  ...trafficRows,
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

const isOnNode = (end: string) => end === 'kubelet' || end === 'kube-proxy'

/** The mesh as that row sees it: with its own node as the only one. */
export const layoutFor = (layout: Layout, { node }: TrafficRow): Layout =>
  node ? { ...layout, nodes: [node] } : layout

/** What a certificate of a further node's is called on the first: the name that tables know. */
export const nameOnFirst = (name: string, { node }: TrafficRow): string =>
  node ? name.replace(`-${node.name}`, '') : name
