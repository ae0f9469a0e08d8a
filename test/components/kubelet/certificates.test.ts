/** The kubelet's own certificates: renewed in time, bootstrapped anew, and what it says when it has none that is good. */
import { lstatSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import t from 'tap'
import { offsetClock } from '#clock.ts'
import { component as controllerManager } from '#components/kube-controller-manager/index.ts'
import { component as kubelet } from '#components/kubelet/index.ts'
import { resources } from '#kubernetes/resources.ts'
import { type Cluster, startCluster, until } from '../cluster.ts'

const day = 86_400_000

const argv = ({ file }: Cluster, more: string[]) => [
  `--kubeconfig=${file('kubelet.conf')}`,
  '--hostname-override=node-1',
  '--address=127.0.0.1',
  '--port=0',
  '--healthz-port=0',
  `--cert-dir=${file('var/pki')}`,
  ...more,
]

const bind = (name: string, role: string, group: string) => ({
  metadata: { name },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
  subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: group }],
})

t.test('a client certificate that nears its end is renewed, and the new one is shown from then on', async t => {
  // 340 of 365 days: past the 70 to 90 % at which it asks
  const cluster = await startCluster(t, offsetClock(340 * day))
  const { file, admin, start, records } = cluster
  const csr = 'system:certificates.k8s.io:certificatesigningrequests'
  await admin
    .create(resources.clusterrolebindings, bind('test:rotation', `${csr}:selfnodeclient`, 'system:nodes'))
    .catch(() => {})
  await start(controllerManager, [
    '--bind-address=127.0.0.1',
    '--secure-port=0',
    `--kubeconfig=${file('controller-manager.conf')}`,
    `--cluster-signing-cert-file=${file('pki/ca.crt')}`,
    `--cluster-signing-key-file=${file('pki/ca.key')}`,
    '--use-service-account-credentials=true',
    `--service-account-private-key-file=${file('pki/sa.key')}`,
  ])
  await start(kubelet, argv(cluster, ['--rotate-certificates=true']))
  const shown = await until('the new certificate', async () =>
    records.records.findLast(
      ({ from, end, own, outcome }) =>
        from === 'kubelet' && end === 'client' && outcome === 'ok' && own?.file?.endsWith('kubelet-client-current.pem'),
    ),
  )
  t.equal(shown.own?.subject, 'CN=system:node:node-1,O=system:nodes')
  t.ok(Date.parse(shown.own!.notAfter) > Date.now() + 600 * day, 'for another year from then on')
  const link = file('var/pki/kubelet-client-current.pem')
  t.ok(lstatSync(link).isSymbolicLink())
  t.match(readlinkSync(link), /^kubelet-client-\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d\.pem$/)
  t.equal(statSync(link).mode & 0o777, 0o600)
  t.strictSame(
    readdirSync(file('var/pki')).filter(name => name.includes('.new')),
    [],
  )
})

t.test('an expired certificate and no bootstrap kubeconfig: it says what failed, in the original’s words', async t => {
  const cluster = await startCluster(t)
  const { file, start } = cluster
  const flags = [`--bootstrap-kubeconfig=${file('bootstrap-kubelet.conf')}`, '--rotate-certificates=true']
  const messages: string[] = []
  const log = { info() {}, warn() {}, error: (message: string) => void messages.push(message) }
  await t.rejects(start(kubelet, argv(cluster, flags), { clock: offsetClock(366 * day), log }), {
    message: `failed to run Kubelet: unable to load bootstrap kubeconfig: stat ${file('bootstrap-kubelet.conf')}: no such file or directory`,
  })
  t.match(messages[0], /^part of the existing bootstrap client certificate in .*kubelet\.conf is expired: \d{4}-/)
})
