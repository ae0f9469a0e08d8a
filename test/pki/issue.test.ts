import { createPrivateKey, createPublicKey } from 'node:crypto'
import t from 'tap'
import { issueCertificate } from '#pki/certificates.ts'
import { issuePki } from '#pki/issue.ts'
import { generateKey } from '#pki/keys.ts'
import { readKubeconfigIdentity } from '#pki/kubeconfig.ts'
import { applyChanges, loadPlan } from '#pki/plan.ts'
import { keyAlgorithms, type PlanChanges } from '#pki/types.ts'
import { read } from './reading.ts'

const now = new Date('2026-11-24T10:00:00Z')
const clock = { now: () => now }
const day = 86_400_000

async function issued(changes: PlanChanges) {
  const files = await issuePki(await applyChanges(await loadPlan('kubeadm'), changes), clock)
  return { files, read: (path: string) => read(files.get(path)!.content) }
}

t.test('a certificate from another authority says so', async t => {
  const pki = await issued({ certificates: { 'apiserver-etcd-client': { issuer: 'ca' } } })
  t.equal(pki.read('pki/apiserver-etcd-client.crt').issuer, 'kubernetes')
})

t.test('an expired certificate has lived for its usual time', async t => {
  const pki = await issued({ certificates: { apiserver: { notAfter: '-1d' } } })
  const { notBefore, notAfter } = pki.read('pki/apiserver.crt')
  t.equal(notAfter.getTime(), now.getTime() - day)
  t.equal(notBefore.getTime(), now.getTime() - 366 * day)
})

t.test('a certificate of the future begins then', async t => {
  const pki = await issued({ certificates: { apiserver: { notBefore: '2040-01-31T12:00:00Z' } } })
  const { notBefore, notAfter } = pki.read('pki/apiserver.crt')
  t.equal(notBefore.toISOString(), '2040-01-31T12:00:00.000Z')
  t.equal(notAfter.getTime() - notBefore.getTime(), 365 * day)
})

t.test('names, usages, serial and validity are as the changes say', async t => {
  const pki = await issued({
    certificates: {
      apiserver: {
        commonName: 'x, O=system:masters',
        organizations: ['team, b', 'Ünïcode', ''],
        dnsNames: ['only.example.test'],
        ipAddresses: [],
        certSANs: [],
        extKeyUsages: [],
        keyUsages: ['digitalSignature'],
        serialNumber: '00ABcd',
        validity: '1h',
        backdate: '2h',
      },
    },
  })
  const apiserver = pki.read('pki/apiserver.crt')
  t.match(apiserver, {
    commonName: 'x, O=system:masters',
    dnsNames: ['only.example.test'],
    ipAddresses: [],
    extKeyUsages: [],
    keyUsages: ['digitalSignature'],
    serial: 0xabcdn,
  })
  t.strictSame([...apiserver.organizations].sort(), ['', 'team, b', 'Ünïcode'])
  t.equal(apiserver.notBefore.getTime(), now.getTime() - 2 * 3_600_000)
  t.equal(apiserver.notAfter.getTime(), now.getTime() + 3_600_000)
})

t.test('every O stands in one RDN in the order of DER, before the CN, as Go writes them', async t => {
  const pki = await issued({
    certificates: { monitoring: { organizations: ['zz', 'aaa', 'b', 'ö'], commonName: 'name' } },
  })
  const der = pki.read('monitoring/client.crt').node.raw
  const attribute = (type: string, tag: number, value: string) => {
    const bytes = Buffer.from(value)
    const content = Buffer.concat([Buffer.from(type, 'hex'), Buffer.from([tag, bytes.length]), bytes])
    return Buffer.concat([Buffer.from([0x30, content.length]), content])
  }
  const set = (members: Buffer[]) => {
    const content = Buffer.concat(members)
    return Buffer.concat([Buffer.from([0x31, content.length]), content])
  }
  const o = '060355040a'
  const subject = [
    set([attribute(o, 0x13, 'b'), attribute(o, 0x0c, 'ö'), attribute(o, 0x13, 'zz'), attribute(o, 0x13, 'aaa')]),
    set([attribute('0603550403', 0x13, 'name')]),
  ]
  t.ok(der.includes(Buffer.concat(subject)))
})

t.test('an empty subject makes the names critical, as RFC 5280 wants', async t => {
  const pki = await issued({ certificates: { apiserver: { commonName: '' } } })
  const apiserver = pki.read('pki/apiserver.crt')
  t.equal(apiserver.commonName, '')
  t.ok(apiserver.critical.includes('2.5.29.17'))
})

t.test('extensions come in Go’s order', async t => {
  const pki = await issued({})
  t.strictSame(pki.read('pki/apiserver.crt').order, [
    '2.5.29.15',
    '2.5.29.37',
    '2.5.29.19',
    '2.5.29.14',
    '2.5.29.35',
    '2.5.29.17',
  ])
})

t.test('every key algorithm signs and is signed', async t => {
  // what takes long to make is made once
  const quick = keyAlgorithms.filter(name => name !== 'RSA-4096' && name !== 'RSA-3072')
  for (const keyAlgorithm of quick) {
    const caKey = await generateKey(keyAlgorithm)
    const validity = { notBefore: now, notAfter: new Date(now.getTime() + day) }
    const certificate = await issueCertificate(
      { subject: { commonName: 'ca', organizations: [] }, isCa: true, ...validity },
      caKey,
      { self: caKey },
    )
    const leafKey = await generateKey('ECDSA-P256')
    const leaf = await issueCertificate(
      { subject: { commonName: 'leaf', organizations: [] }, dnsNames: ['a.test'], ...validity },
      leafKey,
      { certificate, key: caKey },
    )
    t.ok(read(leaf).node.verify(read(certificate).node.publicKey), keyAlgorithm)
    t.ok(read(leaf).node.checkPrivateKey(leafKey))
  }
})

t.test('a signature with SHA-1 is made when it is asked for', async t => {
  const pki = await issued({ certificates: { apiserver: { signatureHash: 'SHA-1' } } })
  // ecdsa-with-SHA1, 1.2.840.10045.4.1
  t.ok(pki.read('pki/apiserver.crt').node.raw.includes(Buffer.from('06072a8648ce3d0401', 'hex')))
})

t.test('keys are SEC 1 and PKCS #1, and fit their certificates', async t => {
  const pki = await issued({ certificates: { apiserver: { keyAlgorithm: 'RSA-2048' } } })
  const key = (path: string) => pki.files.get(path)!.content
  t.match(key('pki/apiserver.key'), /^-{5}BEGIN RSA PRIVATE KEY-{5}\n/)
  t.match(key('pki/ca.key'), /^-{5}BEGIN EC PRIVATE KEY-{5}\n/)
  t.match(key('pki/sa.pub'), /^-----BEGIN PUBLIC KEY-----\n/)
  t.ok(pki.read('pki/apiserver.crt').node.checkPrivateKey(createPrivateKey(key('pki/apiserver.key'))))
  t.equal(
    createPublicKey(createPrivateKey(key('pki/sa.key'))).export({ format: 'pem', type: 'spki' }),
    key('pki/sa.pub'),
  )
})

t.test('a key from another entry does not fit: the fault that was asked for', async t => {
  const pki = await issued({ certificates: { apiserver: { keyFrom: 'etcd-server', keyMode: '0644' } } })
  const key = createPrivateKey(pki.files.get('pki/apiserver.key')!.content)
  t.notOk(pki.read('pki/apiserver.crt').node.checkPrivateKey(key))
  t.ok(pki.read('pki/etcd/server.crt').node.checkPrivateKey(key))
  t.equal(pki.files.get('pki/apiserver.key')!.mode, 0o644)
})

t.test('a slot with several authorities gets a bundle, one with none gets nothing', async t => {
  const plan = await applyChanges(await loadPlan('kubeadm'), {
    trust: { 'etcd.trusted-ca': ['etcd-ca', 'ca'], 'kube-apiserver.kubelet-certificate-authority': null },
  })
  const { trustFile } = await import('#pki/lookup.ts')
  t.equal(trustFile(plan, 'etcd.trusted-ca'), 'trust/etcd.trusted-ca.crt')
  t.equal(trustFile(plan, 'kube-apiserver.kubelet-certificate-authority'), undefined)
  t.equal(trustFile(plan, 'kube-apiserver.client-ca'), 'pki/ca.crt')
  t.equal(trustFile(plan, 'monitoring.kube-scheduler'), 'kube-scheduler/kube-scheduler.crt')
  const files = await issuePki(plan, clock)
  const bundle = files.get('trust/etcd.trusted-ca.crt')!
  t.equal(bundle.content, files.get('pki/etcd/ca.crt')!.content + files.get('pki/ca.crt')!.content)
  t.match(bundle.content, /END CERTIFICATE-----\n-----BEGIN/)
  t.equal(bundle.mode, 0o644)
})

t.test('self-signed serving certificates name the host and the moment, as --cert-dir makes them', async t => {
  const pki = await issued({})
  const scheduler = pki.read('kube-scheduler/kube-scheduler.crt')
  t.match(scheduler, {
    commonName: `localhost@${now.getTime() / 1000}`,
    issuer: scheduler.commonName,
    dnsNames: ['localhost'],
    ipAddresses: ['127.0.0.1'],
    extKeyUsages: ['serverAuth'],
    isCa: false,
  })
  t.equal(scheduler.notBefore.getTime(), now.getTime() - 3_600_000)
  t.ok(scheduler.node.verify(scheduler.node.publicKey))
  // ecdsa-with-SHA256: the library's own default would be SHA-1
  t.ok(scheduler.node.raw.includes(Buffer.from('06082a8648ce3d040302', 'hex')))
})

t.test('kubeconfigs are laid out as kubeadm’s', async t => {
  const pki = await issued({ kubeconfigs: { 'admin.conf': { server: 'https://[::1]:7443' } } })
  const admin = pki.files.get('admin.conf')!.content
  const withoutData = admin.replaceAll(/-data: \S+/g, '-data: …')
  t.equal(
    withoutData,
    `apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: …
    server: "https://[::1]:7443"
  name: kubernetes
contexts:
- context:
    cluster: kubernetes
    user: kubernetes-admin
  name: kubernetes-admin@kubernetes
current-context: kubernetes-admin@kubernetes
kind: Config
users:
- name: kubernetes-admin
  user:
    client-certificate-data: …
    client-key-data: …
`,
  )
  const identity = readKubeconfigIdentity(admin, 'admin.conf')
  t.equal(identity.certificateAuthority, pki.files.get('pki/ca.crt')!.content)
  t.ok(read(identity.clientCertificate).node.checkPrivateKey(createPrivateKey(identity.clientKey)))
})
