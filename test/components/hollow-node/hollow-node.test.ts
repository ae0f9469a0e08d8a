import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { component as hollowNode } from '#components/hollow-node/index.ts'
import { component as controllerManager } from '#components/kube-controller-manager/index.ts'
import { bootstrapTokenSecret, newBootstrapToken } from '#kubernetes/bootstrap-tokens.ts'
import { resources } from '#kubernetes/resources.ts'
import { parseCertificate } from '#x509/certificate.ts'
import { certificateBlocks } from '#x509/pem.ts'
import { startCluster, until } from '../cluster.ts'

// a control plane, and the machine may be busy
t.setTimeout(120_000)

const bind = (name: string, role: string) => ({
  metadata: { name },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
  subjects: [
    {
      apiGroup: 'rbac.authorization.k8s.io',
      kind: 'Group',
      name: 'system:bootstrappers:kubeadm:default-node-token',
    },
  ],
})

t.test(
  'many nodes in one process join with one bootstrap token, each with a key and a certificate of its own',
  async t => {
    const cluster = await startCluster(t)
    const { admin, file, server, start, records } = cluster
    const token = newBootstrapToken()
    const csr = 'system:certificates.k8s.io:certificatesigningrequests'
    await Promise.all([
      admin.create(resources.secrets, bootstrapTokenSecret(token)),
      admin.create(resources.clusterrolebindings, bind('test:kubelet-bootstrap', 'system:node-bootstrapper')),
      admin.create(resources.clusterrolebindings, bind('test:autoapprove', `${csr}:nodeclient`)),
    ])
    await start(controllerManager, [
      '--bind-address=127.0.0.1',
      '--secure-port=0',
      `--kubeconfig=${file('controller-manager.conf')}`,
      `--cluster-signing-cert-file=${file('pki/ca.crt')}`,
      `--cluster-signing-key-file=${file('pki/ca.key')}`,
      '--use-service-account-credentials=true',
      `--service-account-private-key-file=${file('pki/sa.key')}`,
    ])
    const ca = readFileSync(file('pki/ca.crt')).toString('base64')
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster: { server, 'certificate-authority-data': ca } }],
      users: [{ name: 'u', user: { token } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    }
    writeFileSync(file('bootstrap-kubelet.conf'), JSON.stringify(config), { mode: 0o600 })
    const flags = (more: string[]) => [
      '--name=hollow',
      `--bootstrap-kubeconfig=${file('bootstrap-kubelet.conf')}`,
      `--cert-dir=${file('nodes')}`,
      '--kubelet-port=0',
      ...more,
    ]
    const count = 6
    await start(hollowNode, flags([`--nodes=${count}`, '--serve=false', '--at-once=3']))
    const nodes = await until('all nodes', async () => {
      const { items } = await admin.list(resources.nodes)
      return items.length === count && items
    })
    t.strictSame(nodes.map(({ metadata }) => metadata.name).sort(), [
      'hollow-1',
      'hollow-2',
      'hollow-3',
      'hollow-4',
      'hollow-5',
      'hollow-6',
    ])
    t.ok(nodes.every(({ status }) => status?.conditions?.some(c => c.type === 'Ready' && c.status === 'True')))

    const folders = readdirSync(file('nodes'))
    const pems = folders.map(name => readFileSync(join(file('nodes'), name, 'pki/kubelet-client-current.pem'), 'utf8'))
    const leaves = pems.map(pem => parseCertificate(certificateBlocks(pem)[0]!))
    t.strictSame(
      leaves.map(({ subject }) => `${subject}`).sort(),
      folders.map(name => `CN=system:node:${name},O=system:nodes`).sort(),
    )
    const keys = pems.map(pem => pem.slice(pem.indexOf('-----BEGIN EC')))
    t.equal(new Set(keys).size, count, 'no key is shared')
    t.ok(
      folders.every(
        name => (statSync(join(file('nodes'), name, 'pki/kubelet-client-current.pem')).mode & 0o777) === 0o600,
      ),
    )

    const handshakes = records.records.filter(({ from, end }) => from === 'kubelet' && end === 'client')
    t.ok(
      handshakes.length <= 5 * count,
      `one for the token, one for requests, one for each watch, and no more: ${handshakes.length}`,
    )

    await t.test('what it is told that makes no sense is refused at once', async t => {
      const cases: [string[], RegExp][] = [
        [['--morph=proxy'], /Unknown morph: "proxy"/],
        [flags(['--nodes=0']), /--nodes is 0/],
        [['--nodes=2'], /neither --kubeconfig nor --bootstrap-kubeconfig/],
        [flags(['--at-once=0']), /--at-once is 0/],
      ]
      for (const [argv, message] of cases) await t.rejects(start(hollowNode, argv), { message })
    })
  },
)
