/** hollow-node's flags: kubemark's (cmd/kubemark/app/hollow_node.go), and how many nodes one process is, which there is always one. */
import { commonFlags, type FlagSpec, type FlagValues } from '../flags.ts'
import { accepted, acceptedLogFlags, logFlags } from '../kubernetes-flags.ts'

const own = [
  { name: 'morph', kind: 'string', description: 'what to be hollow as: kubelet', default: 'kubelet' },
  {
    name: 'name',
    kind: 'string',
    description: "the node's name; with --nodes what they begin with: NAME-1, NAME-2, …",
  },
  { name: 'kubeconfig', kind: 'string', description: 'how to reach and log in to kube-apiserver, as any of the nodes' },
  {
    name: 'kubelet-port',
    kind: 'int',
    description: 'the port to serve HTTPS on, each node on an address of its own; 0: any free one',
    default: '10250',
  },
  { name: 'node-labels', kind: 'list', description: 'labels for the nodes: key=value,…' },
  { name: 'max-pods', kind: 'int', description: 'how many pods a node takes', default: '110' },
  { name: 'nodes', kind: 'int', description: 'how many nodes to be', default: '1', ours: true },
  {
    name: 'bootstrap-kubeconfig',
    kind: 'string',
    description: 'used to ask for a client certificate for each node',
    ours: true,
  },
  {
    name: 'cert-dir',
    kind: 'string',
    description: "where the nodes' certificates and kubeconfigs are kept, a folder each",
    default: '.trustplane/hollow-node',
    ours: true,
  },
  {
    name: 'rotate-server-certificates',
    kind: 'bool',
    description: 'ask for serving certificates, too; somebody has to approve them',
    default: 'false',
    ours: true,
  },
  {
    name: 'client-ca-file',
    kind: 'string',
    description: 'who may sign certificates of clients of the nodes',
    ours: true,
  },
  {
    name: 'serve',
    kind: 'bool',
    description: 'serve logs, exec and metrics; without it the nodes only report',
    default: 'true',
    ours: true,
  },
  {
    name: 'at-once',
    kind: 'int',
    description: 'so many nodes join at the same time',
    default: '32',
    ours: true,
  },
  ...logFlags,
  ...commonFlags,
] as const satisfies readonly FlagSpec[]

export type Values = FlagValues<typeof own>

export const flags: readonly FlagSpec[] = [
  ...own,
  ...acceptedLogFlags,
  ...accepted('int', 'kubelet-read-only-port server-port'),
  ...accepted('string', 'content-type proxier-mode'),
  ...accepted('bool', 'use-real-proxier use-host-image-service'),
  ...accepted('duration', 'proxier-min-sync-period proxier-sync-period'),
  ...accepted('list', 'extended-resources register-with-taints'),
]
