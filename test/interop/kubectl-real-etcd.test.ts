/** The apiserver alone on a real etcd with --client-cert-auth, and every kubectl: validation, conflicts, columns, protobuf bodies, what lies in etcd. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { systemClock } from '#clock.ts'
import { component } from '#components/kube-apiserver/index.ts'
import { silentLog } from '#log.ts'
import { createPki } from '#pki/create.ts'
import { withServer } from '#pki/kubeconfig.ts'
import { loadPlan } from '#pki/plan.ts'
import { memoryRecords } from '#tls/records.ts'
import { kubectls, program } from './programs.ts'

const etcd = program('etcd')
const etcdctl = program('etcdctl')
// One of each way to speak: no OpenAPI v3 (1.20), the last with SPDY alone (1.28, 1.29), protobuf bodies (1.32 on).
const found = kubectls().filter(({ minor }) => minor < 27 || [28, 29].includes(minor) || minor >= 32)
// Every kubectl runs about fifty commands.
t.setTimeout(300_000)

const skip = etcd.skip || etcdctl.skip || (found.length === 0 && 'kubectl is not on PATH')

interface Ran {
  code: number
  stdout: string
  stderr: string
}

/** Not spawnSync: the apiserver is in this process. */
function run(
  path: string,
  args: readonly string[],
  input?: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Ran> {
  return new Promise(resolve => {
    const child = execFile(
      path,
      [...args],
      { env: { ...env, NODE_OPTIONS: '' }, timeout: 60_000 },
      (error, stdout, stderr) => resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr }),
    )
    child.stdin?.end(input ?? '')
  })
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  return port
}

t.test('kubectl, kube-apiserver stand-in, real etcd', { skip, timeout: 300_000 }, async t => {
  const dir = t.testdir()
  const file = (path: string) => join(dir, path)
  await createPki({ plan: await loadPlan(), dir })
  const [client, peer] = [await freePort(), await freePort()]
  const server: ChildProcess = spawn(
    etcd.path,
    [
      '--name=default',
      `--data-dir=${file('etcd-data')}`,
      `--listen-client-urls=https://127.0.0.1:${client}`,
      `--advertise-client-urls=https://127.0.0.1:${client}`,
      `--listen-peer-urls=http://127.0.0.1:${peer}`,
      `--initial-advertise-peer-urls=http://127.0.0.1:${peer}`,
      `--initial-cluster=default=http://127.0.0.1:${peer}`,
      `--cert-file=${file('pki/etcd/server.crt')}`,
      `--key-file=${file('pki/etcd/server.key')}`,
      '--client-cert-auth=true',
      `--trusted-ca-file=${file('pki/etcd/ca.crt')}`,
    ],
    { stdio: 'ignore' },
  )
  const ended = once(server, 'exit')
  t.teardown(async () => {
    server.kill()
    await ended
  })
  const records = memoryRecords()
  const apiserver = await component.start(
    [
      '--bind-address=127.0.0.1',
      '--secure-port=0',
      '--authorization-mode=Node,RBAC',
      '--enable-admission-plugins=NodeRestriction',
      `--client-ca-file=${file('pki/ca.crt')}`,
      `--etcd-servers=https://127.0.0.1:${client}`,
      `--etcd-cafile=${file('pki/etcd/ca.crt')}`,
      `--etcd-certfile=${file('pki/apiserver-etcd-client.crt')}`,
      `--etcd-keyfile=${file('pki/apiserver-etcd-client.key')}`,
      '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
      `--service-account-key-file=${file('pki/sa.pub')}`,
      `--service-account-signing-key-file=${file('pki/sa.key')}`,
      `--tls-cert-file=${file('pki/apiserver.crt')}`,
      `--tls-private-key-file=${file('pki/apiserver.key')}`,
    ],
    { clock: systemClock, voice: 'go1.24', log: silentLog, records },
  )
  t.teardown(() => apiserver.stop())
  const address = `https://127.0.0.1:${apiserver.addresses.secure!.port}`
  writeFileSync(file('admin.conf'), withServer(readFileSync(file('admin.conf'), 'utf8'), address), { mode: 0o600 })

  for (const { path, version, minor } of found) {
    await t.test(`kubectl ${version}`, { timeout: 120_000 }, async t => {
      const base = ['--kubeconfig', file('admin.conf'), '--cache-dir', file(`cache-${version}`)]
      const kubectl = (args: string, input?: string) =>
        run(path, [...base, ...args.split(' ')], input, { ...process.env, KUBE_EDITOR: 'sed -i s/a:.b/a:\\ edited/' })
      const ok = async (args: string, pattern: RegExp, input?: string) => {
        const { code, stdout, stderr } = await kubectl(args, input)
        t.equal(code, 0, `${args}: exit 0 ${stderr}`)
        t.match(stdout, pattern, `${args}: what it prints`)
        return stdout
      }
      const ns = `v${minor}`
      await ok(`create namespace ${ns}`, /created/)
      await ok(`create serviceaccount default -n ${ns}`, /created/)
      await ok(`create configmap settings -n ${ns} --from-literal=a=b`, /created/)
      await ok(`create secret generic hidden -n ${ns} --from-literal=a=b`, /created/)
      await ok(`get secret hidden -n ${ns}`, /NAME\s+TYPE\s+DATA\s+AGE\s+hidden\s+Opaque\s+1/)

      t.comment('what is misspelt is refused before it is stored')
      const misspelt = await kubectl(
        'apply -f -',
        JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'bad', namespace: ns }, dota: {} }),
      )
      t.equal(misspelt.code, 1)
      t.match(misspelt.stderr, /unknown field "dota"/)

      t.comment('client-side and server-side apply, with their conflicts')
      const deployment = (replicas: number) =>
        JSON.stringify({
          apiVersion: 'apps/v1',
          kind: 'Deployment',
          metadata: { name: 'web', namespace: ns },
          spec: {
            replicas,
            selector: { matchLabels: { app: 'web' } },
            template: {
              metadata: { labels: { app: 'web' } },
              spec: { containers: [{ name: 'web', image: 'nginx', ports: [{ containerPort: 80 }] }] },
            },
          },
        })
      await ok('apply -f -', /deployment.apps\/web created/, deployment(1))
      await ok('apply -f -', /deployment.apps\/web configured/, deployment(2))
      await ok('apply -f -', /deployment.apps\/web unchanged/, deployment(2))
      await ok(
        `get deployment web -n ${ns} -o wide`,
        /READY\s+UP-TO-DATE\s+AVAILABLE\s+AGE\s+CONTAINERS\s+IMAGES\s+SELECTOR\s+web\s+0\/2/,
      )
      await ok('apply --server-side --force-conflicts -f -', /serverside-applied/, deployment(3))
      await ok('apply --server-side -f -', /serverside-applied/, deployment(3))
      await ok(`patch deployment web -n ${ns} -p {"spec":{"replicas":7}}`, /patched/)
      const conflict = await kubectl('apply --server-side -f -', deployment(3))
      t.equal(conflict.code, 1)
      t.match(
        conflict.stderr,
        /Apply failed with 1 conflict: conflict with "kubectl-patch" using apps\/v1: \.spec\.replicas/,
      )

      t.comment('the other ways to change something')
      await ok(`label configmap settings -n ${ns} x=y`, /labeled/)
      await ok(`annotate configmap settings -n ${ns} x=y`, /annotated?/)
      await ok(`edit configmap settings -n ${ns}`, /edited/)
      await ok(
        `patch configmap settings -n ${ns} --type=json -p [{"op":"remove","path":"/metadata/labels"}]`,
        /patched/,
      )
      await ok(`get configmap settings -n ${ns} -o jsonpath={.data.a}{.metadata.labels}`, /^edited$/)
      const watching = spawn(path, [...base, 'get', 'configmaps', '-n', ns, '-w', '-o', 'name'], {
        stdio: ['ignore', 'pipe', 'ignore'],
      })
      t.teardown(() => watching.kill())
      let seen = ''
      watching.stdout.on('data', chunk => {
        seen += chunk
      })
      while (!seen.includes('settings')) await sleep(20)
      await ok(`create configmap later -n ${ns}`, /created/)
      while (!seen.includes('later')) await sleep(20)
      watching.kill()

      t.comment('identity')
      await ok('auth can-i delete nodes', /^yes/)
      const denied = await kubectl(`auth can-i delete nodes --as=system:serviceaccount:${ns}:default`)
      t.match(denied.stdout, /^no/)
      // 1.27 asks for v1beta1 alone
      if (minor >= 28) await ok('auth whoami -o jsonpath={.status.userInfo.username}', /^kubernetes-admin$/)
      if (minor >= 24) await ok(`create token default -n ${ns}`, /^ey/)
      const forbidden = await kubectl(`get nodes --as=jane`)
      t.match(
        forbidden.stderr,
        /Error from server \(Forbidden\): nodes is forbidden: User "jane" cannot list resource "nodes" in API group "" at the cluster scope/,
      )

      t.comment('what there is')
      await ok('explain pod.spec.containers', /imagePullPolicy/)
      await ok('api-resources', /deployments\s+deploy\s+apps\/v1\s+true\s+Deployment/)
      await ok('get apiservices', /v1\.apps\s+Local\s+True/)
      t.match(
        (await kubectl('get configmap nothing')).stderr,
        /Error from server \(NotFound\): configmaps "nothing" not found/,
      )
      await ok(`delete configmap,secret --all -n ${ns}`, /configmap "settings" deleted/)
      await ok(`delete deployment web -n ${ns} --cascade=${minor >= 20 ? 'background' : 'true'}`, /deleted/)
    })
  }

  await t.test('everything is in etcd, under /registry', async t => {
    const { stdout } = await run(
      etcdctl.path,
      [
        'get',
        '/registry/',
        '--prefix',
        '--keys-only',
        `--endpoints=https://127.0.0.1:${client}`,
        `--cacert=${file('pki/etcd/ca.crt')}`,
        `--cert=${file('pki/etcd/healthcheck-client.crt')}`,
        `--key=${file('pki/etcd/healthcheck-client.key')}`,
      ],
      undefined,
      { ...process.env, ETCDCTL_API: '3' },
    )
    for (const key of [
      '/registry/namespaces/default',
      '/registry/services/specs/default/kubernetes',
      '/registry/clusterroles/cluster-admin',
      '/registry/configmaps/kube-public/cluster-info',
    ])
      t.ok(stdout.includes(`${key}\n`), key)
    t.ok(
      records.records.some(({ to, outcome, peer }) => to === 'etcd' && outcome === 'ok' && peer?.[0]),
      'over TLS that both ends checked',
    )
  })
})
