import t from 'tap'
import { component as extensionApiserver } from '#components/extension-apiserver/index.ts'
import { parseReadings, readingBefore, usageOf } from '#components/extension-apiserver/samples.ts'
import { component as kubelet } from '#components/kubelet/index.ts'
import { createClient } from '#kubernetes/from-kubeconfig.ts'
import { resources } from '#kubernetes/resources.ts'
import { fileBundle } from '#tls/bundle.ts'
import { createDialer } from '#tls/dial.ts'
import { fileIdentity } from '#tls/identity.ts'
import { startCluster, until } from '../cluster.ts'

const at = (seconds: number) => new Date(seconds * 1000)

t.test('a reading has what a kubelet says, and nothing that is not whole', async t => {
  const { node, pods } = parseReadings(
    [
      '# HELP node_cpu_usage_seconds_total …',
      'node_cpu_usage_seconds_total 12.5 10000',
      'node_memory_working_set_bytes 2048 10000',
      'container_cpu_usage_seconds_total{container="main",namespace="default",pod="web"} 3 10000',
      'container_memory_working_set_bytes{container="main",namespace="default",pod="web"} 1024 10000',
      'container_cpu_usage_seconds_total{container="half",namespace="default",pod="web"} 3 10000',
      'something_else 1',
      '',
    ].join('\n'),
    at(0),
  )
  t.strictSame(node, { cpuSeconds: 12.5, memoryBytes: 2048, at: at(10) })
  t.strictSame([...(pods.get('default/web') ?? [])], [['main', { cpuSeconds: 3, memoryBytes: 1024, at: at(10) }]])
})

t.test('usage is what was used between two readings', async t => {
  const now = { at: at(20), cpuSeconds: 3, memoryBytes: 1024 }
  const before = { at: at(10), cpuSeconds: 1, memoryBytes: 1 }
  t.strictSame(usageOf(before, now), { at: at(20), windowSeconds: 10, cpu: '200000000n', memory: '1Ki' })
  t.equal(usageOf(undefined, now), undefined)
  t.equal(usageOf(now, now), undefined, 'not later')
  t.equal(usageOf({ ...before, cpuSeconds: 9 }, now), undefined, 'a counter that began anew')
})

t.test(
  'a container that is new since the last reading is measured from its start, once it is not that fresh',
  async t => {
    const now = { at: at(30), cpuSeconds: 3, memoryBytes: 1024 }
    t.equal(readingBefore(undefined, now), undefined)
    t.equal(readingBefore(undefined, { ...now, startedAt: at(25) }), undefined)
    t.match(readingBefore(undefined, { ...now, startedAt: at(10) }), { at: at(10), cpuSeconds: 0 })
    const before = { at: at(5), cpuSeconds: 9, memoryBytes: 1 }
    t.match(
      readingBefore(before, { ...now, startedAt: at(10) }),
      { at: at(10), cpuSeconds: 0 },
      'another container of that name',
    )
    t.equal(readingBefore(before, { ...now, startedAt: at(1) }), before)
  },
)

t.test('nodes and pods are measured by asking their kubelets', async t => {
  const cluster = await startCluster(t)
  const { file, start, context, admin } = cluster
  await admin.create(resources.serviceaccounts, { metadata: { name: 'default', namespace: 'default' } })
  await admin.create(resources.configmaps, {
    metadata: { name: 'kube-root-ca.crt', namespace: 'default' },
    data: { 'ca.crt': '' },
  })
  await start(kubelet, [
    `--kubeconfig=${file('kubelet.conf')}`,
    '--hostname-override=node-1',
    '--address=127.0.0.1',
    '--port=0',
    '--healthz-port=0',
    `--client-ca-file=${file('pki/ca.crt')}`,
    `--tls-cert-file=${file('kubelet/node-1/pki/kubelet.crt')}`,
    `--tls-private-key-file=${file('kubelet/node-1/pki/kubelet.key')}`,
    '--anonymous-auth=false',
  ])
  await admin.create(resources.pods, {
    metadata: { name: 'web', namespace: 'default', labels: { app: 'web' } },
    spec: { nodeName: 'node-1', containers: [{ name: 'main', image: 'nginx' }] },
  })
  const { addresses } = await start(extensionApiserver, [
    '--bind-address=127.0.0.1',
    '--secure-port=0',
    `--kubeconfig=${file('super-admin.conf')}`,
    `--kubelet-certificate-authority=${file('pki/ca.crt')}`,
    `--kubelet-client-certificate=${file('monitoring/client.crt')}`,
    `--kubelet-client-key=${file('monitoring/client.key')}`,
    '--kubelet-preferred-address-types=InternalIP',
    '--kubelet-use-node-status-port=true',
    '--metric-resolution=1s',
    `--tls-cert-file=${file('extension-apiserver/apiserver.crt')}`,
    `--tls-private-key-file=${file('extension-apiserver/apiserver.key')}`,
    `--requestheader-client-ca-file=${file('pki/front-proxy-ca.crt')}`,
    '--requestheader-allowed-names=front-proxy-client',
  ])
  const pair = { certFile: file('pki/front-proxy-client.crt'), keyFile: file('pki/front-proxy-client.key') }
  const names = { component: 'test', from: 'kube-apiserver', to: 'extension-apiserver' }
  const dialer = createDialer({
    ...context,
    ...names,
    identity: fileIdentity({ ...pair, reload: 'start', log: context.log }),
    roots: fileBundle({
      file: file('extension-apiserver/apiserver.crt'),
      reader: 'client-go',
      reload: 'start',
      log: context.log,
    }),
  })
  const client = createClient({ ...context, ...names, dialer, server: `https://127.0.0.1:${addresses.secure!.port}` })
  t.teardown(async () => {
    await client.close()
    await dialer.close()
  })
  const headers = { 'x-remote-user': 'jane' }
  const base = '/apis/metrics.k8s.io/v1beta1'
  const list = async (path: string) =>
    (await client.raw({ path: base + path, headers })).json<{ items: { metadata: { name: string } }[] }>()
  const pods = await until('figures', async () => {
    const found = await list('/pods')
    return found.items.length > 0 && found
  })
  t.match(pods.items, [
    {
      metadata: { name: 'web', namespace: 'default' },
      containers: [{ name: 'main', usage: { cpu: /^\d+n$/, memory: '4096Ki' } }],
    },
  ])
  t.match((await list('/nodes')).items, [{ metadata: { name: 'node-1' }, usage: { memory: /^\d+Ki$/ } }])
  t.equal((await list('/namespaces/default/pods?labelSelector=app%3Dother')).items.length, 0)
  t.equal((await client.raw({ path: `${base}/namespaces/default/pods/none`, headers })).status, 404)
  t.match(await (await client.raw({ path: `${base}/nodes/node-1`, headers })).json(), { kind: 'NodeMetrics' })
})
