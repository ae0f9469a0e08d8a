/** printNode. */
import type { Unstructured } from '#kubernetes/types.ts'
import type { Column } from '../resources/types.ts'
import { age, name } from './standard.ts'
import { array, at, text } from './values.ts'

function statusOf(node: Unstructured): string {
  const ready = array(node, 'status', 'conditions').find(c => c.type === 'Ready')
  const words = [ready ? (ready.status === 'True' ? 'Ready' : 'NotReady') : 'Unknown']
  if (at(node, 'spec', 'unschedulable') === true) words.push('SchedulingDisabled')
  return words.join(',')
}

/** Labels `node-role.kubernetes.io/<role>` and `kubernetes.io/role=<role>`. */
function rolesOf(node: Unstructured): string {
  const roles = new Set<string>()
  for (const [key, value] of Object.entries(node.metadata.labels ?? {})) {
    if (key.startsWith('node-role.kubernetes.io/')) {
      const role = key.slice('node-role.kubernetes.io/'.length)
      if (role) roles.add(role)
    } else if (key === 'kubernetes.io/role' && value) roles.add(value)
  }
  return roles.size === 0 ? '<none>' : [...roles].sort().join(',')
}

const address = (node: Unstructured, type: string) =>
  text(
    array(node, 'status', 'addresses').find(a => a.type === type),
    'address',
  ) || '<none>'

const info = (field: string) => (node: Unstructured) => text(node, 'status', 'nodeInfo', field) || '<unknown>'

export const nodes: readonly Column[] = [
  name,
  { name: 'Status', description: 'The status of the node', value: statusOf },
  { name: 'Roles', description: 'The roles of the node', value: rolesOf },
  age,
  {
    name: 'Version',
    description: 'Kubelet Version reported by the node.',
    value: node => text(node, 'status', 'nodeInfo', 'kubeletVersion'),
  },
  {
    name: 'Internal-IP',
    wide: true,
    description: 'List of addresses reachable to the node. Queried from cloud provider, if available.',
    value: node => address(node, 'InternalIP'),
  },
  {
    name: 'External-IP',
    wide: true,
    description: 'List of addresses reachable to the node. Queried from cloud provider, if available.',
    value: node => address(node, 'ExternalIP'),
  },
  {
    name: 'OS-Image',
    wide: true,
    description: 'OS Image reported by the node from /etc/os-release (e.g. Debian GNU/Linux 7 (wheezy)).',
    value: info('osImage'),
  },
  {
    name: 'Kernel-Version',
    wide: true,
    description: "Kernel Version reported by the node from 'uname -r' (e.g. 3.16.0-0.bpo.4-amd64).",
    value: info('kernelVersion'),
  },
  {
    name: 'Container-Runtime',
    wide: true,
    description: 'ContainerRuntime Version reported by the node through runtime remote API (e.g. containerd://1.4.2).',
    value: info('containerRuntimeVersion'),
  },
]
