/** kubeadm's table (kubernetes/kubernetes, certlist.go and kubeconfig.go) against certs/kubeadm.yaml, both ways. */
import t from 'tap'
import { systemClock } from '#clock.ts'
import { issuePki } from '#pki/issue.ts'
import { readKubeconfigIdentity } from '#pki/kubeconfig.ts'
import { applyChanges, loadPlan } from '#pki/plan.ts'
import { read } from './reading.ts'

interface Row {
  name: string
  file: string
  commonName: string
  organizations: string[]
  issuer: string
  usages: string[]
  dnsNames?: string[]
  ipAddresses?: string[]
}

const both = ['serverAuth', 'clientAuth']
const client = ['clientAuth']

const certificates: Row[] = [
  {
    name: 'apiserver',
    file: 'apiserver',
    commonName: 'kube-apiserver',
    organizations: [],
    issuer: 'kubernetes',
    usages: ['serverAuth'],
    dnsNames: [
      'node-1',
      'kubernetes',
      'kubernetes.default',
      'kubernetes.default.svc',
      'kubernetes.default.svc.cluster.local',
    ],
    ipAddresses: ['10.96.0.1', '127.0.0.1'],
  },
  {
    name: 'apiserver-kubelet-client',
    file: 'apiserver-kubelet-client',
    commonName: 'kube-apiserver-kubelet-client',
    organizations: [],
    issuer: 'kubernetes',
    usages: client,
  },
  {
    name: 'front-proxy-client',
    file: 'front-proxy-client',
    commonName: 'front-proxy-client',
    organizations: [],
    issuer: 'front-proxy-ca',
    usages: client,
  },
  {
    name: 'etcd-server',
    file: 'etcd/server',
    commonName: 'node-1',
    organizations: [],
    issuer: 'etcd-ca',
    usages: both,
    dnsNames: ['node-1', 'localhost'],
    ipAddresses: ['127.0.0.1', '::1'],
  },
  {
    name: 'etcd-peer',
    file: 'etcd/peer',
    commonName: 'node-1',
    organizations: [],
    issuer: 'etcd-ca',
    usages: both,
    dnsNames: ['node-1', 'localhost'],
    ipAddresses: ['127.0.0.1', '::1'],
  },
  {
    name: 'etcd-healthcheck-client',
    file: 'etcd/healthcheck-client',
    commonName: 'kube-etcd-healthcheck-client',
    organizations: [],
    issuer: 'etcd-ca',
    usages: client,
  },
  {
    name: 'apiserver-etcd-client',
    file: 'apiserver-etcd-client',
    commonName: 'kube-apiserver-etcd-client',
    organizations: [],
    issuer: 'etcd-ca',
    usages: client,
  },
]

const kubeconfigs: Row[] = [
  ['admin.conf', 'kubernetes-admin', ['kubeadm:cluster-admins']],
  ['super-admin.conf', 'kubernetes-super-admin', ['system:masters']],
  ['controller-manager.conf', 'system:kube-controller-manager', []],
  ['scheduler.conf', 'system:kube-scheduler', []],
  ['kubelet.conf', 'system:node:node-1', ['system:nodes']],
  ['kube-proxy.conf', 'system:kube-proxy', ['system:node-proxier']],
].map(([name, commonName, organizations]) => ({
  name: name as string,
  file: name as string,
  commonName: commonName as string,
  organizations: organizations as string[],
  issuer: 'kubernetes',
  usages: client,
}))

const authorities = [
  ['ca', 'ca', 'kubernetes'],
  ['front-proxy-ca', 'front-proxy-ca', 'front-proxy-ca'],
  ['etcd-ca', 'etcd/ca', 'etcd-ca'],
] as const

const leafUsages = ['digitalSignature', 'keyEncipherment']
const day = 86_400_000
const now = new Date('2026-11-24T10:00:00.700Z')
const clock = { now: () => now }
/** now, as a certificate can say it. */
const second = Math.floor(now.getTime() / 1000) * 1000

t.test('the files under pki/ are kubeadm’s 22, and the kubeconfigs its five and kube-proxy’s', async t => {
  const files = await issuePki(await loadPlan('kubeadm'), systemClock)
  const pki = [...files.keys()].filter(path => path.startsWith('pki/')).sort()
  const expected = [...authorities.map(([, file]) => file), ...certificates.map(row => row.file)].flatMap(file => [
    `pki/${file}.crt`,
    `pki/${file}.key`,
  ])
  t.strictSame(pki, [...expected, 'pki/sa.key', 'pki/sa.pub'].sort())
  t.equal(pki.length, 22)
  t.strictSame([...files.keys()].filter(path => path.endsWith('.conf')).sort(), kubeconfigs.map(row => row.file).sort())
})

t.test('keys and kubeconfigs are for their owner alone, certificates for everybody', async t => {
  for (const [path, { mode }] of await issuePki(await loadPlan('kubeadm'), systemClock)) {
    t.equal(mode, path.endsWith('.crt') ? 0o644 : 0o600, path)
  }
})

t.test('every row of the plan that kubeadm manages is in kubeadm’s table', async t => {
  const plan = await loadPlan('kubeadm')
  const managed = [...plan.certificates, ...plan.kubeconfigs].filter(row => row.managed).map(row => row.name)
  const kubeadms = [...certificates, ...kubeconfigs]
    .map(row => row.name)
    // the kubelet renews its own, and kubeadm knows no kube-proxy.conf
    .filter(name => name !== 'kubelet.conf' && name !== 'kube-proxy.conf')
  t.strictSame(managed.sort(), kubeadms.sort())
  t.strictSame(
    plan.authorities.map(row => row.name),
    authorities.map(([name]) => name),
  )
})

t.test('authorities are as client-go’s NewSelfSignedCACert makes them', async t => {
  const files = await issuePki(await loadPlan('kubeadm'), clock)
  for (const [, file, commonName] of authorities) {
    const ca = read(files.get(`pki/${file}.crt`)!.content)
    t.match(
      ca,
      {
        commonName,
        issuer: commonName,
        organizations: [],
        isCa: true,
        extKeyUsages: [],
        dnsNames: [commonName],
        ipAddresses: [],
      },
      file,
    )
    t.strictSame(ca.keyUsages.sort(), [...leafUsages, 'keyCertSign'].sort())
    t.equal(ca.notBefore.getTime(), second - 5 * 60_000, 'back-dated by 5 minutes')
    t.equal(ca.notAfter.getTime(), second + 3650 * day)
    t.ok(ca.subjectKeyId)
    t.equal(ca.authorityKeyId, ca.subjectKeyId)
    t.ok(ca.node.verify(ca.node.publicKey))
  }
})

t.test('certificates and kubeconfigs are as kubeadm makes them', async t => {
  const files = await issuePki(await loadPlan('kubeadm'), clock)
  const cas = authorities.map(([, file]) => read(files.get(`pki/${file}.crt`)!.content))
  const rows = [
    ...certificates.map(row => ({ row, pem: files.get(`pki/${row.file}.crt`)!.content })),
    ...kubeconfigs.map(row => ({
      row,
      pem: readKubeconfigIdentity(files.get(row.file)!.content, row.file).clientCertificate,
    })),
  ]
  for (const { row, pem } of rows) {
    const leaf = read(pem)
    const ca = cas.find(candidate => candidate.commonName === row.issuer)!
    t.strictSame(
      {
        name: row.name,
        file: row.file,
        commonName: leaf.commonName,
        organizations: leaf.organizations,
        issuer: leaf.issuer,
        usages: leaf.extKeyUsages,
        dnsNames: leaf.dnsNames,
        ipAddresses: leaf.ipAddresses,
      },
      { dnsNames: [], ipAddresses: [], ...row },
    )
    t.strictSame(leaf.keyUsages.sort(), leafUsages)
    t.strictSame(leaf.critical.sort(), ['2.5.29.15', '2.5.29.19'], 'key usage and basic constraints are critical')
    t.equal(leaf.isCa, false)
    t.ok(leaf.node.verify(ca.node.publicKey))
    t.equal(leaf.notBefore.getTime(), ca.notBefore.getTime(), 'begins with its authority')
    t.equal(leaf.notAfter.getTime(), second + 365 * day)
    t.equal(leaf.authorityKeyId, ca.subjectKeyId)
    t.match(leaf.subjectKeyId, /^[0-9a-f]{40}$/)
    t.ok(leaf.serial > 0n && leaf.serial < 2n ** 63n)
  }
  t.equal(new Set(rows.map(({ pem }) => read(pem).serial)).size, rows.length)
})

t.test('what kubeadm changed goes by the Kubernetes version', async t => {
  const plan = await loadPlan('kubeadm')
  const groups = async (version: string) => {
    const at = await applyChanges(plan, { kubernetesVersion: version })
    const rows = [...at.certificates, ...at.kubeconfigs]
    return Object.fromEntries(
      [
        'apiserver-kubelet-client',
        'apiserver-etcd-client',
        'etcd-healthcheck-client',
        'admin.conf',
        'super-admin.conf',
      ].map(name => [name, rows.find(row => row.name === name)?.organizations.join()]),
    )
  }
  const before129 = {
    'apiserver-kubelet-client': 'system:masters',
    'apiserver-etcd-client': 'system:masters',
    'etcd-healthcheck-client': 'system:masters',
    'admin.conf': 'system:masters',
    'super-admin.conf': undefined,
  }
  const since129 = {
    'apiserver-kubelet-client': 'kubeadm:cluster-admins',
    'apiserver-etcd-client': '',
    'etcd-healthcheck-client': '',
    'admin.conf': 'kubeadm:cluster-admins',
    'super-admin.conf': 'system:masters',
  }
  const newest = { ...since129, 'apiserver-kubelet-client': '' }
  for (const [version, expected] of [
    ['1.20', before129],
    ['1.28', before129],
    ['v1.28.15', before129],
    ['1.29', since129],
    ['1.29.0', since129],
    ['1.34', since129],
    ['1.35.4', since129],
    ['1.35.5', newest],
    ['1.35', newest],
    ['1.36', newest],
    ['1.37', newest],
  ] as const) {
    t.strictSame(await groups(version), expected, version)
  }
})

t.test('kubelets of further nodes get their own serving certificate and kubeconfig', async t => {
  const plan = await applyChanges(await loadPlan('kubeadm'), {
    cluster: { nodes: [{ name: 'node-1' }, { name: 'node-2', address: '127.0.0.2' }] },
  })
  const files = await issuePki(plan, clock)
  const serving = read(files.get('kubelet/node-2/pki/kubelet.crt')!.content)
  t.match(serving, { commonName: 'system:node:node-2', dnsNames: ['node-2'], ipAddresses: ['127.0.0.2'] })
  const identity = readKubeconfigIdentity(files.get('kubelet/node-2/kubelet.conf')!.content, '')
  t.match(read(identity.clientCertificate), { commonName: 'system:node:node-2', organizations: ['system:nodes'] })
  t.match(read(files.get('kubelet/node-1/pki/kubelet.crt')!.content), { dnsNames: ['node-1'] })
})

t.test('the apiserver’s names follow the cluster’s parameters', async t => {
  const plan = await applyChanges(await loadPlan('kubeadm'), {
    cluster: {
      nodeName: 'cp-1',
      advertiseAddress: '192.0.2.10',
      serviceIP: '10.0.0.1',
      dnsDomain: 'example.test',
      server: 'https://api.example.test:6443',
      apiServerCertSANs: ['extra.example.test', '192.0.2.99'],
    },
  })
  const apiserver = read((await issuePki(plan, clock)).get('pki/apiserver.crt')!.content)
  t.strictSame(apiserver.dnsNames, [
    'cp-1',
    'kubernetes',
    'kubernetes.default',
    'kubernetes.default.svc',
    'kubernetes.default.svc.example.test',
    'api.example.test',
    'extra.example.test',
  ])
  t.strictSame(apiserver.ipAddresses, ['10.0.0.1', '192.0.2.10', '192.0.2.99'])
})
