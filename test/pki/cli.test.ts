import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { trustplane } from '../cli/harness.ts'

t.test('init says what it made, where, and until when', async t => {
  const dir = join(t.testdir(), 'state')
  const { status, stdout, stderr } = await trustplane('pki', 'init', '--dir', dir)
  t.equal(status, 0)
  t.match(stdout, /^pki\/apiserver\.crt, valid until \d{4}-\d\d-\d\d$/m)
  t.match(stdout, /^pki\/sa\.key$/m)
  t.notMatch(stdout, /PRIVATE|BEGIN/)
  t.match(stderr, /never use it in production/)
  const again = await trustplane('pki', 'init', '--dir', dir)
  t.match(again.stdout, /^Using existing ca certificate authority$/m)
  t.match(again.stdout, /^Using existing apiserver certificate and key on disk$/m)
  t.match(again.stdout, /^Using existing kubeconfig file: "admin.conf"$/m)
  t.match(again.stdout, /^Using the existing "sa" key$/m)
  t.notMatch(again.stdout, /valid until/)
})

t.test('init -o json names every file', async t => {
  const dir = join(t.testdir(), 'state')
  const { status, stdout } = await trustplane('pki', 'init', '--dir', dir, '--plan', 'one-ca', '-o', 'json')
  t.equal(status, 0)
  const document = JSON.parse(stdout) as { kind: string; plan: string; written: { file: string; notAfter?: string }[] }
  t.match(document, { kind: 'PkiInit', plan: 'one-ca', kept: [], external: [] })
  t.ok(document.written.some(({ file }) => file === 'pki/etcd/server.key'))
  t.match(document.written.find(({ file }) => file === 'pki/ca.crt')!.notAfter, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
})

t.test('init does not write over a key that does not fit, and with --force it does', async t => {
  const dir = join(t.testdir(), 'state')
  await trustplane('pki', 'init', '--dir', dir)
  const key = join(dir, 'pki/apiserver.key')
  writeFileSync(key, readFileSync(join(dir, 'pki/etcd/peer.key')))
  const before = readFileSync(key, 'utf8')
  const refused = await trustplane('pki', 'init', '--dir', dir)
  t.equal(refused.status, 1)
  t.match(refused.stderr, /^× TP_PKI_EXISTS\n {4}.*pki\/apiserver\.key is there already/)
  t.match(refused.stderr, /fix: .*--force/)
  t.equal(readFileSync(key, 'utf8'), before)
  t.equal((await trustplane('pki', 'init', '--dir', dir, '--force')).status, 0)
  t.not(readFileSync(key, 'utf8'), before)
})

t.test('init takes kubeadm’s parameters from flags', async t => {
  const dir = join(t.testdir(), 'state')
  const flags = ['--node-name', 'cp-1', '--kubernetes-version', '1.28', '--server', 'https://api.test:6443']
  const { stdout } = await trustplane('pki', 'init', '--dir', dir, ...flags, '--cert-sans', 'a.test,192.0.2.1')
  t.notMatch(stdout, /super-admin\.conf/)
  t.match(stdout, /^kubelet\/cp-1\/pki\/kubelet\.crt/m)
  t.match(readFileSync(join(dir, 'admin.conf'), 'utf8'), 'server: https://api.test:6443')
})

t.test('init goes on with the plan and the parameters that the PKI was made with', async t => {
  const dir = join(t.testdir(), 'state')
  await trustplane('pki', 'init', '--dir', dir, '--plan', 'one-ca', '--server', 'https://api.test:6443')
  for (const end of ['crt', 'key']) rmSync(join(dir, `pki/etcd/server.${end}`))
  const { stdout } = await trustplane('pki', 'init', '--dir', dir)
  t.match(stdout, /^pki\/etcd\/server\.crt, valid until/m)
  t.notMatch(stdout, /etcd\/ca\.crt|^admin\.conf, valid/m)
  t.match(readFileSync(join(dir, 'admin.conf'), 'utf8'), 'server: https://api.test:6443')
})

t.test('a bad plan is told of with every line', async t => {
  const dir = t.testdir({ 'bad.yaml': 'extends: nowhere.yaml\n', 'worse.yaml': 'keyAlgoritm: x\ncluster: 1\n' })
  const bad = await trustplane('pki', 'init', '--dir', join(dir, 'state'), '--plan', join(dir, 'worse.yaml'))
  t.equal(bad.status, 3)
  t.match(bad.stderr, `${dir}/worse.yaml:1:1: unknown key "keyAlgoritm", did you mean "keyAlgorithm"?\n`)
  t.match(bad.stderr, `${dir}/worse.yaml:2:10: expected object, found number 1`)
  const missing = await trustplane('pki', 'init', '--dir', join(dir, 'state'), '--plan', join(dir, 'bad.yaml'))
  t.equal(missing.status, 3)
  t.match(missing.stderr, `${dir}/bad.yaml:1:10: cannot read the plan that this one extends, ${dir}/nowhere.yaml`)
})

t.test('check-expiration prints kubeadm’s table, and fails when something has expired or is missing', async t => {
  const dir = join(t.testdir(), 'state')
  await trustplane('pki', 'init', '--dir', dir)
  const fresh = await trustplane('pki', 'check-expiration', '--dir', dir)
  t.equal(fresh.status, 0)
  t.match(
    fresh.stdout.split('\n')[0],
    'CERTIFICATE                EXPIRES                  RESIDUAL TIME   CERTIFICATE AUTHORITY   EXTERNALLY MANAGED',
  )
  t.match(fresh.stdout, /^apiserver {18}\w{3} \d\d, \d{4} \d\d:\d\d UTC {3}364d {12}ca {22}no {6}$/m)
  const bare = await trustplane('pki', 'check-expiration', '--dir', dir, '--no-headers')
  t.notMatch(bare.stdout, /RESIDUAL/)
  const late = await trustplane('pki', 'check-expiration', '--dir', dir, '--clock-offset', '366d')
  t.equal(late.status, 1)
  t.match(late.stdout, /^apiserver .*<invalid>/m)
  rmSync(join(dir, 'pki/apiserver.crt'))
  const missing = await trustplane('pki', 'check-expiration', '--dir', dir)
  t.equal(missing.status, 1)
  t.match(missing.stdout, /^!MISSING! apiserver +$/m)
  const json = await trustplane('pki', 'check-expiration', '--dir', dir, '-o', 'json')
  t.match(JSON.parse(json.stdout), { kind: 'CertificateExpirationInfo', apiVersion: 'output.kubeadm.k8s.io/v1alpha3' })
})

t.test('renew ends as kubeadm’s does: well, also when there is nothing to renew, or nobody here who could', async t => {
  const dir = t.testdir()
  await trustplane('pki', 'init', '--dir', dir)
  rmSync(join(dir, 'pki/front-proxy-ca.key'))
  rmSync(join(dir, 'scheduler.conf'))
  const { status, stdout } = await trustplane('pki', 'renew', 'front-proxy-client', 'scheduler.conf', '--dir', dir)
  t.equal(status, 0)
  t.equal(
    stdout,
    "Detected external front-proxy-ca, certificate for the front proxy client can't be renewed\nMISSING! certificate embedded in the kubeconfig file for the scheduler manager to use\n",
  )
})

t.test('a kubelet’s kubeconfig that names its certificate by file is looked at, and left to the kubelet', async t => {
  const dir = t.testdir()
  await trustplane('pki', 'init', '--dir', dir)
  const file = join(dir, 'kubelet.conf')
  const text = readFileSync(file, 'utf8')
  const embedded = /client-certificate-data: (\S+)/.exec(text)![1]!
  writeFileSync(join(dir, 'current.pem'), Buffer.from(embedded, 'base64'))
  writeFileSync(
    file,
    text
      .replace(/client-certificate-data: \S+/, 'client-certificate: current.pem')
      .replace(/client-key-data: \S+/, 'client-key: current.pem'),
  )
  const { stdout } = await trustplane('pki', 'check-expiration', '--all', '--dir', dir)
  t.match(stdout, /^kubelet\.conf +\w{3} \d\d, \d{4} /m)
  const renewed = await trustplane('pki', 'renew', 'kubelet.conf', '--dir', dir)
  t.equal(renewed.status, 3)
  t.match(renewed.stderr, `it names ${join(dir, 'current.pem')}`)
})

t.test('check-expiration knows the plan that the PKI was made from', async t => {
  const dir = join(t.testdir(), 'state')
  await trustplane('pki', 'init', '--dir', dir, '--plan', 'k3s')
  const { status, stdout } = await trustplane('pki', 'check-expiration', '--dir', dir)
  t.equal(status, 0)
  t.match(stdout, /^request-header-ca /m)
})

t.test('renew prints what kubeadm prints', async t => {
  const dir = join(t.testdir(), 'state')
  await trustplane('pki', 'init', '--dir', dir)
  const all = await trustplane('pki', 'renew', 'all', '--dir', dir)
  t.equal(all.status, 0)
  t.match(
    all.stdout,
    /^certificate embedded in the kubeconfig file for the admin to use and for kubeadm itself renewed\n/,
  )
  t.match(
    all.stdout,
    /\n\nDone renewing certificates\. You must restart the kube-apiserver, kube-controller-manager, kube-scheduler and etcd, so that they can use the new certificates\.\n$/,
  )
  const two = await trustplane('pki', 'renew', 'etcd-server', 'kubelet.conf', '--dir', dir, '--clock-offset', '30d')
  t.equal(
    two.stdout,
    'certificate for serving etcd renewed\ncertificate embedded in the kubeconfig file for the kubelet to use renewed\n',
  )
  const unknown = await trustplane('pki', 'renew', 'etcd-serve', '--dir', dir)
  t.equal(unknown.status, 2)
  t.match(unknown.stderr, /fix: did you mean etcd-server\?/)
  const json = await trustplane('pki', 'renew', 'apiserver', '--dir', dir, '-o', 'json')
  t.match(JSON.parse(json.stdout), { kind: 'RenewalList', items: [{ name: 'apiserver', outcome: 'renewed' }] })
})

t.test('every pki command has examples in its help', async t => {
  for (const name of ['init', 'check-expiration', 'renew']) {
    const { status, stdout } = await trustplane('pki', name, '--help')
    t.equal(status, 0)
    t.match(stdout, `Examples:\n`)
    t.match(stdout, `trustplane pki ${name}`)
  }
})

t.test('renew says who must be restarted, and who need not', async t => {
  const dir = join(t.testdir(), 'state')
  await trustplane('pki', 'init', '--dir', dir)
  const { status, stdout, stderr } = await trustplane('pki', 'renew', 'scheduler.conf', 'apiserver', '--dir', dir)
  t.equal(status, 0)
  t.equal(
    stdout,
    'certificate embedded in the kubeconfig file for the scheduler manager to use renewed\ncertificate for serving the Kubernetes API renewed\n',
  )
  t.match(stderr, /^restart kube-scheduler: it reads scheduler\.conf at start only$/m)
  t.match(stderr, /^no restart for kube-apiserver: it takes apiserver by itself$/m)
})

t.test('controller says what it needs: names that exist, durations, an apiserver', async t => {
  const dir = join(t.testdir(), 'state')
  await trustplane('pki', 'init', '--dir', dir, '--server', 'https://127.0.0.1:1')
  const run = (...flags: string[]) => trustplane('pki', 'controller', '--dir', dir, ...flags)
  const unknown = await run('--keep', 'apiserver,front-proxy-clien')
  t.match(unknown, { status: 2, stderr: /TP_NAME_UNKNOWN[\s\S]*did you mean front-proxy-client\?/ })
  t.match(await run('--duration', 'soon'), { status: 2, stderr: /TP_FLAG_INVALID/ })
  t.match(await run(), { status: 5, stderr: /TP_NOT_RUNNING\n.*connection refused\n.*trustplane up/ })
})
