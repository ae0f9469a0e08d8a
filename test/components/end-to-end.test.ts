/** The controllers, the scheduler and a kubelet together: what a person asks for comes about by watches. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import type { RunningComponent } from '#components/component.ts'
import { component as controllerManager } from '#components/kube-controller-manager/index.ts'
import { component as scheduler } from '#components/kube-scheduler/index.ts'
import { component as kubelet } from '#components/kubelet/index.ts'
import { resources } from '#kubernetes/resources.ts'
import { isNotFound } from '#kubernetes/status.ts'
import type { Deployment } from '#kubernetes/types.ts'
import { type Cluster, startCluster, until } from './cluster.ts'

async function startAll(t: Test, flags: { kubelet?: string[]; controllerManager?: string[] } = {}) {
  const cluster = await startCluster(t)
  const { file, start } = cluster
  const local = ['--bind-address=127.0.0.1', '--secure-port=0']
  await start(controllerManager, [
    ...local,
    `--kubeconfig=${file('controller-manager.conf')}`,
    `--cluster-signing-cert-file=${file('pki/ca.crt')}`,
    `--cluster-signing-key-file=${file('pki/ca.key')}`,
    `--root-ca-file=${file('pki/ca.crt')}`,
    `--service-account-private-key-file=${file('pki/sa.key')}`,
    '--use-service-account-credentials=true',
    ...(flags.controllerManager ?? []),
  ])
  await start(scheduler, [...local, `--kubeconfig=${file('scheduler.conf')}`])
  const node = await startKubelet(cluster, flags.kubelet ?? [`--kubeconfig=${file('kubelet.conf')}`])
  return { cluster, node }
}

const startKubelet = ({ start, file }: Cluster, more: string[]): Promise<RunningComponent> =>
  start(kubelet, [
    '--hostname-override=node-1',
    '--address=127.0.0.1',
    '--port=0',
    '--healthz-port=0',
    `--client-ca-file=${file('pki/ca.crt')}`,
    `--cert-dir=${file('var/pki')}`,
    ...more,
  ])

const deployment = (name: string, replicas: number, image = 'nginx:1.27', more: object = {}): Deployment => ({
  metadata: { name, namespace: 'default' },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'main', image }] } },
    ...more,
  },
})

const podsOf = async ({ admin }: Cluster, app: string) =>
  (await admin.list(resources.pods, { namespace: 'default', labelSelector: `app=${app}` })).items

t.test('workloads', async t => {
  const { cluster } = await startAll(t)
  const { admin } = cluster
  const rolledOut = (name: string, replicas: number) =>
    until(`${name} rolled out`, async () => {
      const { status, metadata } = await admin.get(resources.deployments, { namespace: 'default', name })
      const done =
        status?.observedGeneration === metadata.generation &&
        status?.updatedReplicas === replicas &&
        status.replicas === replicas &&
        status.availableReplicas === replicas
      return done && status
    })

  await t.test('a Deployment of 3 becomes 3 running pods', async t => {
    await admin.create(resources.deployments, deployment('web', 3))
    const status = await rolledOut('web', 3)
    t.match(
      status.conditions?.find(({ type }) => type === 'Available'),
      { status: 'True', reason: 'MinimumReplicasAvailable' },
    )
    t.match(
      status.conditions?.find(({ type }) => type === 'Progressing'),
      { status: 'True', reason: 'NewReplicaSetAvailable' },
    )
    const pods = await podsOf(cluster, 'web')
    t.equal(pods.length, 3)
    t.ok(pods.every(({ status, spec }) => status?.phase === 'Running' && spec.nodeName === 'node-1'))
    t.equal(new Set(pods.map(({ status }) => status?.podIP)).size, 3, 'each with an address of its own')
  })

  await t.test('a pod that is deleted is replaced', async t => {
    const [first] = await podsOf(cluster, 'web')
    await admin.delete(resources.pods, { namespace: 'default', name: first!.metadata.name! })
    await until('another one', async () => {
      const pods = await podsOf(cluster, 'web')
      return (
        pods.length === 3 &&
        pods.every(({ metadata, status }) => metadata.uid !== first!.metadata.uid && status?.phase === 'Running')
      )
    })
    t.pass()
  })

  await t.test('it is scaled up and down', async t => {
    for (const replicas of [5, 1]) {
      await admin.patch(resources.deployments, { namespace: 'default', name: 'web' }, { spec: { replicas } })
      await rolledOut('web', replicas)
      await until(`${replicas} pods`, async () => (await podsOf(cluster, 'web')).length === replicas)
    }
    t.pass()
  })

  await t.test(
    'another image rolls out, never with too few or too many pods; the old ReplicaSet stays for a rollback',
    async t => {
      await admin.patch(resources.deployments, { namespace: 'default', name: 'web' }, { spec: { replicas: 4 } })
      await rolledOut('web', 4)
      const container = { name: 'main', image: 'nginx:1.28' }
      const most: number[] = []
      const watching = new AbortController()
      const watched = (async () => {
        for await (const _ of admin.watch(resources.pods, { namespace: 'default', signal: watching.signal }))
          most.push((await podsOf(cluster, 'web')).filter(({ metadata }) => !metadata.deletionTimestamp).length)
      })().catch(() => {})
      await admin.patch(
        resources.deployments,
        { namespace: 'default', name: 'web' },
        { spec: { template: { spec: { containers: [container] } } } },
      )
      await rolledOut('web', 4)
      watching.abort()
      await watched
      t.ok(
        most.every(count => count <= 5 && count >= 3),
        `between 3 and 5: ${most}`,
      )
      await until('only new pods', async () =>
        (await podsOf(cluster, 'web')).every(({ spec }) => spec.containers[0]?.image === 'nginx:1.28'),
      )
      const { items } = await admin.list(resources.replicasets, { namespace: 'default', labelSelector: 'app=web' })
      t.strictSame(
        items
          .map(({ spec, metadata }) => [metadata.annotations?.['deployment.kubernetes.io/revision'], spec.replicas])
          .sort(),
        [
          ['1', 0],
          ['2', 4],
        ],
      )
    },
  )

  await t.test('a Service has the ready pods behind it', async t => {
    await admin.create(resources.services, {
      metadata: { name: 'web', namespace: 'default' },
      spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }] },
    })
    const slice = await until('its endpoint slice', async () => {
      const { items } = await admin.list(resources.endpointslices, {
        namespace: 'default',
        labelSelector: 'kubernetes.io/service-name=web',
      })
      return items[0]?.endpoints?.length === 4 && items[0]
    })
    t.match(slice.ports, [{ port: 8080, protocol: 'TCP' }])
    t.ok(slice.endpoints.every(({ conditions, nodeName }) => conditions?.ready && nodeName === 'node-1'))
  })

  await t.test('what belongs to a Deployment goes with it', async t => {
    await admin.delete(
      resources.deployments,
      { namespace: 'default', name: 'web' },
      { propagationPolicy: 'Background' },
    )
    await until('no pods', async () => (await podsOf(cluster, 'web')).length === 0)
    await until(
      'no ReplicaSets',
      async () => (await admin.list(resources.replicasets, { namespace: 'default' })).items.length === 0,
    )
    t.pass()
  })

  await t.test('a Deployment that nothing fits says so, and its pods stay pending', async t => {
    await admin.create(
      resources.deployments,
      deployment('picky', 1, 'nginx', {
        template: {
          metadata: { labels: { app: 'picky' } },
          spec: { nodeSelector: { disk: 'ssd' }, containers: [{ name: 'main', image: 'nginx' }] },
        },
      }),
    )
    const [pod] = await until('a condition', async () => {
      const pods = await podsOf(cluster, 'picky')
      return pods[0]?.status?.conditions?.some(({ reason }) => reason === 'Unschedulable') && pods
    })
    t.equal(pod!.status?.phase, 'Pending')
    await admin.patch(resources.nodes, { name: 'node-1' }, { metadata: { labels: { disk: 'ssd' } } })
    await rolledOut('picky', 1)
  })

  await t.test('a namespace gets an account and the CA, and empties itself when it is deleted', async t => {
    await admin.create(resources.namespaces, { metadata: { name: 'team' } })
    const there = <T>(what: Promise<T>) => what.catch(error => (isNotFound(error) ? undefined : Promise.reject(error)))
    await until('the account', () =>
      there(admin.get(resources.serviceaccounts, { namespace: 'team', name: 'default' })),
    )
    const ca = await until('the CA', () =>
      there(admin.get(resources.configmaps, { namespace: 'team', name: 'kube-root-ca.crt' })),
    )
    t.equal(ca.data?.['ca.crt'], readFileSync(cluster.file('pki/ca.crt'), 'utf8'))
    await admin.create(resources.deployments, { ...deployment('web', 2), metadata: { name: 'web', namespace: 'team' } })
    await until('its pods', async () => {
      const { items } = await admin.list(resources.pods, { namespace: 'team' })
      return items.length === 2 && items.every(({ status }) => status?.phase === 'Running')
    })
    await admin.delete(resources.namespaces, { name: 'team' })
    await until('gone', async () => (await there(admin.get(resources.namespaces, { name: 'team' }))) === undefined)
    t.strictSame((await admin.list(resources.pods, { namespace: 'team' })).items, [])
  })
})

t.test('a node whose kubelet is gone turns Unknown and is tainted, and its pods leave it', async t => {
  const { cluster, node } = await startAll(t, { controllerManager: ['--node-monitor-grace-period=2s'] })
  const { admin } = cluster
  const ready = async () => {
    const { status, spec } = await admin.get(resources.nodes, { name: 'node-1' })
    return {
      ...status?.conditions?.find(({ type }) => type === 'Ready'),
      taints: spec?.taints?.map(({ key }) => key) ?? [],
    }
  }
  await until('the node', () =>
    ready()
      .then(({ status }) => status === 'True')
      .catch(() => false),
  )
  const toleration = {
    key: 'node.kubernetes.io/unreachable',
    operator: 'Exists',
    effect: 'NoExecute',
    tolerationSeconds: 1,
  }
  const template = {
    metadata: { labels: { app: 'web' } },
    spec: { tolerations: [toleration], containers: [{ name: 'main', image: 'nginx' }] },
  }
  await admin.create(resources.deployments, deployment('web', 1, 'nginx', { template }))
  const [first] = await until('its pod', async () => {
    const pods = await podsOf(cluster, 'web')
    return pods[0]?.status?.phase === 'Running' ? pods : undefined
  })
  await node.stop()
  const gone = await until('Unknown', async () => {
    const found = await ready()
    return found.status === 'Unknown' && found.taints.length > 0 && found
  })
  t.match(gone, { reason: 'NodeStatusUnknown', message: 'Kubelet stopped posting node status.' })
  t.ok(gone.taints.includes('node.kubernetes.io/unreachable'))
  await until('the pod leaves, and another one waits', async () => {
    const pods = await podsOf(cluster, 'web')
    const left = pods.find(({ metadata }) => metadata.uid === first!.metadata.uid)
    const next = pods.find(({ metadata }) => metadata.uid !== first!.metadata.uid)
    return left?.metadata.deletionTimestamp && next?.status?.phase === 'Pending'
  })
  await startKubelet(cluster, [`--kubeconfig=${cluster.file('kubelet.conf')}`])
  await until('ready again', async () => {
    const found = await ready()
    return found.status === 'True' && !found.taints.includes('node.kubernetes.io/unreachable')
  })
})

t.test('a kubelet with nothing but a bootstrap token gets its certificate, and joins', async t => {
  const cluster = await startCluster(t)
  const { admin, file, server } = cluster
  await admin.create(resources.secrets, {
    metadata: { name: 'bootstrap-token-abcdef', namespace: 'kube-system' },
    type: 'bootstrap.kubernetes.io/token',
    stringData: {
      'token-id': 'abcdef',
      'token-secret': '0123456789abcdef',
      'usage-bootstrap-authentication': 'true',
      'auth-extra-groups': 'system:bootstrappers:kubeadm:default-node-token',
    },
  })
  const bind = async (name: string, role: string) => {
    const subjects = [
      { kind: 'Group', name: 'system:bootstrappers:kubeadm:default-node-token', apiGroup: 'rbac.authorization.k8s.io' },
    ]
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role }
    await admin.create(resources.clusterrolebindings, { metadata: { name }, roleRef, subjects })
  }
  await bind('test:kubelet-bootstrap', 'system:node-bootstrapper')
  await bind('test:autoapprove', 'system:certificates.k8s.io:certificatesigningrequests:nodeclient')
  const ca = readFileSync(file('pki/ca.crt')).toString('base64')
  writeFileSync(
    file('bootstrap-kubelet.conf'),
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster: { server, 'certificate-authority-data': ca } }],
      users: [{ name: 'u', user: { token: 'abcdef.0123456789abcdef' } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    }),
  )
  const local = ['--bind-address=127.0.0.1', '--secure-port=0']
  await cluster.start(controllerManager, [
    ...local,
    `--kubeconfig=${file('controller-manager.conf')}`,
    `--cluster-signing-cert-file=${file('pki/ca.crt')}`,
    `--cluster-signing-key-file=${file('pki/ca.key')}`,
    `--root-ca-file=${file('pki/ca.crt')}`,
    '--use-service-account-credentials=true',
    `--service-account-private-key-file=${file('pki/sa.key')}`,
  ])
  await startKubelet(cluster, [
    `--kubeconfig=${file('var/kubelet.conf')}`,
    `--bootstrap-kubeconfig=${file('bootstrap-kubelet.conf')}`,
    '--rotate-certificates=true',
  ])
  await until('the node', () => admin.get(resources.nodes, { name: 'node-1' }).catch(() => undefined))
  const { items } = await admin.list(resources.csrs)
  t.match(items[0]?.status?.conditions, [{ type: 'Approved', reason: 'AutoApproved' }])
  t.ok(existsSync(file('var/pki/kubelet-client-current.pem')))
  t.match(readFileSync(file('var/kubelet.conf'), 'utf8'), /client-certificate: .*kubelet-client-current\.pem/)
})
