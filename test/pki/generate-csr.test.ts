import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import 'reflect-metadata'
import { Pkcs10CertificateRequest, SubjectAlternativeNameExtension } from '@peculiar/x509'
import t from 'tap'
import { generateSigningRequests } from '#pki/generate-csr.ts'
import { readKubeconfigIdentity } from '#pki/kubeconfig.ts'
import { loadPlan } from '#pki/plan.ts'
import { trustplane } from '../cli/harness.ts'

const requestIn = (path: string) => new Pkcs10CertificateRequest(readFileSync(path, 'utf8'))

t.test('every managed certificate gets a key and a request with its names and no usages', async t => {
  const dir = join(t.testdir(), 'state')
  const made = await generateSigningRequests({ plan: await loadPlan('kubeadm'), dir })
  t.strictSame(made.map(({ name }) => name).sort(), [
    'admin.conf',
    'apiserver',
    'apiserver-etcd-client',
    'apiserver-kubelet-client',
    'controller-manager.conf',
    'etcd/healthcheck-client',
    'etcd/peer',
    'etcd/server',
    'front-proxy-client',
    'kubelet.conf',
    'scheduler.conf',
    'super-admin.conf',
  ])
  for (const { key, request } of made) {
    const csr = requestIn(request)
    t.ok(await csr.verify(), `${request} is signed by its own key`)
    t.equal(statSync(key).mode & 0o777, 0o600)
    t.ok(csr.extensions.every(extension => extension instanceof SubjectAlternativeNameExtension))
  }
  const apiserver = requestIn(join(dir, 'pki/apiserver.csr'))
  t.equal(apiserver.subjectName.getField('CN').join(), 'kube-apiserver')
  const names = apiserver.extensions
    .filter(extension => extension instanceof SubjectAlternativeNameExtension)
    .flatMap(extension => extension.names.items.map(({ value }) => value))
  t.ok(names.includes('kubernetes.default.svc.cluster.local') && names.includes('10.96.0.1'))
  t.notOk(existsSync(join(dir, 'pki/apiserver.crt')))
})

t.test('a kubeconfig has its key, and neither a certificate nor a CA yet', async t => {
  const dir = join(t.testdir(), 'state')
  const plan = await loadPlan('kubeadm')
  await generateSigningRequests({ plan, dir, certDir: join(dir, 'elsewhere') })
  const text = readFileSync(join(dir, 'admin.conf'), 'utf8')
  t.notMatch(text, /certificate-authority-data|client-certificate-data/)
  const { clientKey, server } = readKubeconfigIdentity(text, 'admin.conf')
  t.match(clientKey, 'PRIVATE KEY')
  t.match(server, /^https:/)
  t.equal(requestIn(join(dir, 'admin.conf.csr')).subjectName.getField('CN').join(), 'kubernetes-admin')
  t.ok(existsSync(join(dir, 'elsewhere/etcd/peer.csr')))
})

t.test('a key that is there is never written over, and then nothing is', async t => {
  const dir = join(t.testdir({ pki: {} }))
  writeFileSync(join(dir, 'pki/apiserver.key'), 'mine')
  await t.rejects(generateSigningRequests({ plan: await loadPlan('kubeadm'), dir }), {
    code: 'TP_PKI_EXISTS',
    message: /^file already exists: .*pki\/apiserver\.key$/,
  })
  t.strictSame(readdirSync(join(dir, 'pki')), ['apiserver.key'])
  t.equal(readFileSync(join(dir, 'pki/apiserver.key'), 'utf8'), 'mine')
})

t.test('the command says what kubeadm says, and lists for scripts the usages that the CA has to add', async t => {
  const dir = join(t.testdir(), 'state')
  const { status, stdout, stderr } = await trustplane('pki', 'generate-csr', '--dir', dir)
  t.equal(status, 0)
  t.match(stdout, new RegExp(`^generating keys and CSRs in ${dir}/pki\\n {2}apiserver\\n`))
  t.match(stdout, new RegExp(`generating keys and CSRs in ${dir}\\n {2}admin\\.conf\\n`))
  t.match(stderr, /have every \.csr signed/)
  const json = await trustplane('pki', 'generate-csr', '--dir', join(dir, 'json'), '-o', 'json')
  const { items } = JSON.parse(json.stdout) as { items: { name: string; extKeyUsages: string[] }[] }
  t.strictSame(items.find(({ name }) => name === 'etcd/server')?.extKeyUsages, ['serverAuth', 'clientAuth'])
})
