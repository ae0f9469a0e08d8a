/** The cluster's parameters, with kubeadm's defaults. */
import { isIP } from 'node:net'
import type { Finding } from './check-plan.ts'
import type { ClusterDocument, ClusterParameters, PlanNode } from './types.ts'

const isNodeName = (name: string) => /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name)

export function clusterOf(written: ClusterDocument, report: (finding: Finding) => void): ClusterParameters {
  const nodeName = written.nodeName ?? written.nodes?.[0]?.name ?? 'node-1'
  const advertiseAddress = written.advertiseAddress ?? '127.0.0.1'
  const wrong = (field: keyof ClusterDocument, message: string, index?: number) =>
    report({ section: 'cluster', name: '', field, message, ...(index === undefined ? {} : { index }) })
  const nodes = (written.nodes ?? []).map(
    (node): PlanNode => ({ name: node.name, address: node.address ?? advertiseAddress }),
  )
  if (nodes.length === 0) nodes.push({ name: nodeName, address: advertiseAddress })
  else if (nodes[0]!.name !== nodeName) {
    // changing nodeName alone renames the first node
    nodes[0] = { ...nodes[0]!, name: nodeName }
  }
  const server =
    written.server ?? `https://${isIP(advertiseAddress) === 6 ? `[${advertiseAddress}]` : advertiseAddress}:6443`
  const serviceIP = written.serviceIP ?? '10.96.0.1'
  for (const [field, value] of [
    ['advertiseAddress', advertiseAddress],
    ['serviceIP', serviceIP],
  ] as const) {
    if (!isIP(value)) wrong(field, `not an IP address: ${JSON.stringify(value)}`)
  }
  if (!URL.canParse(server)) wrong('server', `not a URL: ${JSON.stringify(server)}`)
  nodes.forEach((node, index) => {
    if (!isIP(node.address) && written.nodes?.[index]?.address)
      wrong('nodes', `not an IP address: ${JSON.stringify(node.address)}`, index)
    if (!isNodeName(node.name)) {
      wrong('nodes', `not a node name: ${JSON.stringify(node.name)} (lower-case letters, digits, - and .)`, index)
    }
    if (nodes.findIndex(other => other.name === node.name) !== index) {
      wrong('nodes', `node ${JSON.stringify(node.name)} is there twice`, index)
    }
  })
  const etcdMembers = [{ name: nodeName, address: advertiseAddress }, ...(written.etcdMembers ?? []).slice(1)]
  etcdMembers.forEach(({ name, address }, index) => {
    // the first has its findings already
    if (index > 0 && !isIP(address)) wrong('etcdMembers', `not an IP address: ${JSON.stringify(address)}`, index)
    if (index > 0 && !isNodeName(name)) wrong('etcdMembers', `not a node name: ${JSON.stringify(name)}`, index)
    if (etcdMembers.findIndex(other => other.name === name || other.address === address) !== index) {
      wrong('etcdMembers', `member ${JSON.stringify(name)} has another's name or address`, index)
    }
  })
  return {
    clusterName: written.clusterName ?? 'kubernetes',
    nodeName,
    nodes,
    etcdMembers,
    advertiseAddress,
    server,
    serviceIP,
    dnsDomain: written.dnsDomain ?? 'cluster.local',
    apiServerCertSANs: written.apiServerCertSANs ?? [],
    etcdServerCertSANs: written.etcdServerCertSANs ?? [],
    etcdPeerCertSANs: written.etcdPeerCertSANs ?? [],
    componentCertSANs: written.componentCertSANs ?? [],
    requestheaderAllowedNames: written.requestheaderAllowedNames ?? ['front-proxy-client'],
    kubeletApiAdmins: written.kubeletApiAdmins ?? ['kube-apiserver-kubelet-client'],
  }
}
