import { readFileSync, statSync } from 'node:fs'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { component as scheduler } from '#components/kube-scheduler/index.ts'
import { component as kubelet } from '#components/kubelet/index.ts'
import type { Client } from '#kubernetes/client.ts'
import { createClient } from '#kubernetes/from-kubeconfig.ts'
import { resources } from '#kubernetes/resources.ts'
import type { Pod } from '#kubernetes/types.ts'
import { fileBundle } from '#tls/bundle.ts'
import { createDialer } from '#tls/dial.ts'
import { fileIdentity } from '#tls/identity.ts'
import type { Dialer } from '#tls/types.ts'
import { type Cluster, startCluster, until } from '../cluster.ts'

const webhook = ['--authorization-mode=Webhook', '--authentication-token-webhook=true', '--anonymous-auth=false']

/** node-1's kubelet with its certificate of the plan; its flags, and more of them. */
async function startKubelet(cluster: Cluster, more: string[] = []) {
  const { addresses } = await cluster.start(kubelet, [
    `--kubeconfig=${cluster.file('kubelet.conf')}`,
    '--hostname-override=node-1',
    '--address=127.0.0.1',
    '--port=0',
    '--healthz-port=0',
    `--client-ca-file=${cluster.file('pki/ca.crt')}`,
    `--cert-dir=${cluster.file('var/pki')}`,
    ...webhook,
    ...more,
  ])
  return addresses.secure!.port
}

const serving = (cluster: Cluster) => [
  `--tls-cert-file=${cluster.file('kubelet/node-1/pki/kubelet.crt')}`,
  `--tls-private-key-file=${cluster.file('kubelet/node-1/pki/kubelet.key')}`,
]

/** A client of the kubelet, as `name` of the PKI; undefined: with no certificate. */
function dial(t: Test, cluster: Cluster, port: number, name: string | undefined): { client: Client; dialer: Dialer } {
  const { context, file } = cluster
  const identity = name
    ? fileIdentity({ certFile: file(`${name}.crt`), keyFile: file(`${name}.key`), reload: 'start', log: context.log })
    : undefined
  const dialer = createDialer({
    ...context,
    component: 'test',
    from: 'kube-apiserver',
    to: 'kubelet',
    roots: fileBundle({ file: file('pki/ca.crt'), reader: 'client-go', reload: 'start', log: context.log }),
    ...(identity ? { identity } : {}),
  })
  const names = { component: 'test', from: 'kube-apiserver', to: 'kubelet' }
  const client = createClient({ ...context, ...names, dialer, server: `https://127.0.0.1:${port}` })
  t.teardown(async () => {
    await client.close()
    await dialer.close()
  })
  return { client, dialer }
}

const pod = (name: string, container: object, spec: object = {}): Pod =>
  ({
    metadata: { name, namespace: 'default' },
    spec: { containers: [{ name: 'main', image: 'busybox', ...container }], ...spec },
  }) as Pod

async function runPod(cluster: Cluster, wanted: Pod, phase = 'Running'): Promise<Pod> {
  const name = wanted.metadata.name!
  await cluster.admin.create(resources.pods, wanted)
  return until(`${name} is ${phase}`, async () => {
    const found = await cluster.admin.get(resources.pods, { namespace: 'default', name })
    return found.status?.phase === phase && found
  })
}

/** What the service account controller of kube-controller-manager would make. */
async function furnish({ admin }: Cluster) {
  await admin.create(resources.serviceaccounts, { metadata: { name: 'default', namespace: 'default' } })
  await admin.create(resources.configmaps, {
    metadata: { name: 'kube-root-ca.crt', namespace: 'default' },
    data: { 'ca.crt': 'the CA' },
  })
}

t.test('a node, its pods, and who may look at them', async t => {
  const cluster = await startCluster(t)
  await furnish(cluster)
  const port = await startKubelet(cluster, serving(cluster))
  await cluster.start(scheduler, [
    `--kubeconfig=${cluster.file('scheduler.conf')}`,
    '--secure-port=0',
    '--bind-address=127.0.0.1',
  ])
  const { admin } = cluster
  const { client, dialer } = dial(t, cluster, port, 'pki/apiserver-kubelet-client')
  await admin
    .create(resources.clusterrolebindings, {
      metadata: { name: 'kubelet-client' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:kubelet-api-admin' },
      subjects: [{ kind: 'User', name: 'kube-apiserver-kubelet-client', apiGroup: 'rbac.authorization.k8s.io' }],
    })
    .catch(() => {})

  await t.test('it registers its node with where it serves, and renews a lease', async t => {
    const node = await until('the node', () => admin.get(resources.nodes, { name: 'node-1' }).catch(() => undefined))
    t.match(node.status, {
      addresses: [
        { type: 'InternalIP', address: '127.0.0.1' },
        { type: 'Hostname', address: 'node-1' },
      ],
      daemonEndpoints: { kubeletEndpoint: { Port: port } },
    })
    t.equal(node.status?.conditions?.find(({ type }) => type === 'Ready')?.reason, 'KubeletReady')
    const lease = await until('the lease', () =>
      admin.get(resources.leases, { namespace: 'kube-node-lease', name: 'node-1' }).catch(() => undefined),
    )
    t.equal(lease.spec?.holderIdentity, 'node-1')
  })

  await t.test('a pod runs, and its conditions say so without leftovers', async t => {
    const { status } = await runPod(cluster, pod('web', {}))
    t.match(status?.containerStatuses, [{ name: 'main', ready: true, restartCount: 0, state: { running: {} } }])
    const ready = status?.conditions?.find(({ type }) => type === 'Ready')
    t.equal(ready?.status, 'True')
    t.equal(ready?.message, undefined)
    t.match(status?.podIP, /^10\.244\./)
  })

  await t.test('what a container said is its log, and more of it while it is followed', async t => {
    await runPod(
      cluster,
      pod('talker', { command: ['sh', '-c', 'echo one; echo two; sleep 0.3; echo three; sleep 1d'] }),
    )
    const log = async (query: string) =>
      (await client.raw({ path: `/containerLogs/default/talker/main${query}` })).text()
    await until('two lines', async () => (await log('')).includes('two'))
    t.equal(await log('?tailLines=1&limitBytes=2'), (await log('?tailLines=1')).slice(0, 2))
    t.match(await log('?timestamps=true&limitBytes=40'), /^\d{4}-\d\d-\d\dT[\d:.]+Z one/)
    const following = await client.raw({ path: '/containerLogs/default/talker/main?follow=true', streaming: true })
    let text = ''
    for await (const chunk of following.stream) {
      text += chunk
      if (text.includes('three')) break
    }
    t.equal(text, 'one\ntwo\nthree\n')
  })

  await t.test('a pod that ends is Succeeded or Failed, by its exit code', async t => {
    const never = { restartPolicy: 'Never' }
    await runPod(cluster, pod('good', { command: ['true'] }, never), 'Succeeded')
    const bad = await runPod(cluster, pod('bad', { command: ['sh', '-c', 'echo oops >&2; exit 3'] }, never), 'Failed')
    t.match(bad.status?.containerStatuses?.[0]?.state, { terminated: { exitCode: 3, reason: 'Error' } })
  })

  await t.test('one that crashes again and again waits longer and longer', async t => {
    await admin.create(resources.pods, pod('crash', { command: ['false'] }))
    const status = await until('CrashLoopBackOff', async () => {
      const { status } = await admin.get(resources.pods, { namespace: 'default', name: 'crash' })
      return status?.containerStatuses?.[0]?.state?.waiting?.reason === 'CrashLoopBackOff' && status
    })
    t.match(status.containerStatuses?.[0], { restartCount: 1, lastState: { terminated: { exitCode: 1 } } })
    t.match(
      status.containerStatuses?.[0]?.state?.waiting?.message,
      /^back-off 10s restarting failed container=main pod=crash_default/,
    )
  })

  await t.test('files and variables come from ConfigMaps and Secrets, which a pod waits for', async t => {
    const container = {
      command: ['sh', '-c', 'cat /etc/config/motd; echo "$PASSWORD is set" | wc; env; sleep 1d'],
      env: [{ name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 'db', key: 'password' } } }],
      volumeMounts: [{ name: 'config', mountPath: '/etc/config' }],
    }
    await admin.create(
      resources.pods,
      pod('configured', container, { volumes: [{ name: 'config', configMap: { name: 'motd' } }] }),
    )
    await until('FailedMount', async () => {
      const { items } = await admin.list(resources.events, { namespace: 'default' })
      return items.some(
        ({ message }) => message === 'MountVolume.SetUp failed for volume "config" : configmap "motd" not found',
      )
    })
    await admin.create(resources.configmaps, {
      metadata: { name: 'motd', namespace: 'default' },
      data: { motd: 'hello\n' },
    })
    await until('CreateContainerConfigError', async () => {
      const { status } = await admin.get(resources.pods, { namespace: 'default', name: 'configured' })
      return status?.containerStatuses?.[0]?.state?.waiting?.reason === 'CreateContainerConfigError'
    })
    await admin.create(resources.secrets, {
      metadata: { name: 'db', namespace: 'default' },
      stringData: { password: 'pw' },
    })
    const text = await until('its output', async () => {
      const answer = await client.raw({ path: '/containerLogs/default/configured/main' })
      const text = await answer.text()
      return text.includes('PASSWORD=pw') && text
    })
    t.match(text, /^hello\n/)
  })

  const exec = (path: string, send: (Buffer | string)[] = []) =>
    new Promise<{ out: string; status: unknown }>((resolve, reject) => {
      const socket = new WebSocket(`wss://127.0.0.1:${port}${path}`, 'v5.channel.k8s.io', {
        createConnection: (() => {
          throw new Error('never')
        }) as never,
        agent: {
          addRequest(request: { onSocket(socket: unknown): void }) {
            dialer.connect({ host: '127.0.0.1', port }).then(socket => request.onSocket(socket), reject)
          },
        } as never,
      })
      let out = ''
      let status: unknown
      socket.on('open', () => {
        for (const message of send) socket.send(message)
      })
      socket.on('message', (data: Buffer) => {
        if (data[0] === 3) status = JSON.parse(data.toString('utf8', 1))
        else out += data.toString('utf8', 1)
      })
      socket.on('close', () => resolve({ out, status }))
      socket.on('unexpected-response', (_request, response) => {
        let body = ''
        response.on('data', chunk => {
          body += chunk
        })
        response.on('end', () => resolve({ out: body, status: response.statusCode }))
      })
      socket.on('error', reject)
    })

  await t.test('exec runs the small programs of a container, with its exit code', async t => {
    const run = (...command: string[]) =>
      exec(
        `/exec/default/web/main?output=1&error=1&${command.map(word => `command=${encodeURIComponent(word)}`).join('&')}`,
      )
    t.strictSame(await run('hostname'), { out: 'web\n', status: { metadata: {}, status: 'Success' } })
    t.match(await run('sh', '-c', 'echo hi; exit 3'), {
      out: 'hi\n',
      status: { reason: 'NonZeroExitCode', details: { causes: [{ reason: 'ExitCode', message: '3' }] } },
    })
    t.match(await run('rm', '-rf', '/'), { status: { reason: 'InternalError' } })
    const token = await run('cat', '/var/run/secrets/kubernetes.io/serviceaccount/token')
    t.match(token.out, /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/, 'a real token, bound to the pod')
    t.match(await run('cat', '/var/run/secrets/kubernetes.io/serviceaccount/ca.crt'), { out: 'the CA' })
  })

  await t.test('exec reads what is typed until its end', async t => {
    const stdin = [Buffer.from('\0some '), Buffer.from('\0text'), Buffer.from([255, 0])]
    t.match(await exec('/exec/default/web/main?input=1&output=1&command=cat', stdin), {
      out: 'some text',
      status: { status: 'Success' },
    })
  })

  await t.test('what is not there is told as the original tells it', async t => {
    const answers: [string, number, string][] = [
      ['/containerLogs/default/none/main', 404, 'pod "none" does not exist\n'],
      ['/containerLogs/default/web/none', 404, 'container "none" not found in pod "web"\n'],
      [
        '/containerLogs/default/web/main?previous=true',
        400,
        'previous terminated container "main" in pod "web" not found\n',
      ],
      ['/exec/default/web/main?command=ls', 400, 'Upgrade request required\n'],
    ]
    for (const [path, status, text] of answers) {
      const answer = await client.raw({ path })
      t.equal(answer.status, status, path)
      t.equal(await answer.text(), text)
    }
  })

  await t.test('pods, metrics and statistics are served', async t => {
    const json = async (path: string) => (await client.raw({ path })).json<{ items?: Pod[]; pods?: unknown[] }>()
    t.ok((await json('/pods')).items?.some(({ metadata }) => metadata.name === 'web'))
    t.ok((await json('/runningpods/')).items?.some(({ metadata }) => metadata.name === 'web'))
    t.ok((await json('/stats/summary')).pods?.length)
    const text = async (path: string) => (await client.raw({ path })).text()
    t.match(
      await text('/metrics/resource'),
      /container_memory_working_set_bytes\{container="main",namespace="default",pod="web"\} \d+/,
    )
    t.match(await text('/metrics/cadvisor'), /container_cpu_usage_seconds_total\{.*pod="web"/)
    t.match(await text('/metrics'), /kubelet_certificate_manager_client_ttl_seconds/)
    t.equal(await text('/healthz'), 'ok')
  })

  await t.test(
    'no certificate, and one of another CA, is 401 in plain text after a handshake that ends well',
    async t => {
      for (const name of [undefined, 'pki/apiserver-etcd-client']) {
        const answer = await dial(t, cluster, port, name).client.raw({ path: '/pods' })
        t.equal(answer.status, 401)
        t.equal(await answer.text(), 'Unauthorized')
      }
      const record = await cluster.records.find(
        ({ to, end, http }) => to === 'kubelet' && end === 'server' && http?.status === 401,
      )
      t.match(record, { outcome: 'refused', layer: 'authentication', refusedBy: 'server' })
    },
  )

  await t.test('somebody without a permission is 403, with the subresource that was asked about', async t => {
    const { client } = dial(t, cluster, port, 'monitoring/client')
    const answer = await client.raw({ path: '/containerLogs/default/web/main' })
    t.equal(answer.status, 403)
    t.match(await answer.text(), /^Forbidden \(user=monitoring, verb=get, resource=nodes, subresource\(s\)=\[proxy\]\)/)
    const pods = await client.raw({ path: '/pods' })
    t.match(await pods.text(), /subresource\(s\)=\[pods proxy\]/)
  })

  await t.test('a pod that is deleted ends its containers and goes', async t => {
    await admin.delete(resources.pods, { namespace: 'default', name: 'talker' })
    await until('gone', async () => {
      const { items } = await admin.list(resources.pods, { namespace: 'default' })
      return !items.some(({ metadata }) => metadata.name === 'talker')
    })
    const { items } = await admin.list(resources.events, { namespace: 'default' })
    t.ok(items.some(({ reason, message }) => reason === 'Killing' && message === 'Stopping container main'))
  })
})

t.test('without a serving certificate the kubelet makes one, which names its host and no address', async t => {
  const cluster = await startCluster(t)
  const port = await startKubelet(cluster)
  const path = cluster.file('var/pki/kubelet.crt')
  t.match(readFileSync(path, 'utf8').match(/BEGIN CERTIFICATE/g)?.length, 2, 'the leaf, and the CA that signed it')
  t.equal(statSync(cluster.file('var/pki/kubelet.key')).mode & 0o777, 0o600)
  const refused = dial(t, cluster, port, 'pki/apiserver-kubelet-client').client.raw({ path: '/pods' })
  await t.rejects(refused, /x509: cannot validate certificate for 127\.0\.0\.1 because it doesn't contain any IP SANs/)
})

t.test('with serverTLSBootstrap there is no serving certificate until somebody approves one', async t => {
  const cluster = await startCluster(t)
  const port = await startKubelet(cluster, ['--rotate-server-certificates=true'])
  const { client } = dial(t, cluster, port, 'pki/apiserver-kubelet-client')
  await t.rejects(client.raw({ path: '/healthz' }), /remote error: tls: internal error/)
  const record = await cluster.records.find(
    ({ to, end, outcome }) => to === 'kubelet' && end === 'server' && outcome === 'refused',
  )
  t.match(record.message, 'no serving certificate available for the kubelet')
  const csr = await until('the CSR', async () => (await cluster.admin.list(resources.csrs)).items[0])
  t.match(csr.spec, {
    signerName: 'kubernetes.io/kubelet-serving',
    username: 'system:node:node-1',
    usages: ['digital signature', 'server auth'],
  })
})
