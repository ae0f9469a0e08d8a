import t from 'tap'
import { componentNames } from '../../src/components/component.ts'
import { commonFlags, parseFlags } from '../../src/components/flags.ts'
import { loadComponent } from '../../src/components/index.ts'
import { argvOf, kubeletConfiguration } from '../../src/mesh/argv.ts'
import { type Layout, membersOf, nodesOf } from '../../src/mesh/layout.ts'
import { defaultPorts } from '../../src/mesh/ports.ts'
import { applyChanges, loadPlan } from '../../src/pki/plan.ts'

const nodes = nodesOf(2)
const plan = await applyChanges(await loadPlan('kubeadm'), { cluster: { nodes: nodes.map(node => ({ ...node })) } })
const layout: Layout = { plan, dir: '/mesh', ports: defaultPorts, host: '127.0.0.1', hosts: {}, nodes }
const members = membersOf(nodes)
const argv = (id: string) => argvOf(layout, members.find(member => member.id === id)!)

t.test('every node has a kubelet and a kube-proxy, the control plane one of each of the rest', async t => {
  t.strictSame(
    members.map(({ id }) => id).toSorted(),
    [...componentNames, 'kubelet@node-2', 'kube-proxy@node-2'].toSorted(),
  )
})

for (const name of componentNames) {
  t.test(`${name} knows every flag that it is started with`, async t => {
    const component = await loadComponent(name)
    const flags = [...component.flags, ...commonFlags]
    const known = flags.filter(({ name }, index) => flags.findIndex(flag => flag.name === name) === index)
    t.doesNotThrow(() => parseFlags(name, known, argv(name)))
  })
}

t.test('no flag of ours is on a command line: the original would not start', async t => {
  const ours = new Set<string>(commonFlags.map(({ name }) => name))
  for (const { id } of members) {
    for (const word of argv(id)) t.notOk(ours.has(/^--([^=]+)/.exec(word)![1]!), `${id}: ${word}`)
  }
})

t.test('command lines name the files of the plan', async t => {
  t.match(
    argv('kube-apiserver').join(' '),
    /--client-ca-file=\/mesh\/pki\/ca\.crt .*--etcd-cafile=\/mesh\/pki\/etcd\/ca\.crt/,
  )
  t.ok(argv('etcd').includes('--trusted-ca-file=/mesh/pki/etcd/ca.crt'))
  t.ok(argv('kubelet@node-2').includes('--kubeconfig=/mesh/kubelet/node-2/kubelet.conf'))
  t.ok(argv('kube-proxy@node-2').includes('--healthz-bind-address=127.0.0.2:10256'))
})

t.test('a trust slot that the plan leaves out leaves its flag out', async t => {
  const open = await applyChanges(plan, { trust: { 'kube-apiserver.kubelet-certificate-authority': null } })
  const words = argvOf({ ...layout, plan: open }, members.find(({ id }) => id === 'kube-apiserver')!)
  t.notOk(words.some(word => word.startsWith('--kubelet-certificate-authority')))
  t.ok(words.some(word => word.startsWith('--client-ca-file')))
})

t.test('a kubelet’s configuration has its node’s address and certificate', async t => {
  t.match(kubeletConfiguration(layout, members.find(({ id }) => id === 'kubelet@node-2')!), {
    kind: 'KubeletConfiguration',
    address: '127.0.0.2',
    port: 10250,
    tlsCertFile: '/mesh/kubelet/node-2/pki/kubelet.crt',
    authentication: { x509: { clientCAFile: '/mesh/pki/ca.crt' } },
  })
})
