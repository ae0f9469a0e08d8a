import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { component as scheduler } from '#components/kube-scheduler/index.ts'
import { createClient } from '#kubernetes/from-kubeconfig.ts'
import { resources } from '#kubernetes/resources.ts'
import { fileBundle } from '#tls/bundle.ts'
import { createDialer } from '#tls/dial.ts'
import { fileIdentity } from '#tls/identity.ts'
import { type Cluster, startCluster, until } from '../cluster.ts'

const argv = ({ file }: Cluster, more: string[] = []) => [
  '--bind-address=127.0.0.1',
  '--secure-port=0',
  `--kubeconfig=${file('scheduler.conf')}`,
  `--authentication-kubeconfig=${file('scheduler.conf')}`,
  `--authorization-kubeconfig=${file('scheduler.conf')}`,
  `--client-ca-file=${file('pki/ca.crt')}`,
  `--cert-dir=${file('kube-scheduler')}`,
  ...more,
]

/** A client of the scheduler that pins its serving certificate, as `name` of the PKI. */
function dial(t: Test, { context, file }: Cluster, port: number, name?: string, token?: string) {
  const names = { component: 'test', from: 'monitoring', to: 'kube-scheduler' }
  const pair = { certFile: file(`${name}.crt`), keyFile: file(`${name}.key`) }
  const roots = fileBundle({
    file: file('kube-scheduler/kube-scheduler.crt'),
    reader: 'client-go',
    reload: 'start',
    log: context.log,
  })
  const dialer = createDialer({
    ...context,
    ...names,
    roots,
    ...(name ? { identity: fileIdentity({ ...pair, reload: 'start', log: context.log }) } : {}),
  })
  const more = token ? { token: () => token } : {}
  const client = createClient({ ...context, ...names, dialer, server: `https://127.0.0.1:${port}`, ...more })
  t.teardown(async () => {
    await client.close()
    await dialer.close()
  })
  return client
}

t.test('who may look at the scheduler', async t => {
  const cluster = await startCluster(t)
  const { addresses } = await cluster.start(scheduler, argv(cluster))
  const { port } = addresses.secure!
  const ask = async (path: string, name?: string, token?: string) => {
    const answer = await dial(t, cluster, port, name, token).raw({ path })
    return { status: answer.status, text: await answer.text() }
  }

  await t.test('health is for everybody', async t => {
    await until('it is well', async () => (await ask('/readyz')).status === 200)
    t.match(await ask('/readyz?verbose'), {
      text: /\[\+\]leaderElection ok\n[\s\S]*\[\+\]sched-handler-sync ok\n[\s\S]*readyz check passed/,
    })
    t.match(await ask('/livez'), { status: 200, text: 'ok' })
  })

  await t.test('metrics are for whoever kube-apiserver says', async t => {
    t.match(await ask('/metrics', 'monitoring/client'), {
      status: 200,
      text: /leader_election_master_status\{name="kube-scheduler"\} 1/,
    })
    t.match(await ask('/metrics'), { status: 403, text: /User \\"system:anonymous\\" cannot get path \\"\/metrics\\"/ })
    t.match(await ask('/metrics', 'pki/apiserver-kubelet-client'), { status: 403 })
  })

  await t.test('a certificate of another CA is 401, even on a public path', async t => {
    t.match(await ask('/metrics', 'pki/apiserver-etcd-client'), { status: 401, text: /"reason":"Unauthorized"/ })
    t.match(await ask('/healthz', 'pki/apiserver-etcd-client'), { status: 401 })
    const record = await cluster.records.find(
      ({ to, end, http }) => to === 'kube-scheduler' && end === 'server' && http?.status === 401,
    )
    t.match(record, { outcome: 'refused', layer: 'authentication', reason: 'unknown-authority' })
  })

  await t.test('a token is looked up with kube-apiserver', async t => {
    const { admin } = cluster
    await admin.create(resources.serviceaccounts, { metadata: { name: 'prometheus', namespace: 'default' } })
    const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { audiences: [] } }
    const at = { namespace: 'default', name: 'prometheus' }
    const { status } = (await admin.createSubresource(resources.serviceaccounts, at, 'token', request)) as {
      status?: { token: string }
    }
    t.match(await ask('/metrics', undefined, status!.token), {
      status: 403,
      text: /system:serviceaccount:default:prometheus/,
    })
    t.match(await ask('/metrics', undefined, 'nonsense'), { status: 401 })
  })
})

t.test('whom to trust is taken from kube-apiserver when no flag says it', async t => {
  const cluster = await startCluster(t)
  const flags = argv(cluster).filter(flag => !flag.startsWith('--client-ca-file'))
  const { addresses } = await cluster.start(scheduler, flags)
  const { port } = addresses.secure!
  const monitoring = dial(t, cluster, port, 'monitoring/client')
  await until('metrics', async () => (await monitoring.raw({ path: '/metrics' })).status === 200)
  const proxy = dial(t, cluster, port, 'pki/front-proxy-client')
  const headers = { 'x-remote-user': 'root', 'x-remote-group': 'system:masters' }
  t.equal((await proxy.raw({ path: '/metrics', headers })).status, 200, 'and so is the front proxy')
})

t.test('a serving pair that is missing is made in --cert-dir, signed by a CA of its own', async t => {
  const cluster = await startCluster(t)
  const dir = cluster.file('made')
  await cluster.start(scheduler, [...argv(cluster), `--cert-dir=${dir}`])
  t.equal(readFileSync(`${dir}/kube-scheduler.crt`, 'utf8').match(/BEGIN CERTIFICATE/g)?.length, 2)
  t.equal(statSync(`${dir}/kube-scheduler.key`).mode & 0o777, 0o600)
  t.equal(statSync(dir).mode & 0o777, 0o700)
})

t.test('a lease that somebody else took ends the scheduler', async t => {
  const cluster = await startCluster(t)
  const fast = [
    '--leader-elect-lease-duration=3s',
    '--leader-elect-renew-deadline=2s',
    '--leader-elect-retry-period=500ms',
  ]
  const running = await cluster.start(scheduler, argv(cluster, fast))
  const at = { namespace: 'kube-system', name: 'kube-scheduler' }
  const lease = await until('the lease', async () => {
    const found = await cluster.admin.get(resources.leases, at).catch(() => undefined)
    return found?.spec?.holderIdentity ? found : undefined
  })
  const renewTime = new Date(Date.now() + 60_000).toISOString().replace('Z', '000Z')
  await until('it is taken', async () => {
    const body = { spec: { ...lease.spec, holderIdentity: 'somebody-else', leaseDurationSeconds: 60, renewTime } }
    await cluster.admin.patch(resources.leases, at, body)
    return true
  })
  t.equal((await running.failed).message, 'leaderelection lost')
})

t.test('a KubeSchedulerConfiguration names the kubeconfig; what is none is said', async t => {
  const cluster = await startCluster(t)
  const config = cluster.file('scheduler.yaml')
  const local = ['--bind-address=127.0.0.1', '--secure-port=0', `--config=${config}`]
  writeFileSync(
    config,
    `apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nclientConnection:\n  kubeconfig: ${cluster.file('scheduler.conf')}\n`,
  )
  await cluster.start(scheduler, local)
  await until('its lease', () =>
    cluster.admin.get(resources.leases, { namespace: 'kube-system', name: 'kube-scheduler' }).catch(() => undefined),
  )
  writeFileSync(config, 'kind: Other\n')
  await t.rejects(cluster.start(scheduler, local), { code: 'TP_INPUT_INVALID' })
  await t.rejects(cluster.start(scheduler, ['--config=/nowhere']), { code: 'TP_FILE_UNREADABLE' })
})

const refusals: { name: string; flags: string[]; error: { code?: string; fix?: string; message?: RegExp } }[] = [
  {
    name: 'an unknown flag',
    flags: ['--kubeconfg=x'],
    error: { code: 'TP_FLAG_UNKNOWN', fix: 'did you mean --kubeconfig?' },
  },
  { name: 'no kubeconfig', flags: [], error: { message: /no such file or directory|no configuration/ } },
  { name: 'a key without its certificate', flags: ['--tls-private-key-file=x'], error: { code: 'TP_FLAG_INVALID' } },
  {
    name: 'a TLS version that there is none of',
    flags: ['--tls-min-version=VersionTLS14'],
    error: { code: 'TP_FLAG_INVALID' },
  },
  {
    name: 'a cipher suite that there is none of',
    flags: ['--tls-cipher-suites=ROT13'],
    error: { message: /Cipher suite ROT13 not supported/ },
  },
]
t.test('it does not start with', async t => {
  const cluster = await startCluster(t)
  for (const { name, flags, error } of refusals) {
    await t.test(name, async t => {
      const base = flags.length > 0 && !flags[0]!.startsWith('--kubeconfg') ? argv(cluster) : []
      await t.rejects(cluster.start(scheduler, [...base, ...flags]), error as unknown as Error)
    })
  }
  t.ok(existsSync(cluster.dir))
})
