import t from 'tap'
import { chooseNode } from '#components/kube-scheduler/choose.ts'
import type { NodeInfo } from '#components/kube-scheduler/filters.ts'
import type { Node, Pod, PodSpec } from '#kubernetes/types.ts'

const node = (name: string, more: Partial<Node['spec'] & object> = {}, ready = 'True', cpu = '4'): Node => ({
  metadata: { name, labels: { zone: name.slice(-1) } },
  spec: more,
  status: {
    allocatable: { cpu, memory: '8Gi', pods: '110' },
    conditions: [{ type: 'Ready', status: ready as 'True' }],
  },
})
const pod = (spec: Partial<PodSpec> = {}): Pod => ({
  metadata: { name: 'p', namespace: 'default' },
  spec: { containers: [{ name: 'c' }], ...spec },
})
const on = (n: Node, ...pods: Pod[]): NodeInfo => ({ node: n, pods })
const asking = (resource: string, amount: string) =>
  pod({ containers: [{ name: 'c', resources: { requests: { [resource]: amount } } }] })

t.test('a pod goes to the node with the fewest pods', async t => {
  t.match(chooseNode(pod(), [on(node('node-1'), pod()), on(node('node-2'))]), { node: 'node-2', feasible: 2 })
})

t.test('between nodes with as many pods, to the one with the fewest of the same controller', async t => {
  const owned = (uid: string): Pod => ({
    ...pod(),
    metadata: {
      name: uid,
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'r', uid, controller: true }],
    },
  })
  const choice = chooseNode(owned('a'), [on(node('node-1'), owned('a')), on(node('node-2'), owned('b'))])
  t.match(choice, { node: 'node-2' })
})

const refusals: { name: string; pod: Pod; nodes: NodeInfo[]; message: string }[] = [
  { name: 'no node', pod: pod(), nodes: [], message: 'no nodes available to schedule pods' },
  {
    name: 'a cordoned node',
    pod: pod(),
    nodes: [on(node('node-1', { unschedulable: true }))],
    message:
      '0/1 nodes are available: 1 node(s) were unschedulable. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.',
  },
  {
    name: 'a taint, and too little memory',
    pod: asking('memory', '16Gi'),
    nodes: [
      on(node('node-1', { taints: [{ key: 'dedicated', value: 'db', effect: 'NoSchedule' }] })),
      on(node('node-2')),
    ],
    message:
      '0/2 nodes are available: 1 Insufficient memory, 1 node(s) had untolerated taint {dedicated: db}. preemption: 0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling.',
  },
  {
    name: 'a node that stopped answering and is not tainted yet',
    pod: pod(),
    nodes: [on(node('node-1', {}, 'Unknown'))],
    message:
      '0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/unreachable: }. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.',
  },
  {
    name: 'a node selector that fits none',
    pod: pod({ nodeSelector: { disk: 'ssd' } }),
    nodes: [on(node('node-1')), on(node('node-2'))],
    message:
      "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.",
  },
  {
    name: 'CPU that other pods ask for',
    pod: asking('cpu', '500m'),
    nodes: [on(node('node-1', {}, 'True', '1'), asking('cpu', '0.6'))],
    message:
      '0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.',
  },
]
for (const { name, pod, nodes, message } of refusals) {
  t.test(`a pod stays pending for ${name}, in the original's words`, async t => {
    t.strictSame(chooseNode(pod, nodes), { message })
  })
}

const tolerations: { name: string; tolerations: PodSpec['tolerations'] & object; fits: boolean }[] = [
  { name: 'by key and value', tolerations: [{ key: 'a', value: 'b', effect: 'NoSchedule' }], fits: true },
  { name: 'by key alone', tolerations: [{ key: 'a', operator: 'Exists' }], fits: true },
  { name: 'by everything', tolerations: [{ operator: 'Exists' }], fits: true },
  { name: 'not by another value', tolerations: [{ key: 'a', value: 'c' }], fits: false },
  { name: 'not by another effect', tolerations: [{ key: 'a', operator: 'Exists', effect: 'NoExecute' }], fits: false },
]
for (const { name, tolerations: given, fits } of tolerations) {
  t.test(`a taint is tolerated ${name}`, async t => {
    const tainted = node('node-1', { taints: [{ key: 'a', value: 'b', effect: 'NoSchedule' }] })
    t.equal('node' in chooseNode(pod({ tolerations: given }), [on(tainted)]), fits)
  })
}

t.test('required node affinity is obeyed', async t => {
  const affinity = (operator: string, values: string[]) =>
    pod({
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchExpressions: [{ key: 'zone', operator, values }] }],
          },
        },
      },
    })
  const nodes = [on(node('node-1')), on(node('node-2'))]
  t.match(chooseNode(affinity('In', ['2']), nodes), { node: 'node-2' })
  t.match(chooseNode(affinity('NotIn', ['2']), nodes), { node: 'node-1' })
})
