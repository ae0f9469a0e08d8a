/** The controllers in a mesh of their own: objects come in through the API, and what they do is seen by watching it. */
import { spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { systemClock } from '#clock.ts'
import type { Client } from '#kubernetes/client.ts'
import { createClient } from '#kubernetes/from-kubeconfig.ts'
import { type Resource, resources } from '#kubernetes/resources.ts'
import type { CertificateSigningRequest, Deployment, KubeObject, Pod } from '#kubernetes/types.ts'
import { silentLog } from '#log.ts'
import { startMesh } from '#mesh/launcher.ts'
import { memoryRecords } from '#tls/records.ts'

// a whole mesh, on a machine that may be busy
t.setTimeout(180_000)
const hasOpenssl = spawnSync('openssl', ['version']).status === 0
const mesh = await startMesh({ isolation: 'in-process' })
t.teardown(() => mesh.stop())
const client = createClient({
  kubeconfig: mesh.kubeconfig,
  component: 'test',
  from: 'kubectl',
  to: 'kube-apiserver',
  clock: systemClock,
  voice: 'go1.24',
  log: silentLog,
  records: memoryRecords(),
})
t.teardown(() => client.close())

/** Watches a collection from now until its objects are as wanted; the last one seen of each. */
async function until<T extends KubeObject>(
  from: Client,
  resource: Resource<T>,
  namespace: string | undefined,
  wanted: (objects: T[]) => boolean,
): Promise<T[]> {
  const signal = AbortSignal.timeout(20_000)
  const at = namespace ? { namespace } : {}
  const list = await from.list(resource, at)
  const objects = new Map(list.items.map(object => [object.metadata.uid, object]))
  if (wanted([...objects.values()])) return [...objects.values()]
  for await (const { type, object } of from.watch(resource, {
    ...at,
    resourceVersion: list.metadata.resourceVersion ?? '',
    signal,
  })) {
    if (type === 'DELETED') objects.delete(object.metadata.uid)
    else if (type !== 'BOOKMARK') objects.set(object.metadata.uid, object)
    if (wanted([...objects.values()])) return [...objects.values()]
  }
  throw new Error(`${resource.resource} never came to be as wanted: ${JSON.stringify([...objects.values()])}`)
}

const isReady = ({ status }: Pod) =>
  status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')

async function namespaceOf(name: string): Promise<string> {
  await client.create(resources.namespaces, { metadata: { name } })
  await until(client, resources.serviceaccounts, name, accounts =>
    accounts.some(({ metadata }) => metadata.name === 'default'),
  )
  return name
}

const web = (namespace: string, image = 'nginx'): Deployment => ({
  metadata: { name: 'web', namespace },
  spec: {
    replicas: 3,
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image }] } },
  },
})

t.test('a Deployment becomes ready pods, rolls to a new template, and takes all with it when it goes', async t => {
  const namespace = await namespaceOf('workloads')
  await client.create(resources.deployments, web(namespace))
  await until(client, resources.pods, namespace, pods => pods.length === 3 && pods.every(pod => isReady(pod)))
  await until(client, resources.deployments, namespace, ([one]) => one?.status?.readyReplicas === 3)

  await client.patch(
    resources.deployments,
    { namespace, name: 'web' },
    { spec: { template: { spec: { containers: [{ name: 'web', image: 'nginx:2' }] } } } },
    { type: 'strategic' },
  )
  const pods = await until(
    client,
    resources.pods,
    namespace,
    all => all.length === 3 && all.every(pod => isReady(pod) && pod.spec.containers[0]?.image === 'nginx:2'),
  )
  t.equal(pods.length, 3)
  const sets = await until(
    client,
    resources.replicasets,
    namespace,
    all => all.length === 2 && all.some(set => set.spec.replicas === 0 && set.status?.replicas === 0),
  )
  t.equal(sets.length, 2, 'the old one is kept, empty, for a rollback')

  await client.delete(resources.deployments, { namespace, name: 'web' })
  await until(client, resources.replicasets, namespace, all => all.length === 0)
  t.strictSame(await until(client, resources.pods, namespace, all => all.length === 0), [])
})

t.test('a service leads to its ready pods, in Endpoints and in a slice', async t => {
  const namespace = await namespaceOf('services')
  await client.create(resources.services, {
    metadata: { name: 'web', namespace },
    spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }] },
  })
  await client.create(resources.deployments, web(namespace))
  const [slice] = await until(
    client,
    resources.endpointslices,
    namespace,
    all => all[0]?.endpoints.filter(({ conditions }) => conditions?.ready).length === 3,
  )
  t.match(slice, { ports: [{ port: 8080 }] })
  const [endpoints] = await until(
    client,
    resources.endpoints,
    namespace,
    all => JSON.stringify(all[0]?.subsets ?? []).split('"ip"').length === 4,
  )
  t.match(endpoints?.subsets, [{ ports: [{ port: 8080 }] }])
})

t.test('every namespace has the CA that pods trust, and a namespace that is deleted is emptied and goes', async t => {
  const namespace = await namespaceOf('emptied')
  const [ca] = await until(client, resources.configmaps, namespace, all => all.length > 0)
  t.equal(ca?.data?.['ca.crt'], readFileSync(join(mesh.dir, 'pki/ca.crt'), 'utf8'))
  await client.create(resources.deployments, web(namespace))
  await until(client, resources.pods, namespace, pods => pods.length === 3)
  await client.delete(resources.namespaces, { name: namespace })
  await until(client, resources.namespaces, undefined, all => !all.some(({ metadata }) => metadata.name === namespace))
  t.strictSame((await client.list(resources.pods, { namespace })).items, [])
})

t.test(
  'an approved CSR is signed by the cluster CA; one that breaks its signer’s rules fails and says why',
  { skip: !hasOpenssl && 'openssl is not on PATH' },
  async t => {
    const dir = t.testdir()
    spawnSync('openssl', [
      'req',
      '-new',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      join(dir, 'k'),
      '-subj',
      '/O=team/CN=jane',
      '-out',
      join(dir, 'csr'),
    ])
    const request = readFileSync(join(dir, 'csr')).toString('base64')
    const ask = async (name: string, signerName: string, usages: string[]) => {
      const csr = await client.create(resources.csrs, {
        metadata: { name },
        spec: { request, signerName: `kubernetes.io/${signerName}`, usages, expirationSeconds: 3600 },
      } as CertificateSigningRequest)
      const approved = { type: 'Approved', status: 'True' as const, reason: 'Test', message: '' }
      await client.updateSubresource(resources.csrs, { name }, 'approval', {
        ...csr,
        status: { conditions: [approved] },
      })
      const all = await until(client, resources.csrs, undefined, csrs =>
        csrs.some(
          ({ metadata, status }) =>
            metadata.name === name &&
            (status?.certificate || status?.conditions?.some(({ type }) => type === 'Failed')),
        ),
      )
      return all.find(({ metadata }) => metadata.name === name)!.status!
    }
    const good = await ask('jane', 'kube-apiserver-client', ['client auth'])
    const certificate = new X509Certificate(Buffer.from(good.certificate!, 'base64'))
    t.ok(certificate.verify(new X509Certificate(readFileSync(join(mesh.dir, 'pki/ca.crt'))).publicKey))
    t.match(certificate.subject, /O=team\nCN=jane/)
    t.strictSame(certificate.keyUsage, ['1.3.6.1.5.5.7.3.2'])
    const life = Date.parse(certificate.validTo) - Date.parse(certificate.validFrom)
    t.equal(life, 3_600_000 + 300_000, 'as long as was asked for, from five minutes ago')

    const bad = await ask('not-a-node', 'kubelet-serving', ['server auth', 'digital signature'])
    t.match(
      bad.conditions?.find(({ type }) => type === 'Failed'),
      { reason: 'SignerValidationFailure', message: 'subject organization is not system:nodes' },
    )
    t.notOk(bad.certificate)
  },
)

t.test('controllers speak as their own service accounts', async t => {
  const lists = await client.list(resources.serviceaccounts, { namespace: 'kube-system' })
  const names = lists.items.map(({ metadata }) => metadata.name)
  for (const name of [
    'deployment-controller',
    'replicaset-controller',
    'namespace-controller',
    'certificate-controller',
  ])
    t.ok(names.includes(name), name)
})
