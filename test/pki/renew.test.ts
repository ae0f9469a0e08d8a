import { createPrivateKey } from 'node:crypto'
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createPki } from '#pki/create.ts'
import { readKubeconfigIdentity } from '#pki/kubeconfig.ts'
import { loadPlan } from '#pki/plan.ts'
import { renewCertificates } from '#pki/renew.ts'
import type { PlanChanges } from '#pki/types.ts'
import { read } from './reading.ts'

const now = new Date('2026-11-24T10:00:00Z')
const later = new Date('2027-06-01T00:00:00Z')

async function pki(t: { testdir(): string }, overrides: PlanChanges = {}, dir = join(t.testdir(), 'state')) {
  const plan = await loadPlan('kubeadm')
  await createPki({ plan, dir, clock: { now: () => now }, overrides })
  const text = (path: string) => readFileSync(join(dir, path), 'utf8')
  return { dir, plan, text, renew: (...names: string[]) => renewCertificates(dir, plan, names, { now: () => later }) }
}

t.test('renewing copies names and usages from the certificate, not from the plan, with a new key', async t => {
  const { renew, text, dir } = await pki(t, {
    certificates: {
      apiserver: { commonName: 'old', organizations: ['b', 'a'], dnsNames: ['old.test'], extKeyUsages: [] },
    },
  })
  const [before, key] = [read(text('pki/apiserver.crt')), text('pki/apiserver.key')]
  const [renewed] = await renew('apiserver')
  t.match(renewed, { outcome: 'renewed', message: 'certificate for serving the Kubernetes API renewed' })
  const after = read(text('pki/apiserver.crt'))
  const { commonName, organizations, dnsNames, ipAddresses, extKeyUsages, keyUsages } = before
  t.match(after, { commonName, organizations, dnsNames, ipAddresses, extKeyUsages, keyUsages })
  t.not(after.serial, before.serial)
  t.not(text('pki/apiserver.key'), key)
  t.ok(after.node.checkPrivateKey(createPrivateKey(text('pki/apiserver.key'))))
  t.ok(after.node.verify(read(text('pki/ca.crt')).node.publicKey))
  t.equal(after.notAfter.getTime(), later.getTime() + 365 * 86_400_000)
  t.equal(after.notBefore.getTime(), read(text('pki/ca.crt')).notBefore.getTime())
  t.equal(statSync(join(dir, 'pki/apiserver.key')).mode & 0o777, 0o600)
})

t.test('a kubeconfig keeps its CA and whatever else is in it', async t => {
  const { renew, text, dir } = await pki(t)
  const edited = text('admin.conf').replace('    server:', '    tls-server-name: mine\n    server:')
  writeFileSync(join(dir, 'admin.conf'), edited)
  const before = readKubeconfigIdentity(edited, '')
  // another CA under the same file: `kubeadm certs renew` signs with it and leaves the kubeconfig's CA alone
  const other = await pki(t, {}, join(dir, 'other'))
  for (const path of ['pki/ca.crt', 'pki/ca.key']) writeFileSync(join(dir, path), other.text(path))
  await renew('admin.conf')
  const after = readKubeconfigIdentity(text('admin.conf'), '')
  t.equal(after.certificateAuthority, before.certificateAuthority)
  t.equal(after.server, before.server)
  t.match(text('admin.conf'), /tls-server-name: mine/)
  t.match(text('admin.conf'), /^- cluster:$/m)
  t.not(after.clientKey, before.clientKey)
  t.ok(read(after.clientCertificate).node.verify(read(other.text('pki/ca.crt')).node.publicKey))
  t.equal(statSync(join(dir, 'admin.conf')).mode & 0o777, 0o600)
})

t.test('all renews what kubeadm renews, in its order and words', async t => {
  const { renew, text } = await pki(t)
  const kubelet = text('kubelet.conf')
  t.strictSame(
    (await renew('all')).map(({ message }) => message),
    [
      'certificate embedded in the kubeconfig file for the admin to use and for kubeadm itself renewed',
      'certificate for serving the Kubernetes API renewed',
      'certificate the apiserver uses to access etcd renewed',
      'certificate for the API server to connect to kubelet renewed',
      'certificate embedded in the kubeconfig file for the controller manager to use renewed',
      'certificate for liveness probes to healthcheck etcd renewed',
      'certificate for etcd nodes to communicate with each other renewed',
      'certificate for serving etcd renewed',
      'certificate for the front proxy client renewed',
      'certificate embedded in the kubeconfig file for the scheduler manager to use renewed',
      'certificate embedded in the kubeconfig file for the super-admin renewed',
    ],
  )
  t.equal(text('kubelet.conf'), kubelet)
})

t.test('what is missing or signed elsewhere is said, and the rest goes on', async t => {
  const { renew, dir } = await pki(t)
  rmSync(join(dir, 'pki/etcd/ca.key'))
  rmSync(join(dir, 'pki/apiserver.crt'))
  t.strictSame(
    (await renew('apiserver', 'etcd-server', 'front-proxy-client')).map(({ message }) => message),
    [
      'MISSING! certificate for serving the Kubernetes API',
      "Detected external etcd/ca, certificate for serving etcd can't be renewed",
      'certificate for the front proxy client renewed',
    ],
  )
})

t.test('a CA key that does not belong to its certificate renews nothing', async t => {
  const { renew, text, dir } = await pki(t)
  writeFileSync(join(dir, 'pki/ca.key'), text('pki/etcd/ca.key'))
  const before = text('pki/apiserver.crt')
  await t.rejects(renew('apiserver'), { code: 'TP_PKI_EXISTS', message: /ca\.key does not belong to/ })
  t.equal(text('pki/apiserver.crt'), before)
})

t.test('an unknown name is refused before anything is renewed', async t => {
  const { renew, text } = await pki(t)
  const before = text('pki/apiserver.crt')
  await t.rejects(renew('apiserver', 'etcd-serve'), { code: 'TP_NAME_UNKNOWN', fix: 'did you mean etcd-server?' })
  t.equal(text('pki/apiserver.crt'), before)
})
