/** Every plan of certs/: it loads, issues, and each end believes the other, by Go's rules and the plan's own trust. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { systemClock } from '#clock.ts'
import { issuePki } from '#pki/issue.ts'
import { readKubeconfigIdentity } from '#pki/kubeconfig.ts'
import { certificateOf, trustFile } from '#pki/lookup.ts'
import { packageRoot } from '#pki/package-root.ts'
import { applyChanges, loadPlan, parsePlan } from '#pki/plan.ts'
import type { TrustSlot } from '#pki/trust-slots.ts'
import type { PkiFiles, Plan } from '#pki/types.ts'
import type { Usage } from '#x509/types.ts'
import { verify } from '#x509/verify.ts'

const expected = [
  'ca-per-component',
  'cross-signed',
  'intermediates',
  'intermediates-unserved',
  'k3s',
  'kubeadm',
  'kubeadm-rsa',
  'kubelet-serving-ca',
  'name-constrained',
  'one-ca',
  'the-hard-way',
]

/** Who checks what for what: slot, certificate, usage, the name that is dialled. */
const rows: readonly [TrustSlot, string, Usage, string?][] = [
  ['kube-apiserver.requestheader-client-ca', 'front-proxy-client', 'clientAuth'],
  ['kube-apiserver.etcd-cafile', 'etcd-server', 'serverAuth', '127.0.0.1'],
  ['kube-apiserver.kubelet-certificate-authority', 'kubelet', 'serverAuth', '127.0.0.1'],
  ['kube-apiserver.extension-ca-bundle', 'extension-apiserver', 'serverAuth', 'extension-apiserver.kube-system.svc'],
  ['etcd.trusted-ca', 'apiserver-etcd-client', 'clientAuth'],
  ['etcd.trusted-ca', 'etcd-healthcheck-client', 'clientAuth'],
  // etcd dials itself
  ['etcd.trusted-ca', 'etcd-server', 'clientAuth'],
  ['etcd.peer-trusted-ca', 'etcd-peer', 'clientAuth'],
  ['etcd.peer-trusted-ca', 'etcd-peer', 'serverAuth', '127.0.0.1'],
  ['etcd-healthcheck.cacert', 'etcd-server', 'serverAuth', '127.0.0.1'],
  ['kubelet.client-ca', 'apiserver-kubelet-client', 'clientAuth'],
  ['kubelet.client-ca', 'monitoring', 'clientAuth'],
  ['kube-controller-manager.client-ca', 'monitoring', 'clientAuth'],
  ['kube-controller-manager.requestheader-client-ca', 'front-proxy-client', 'clientAuth'],
  ['kube-controller-manager.root-ca', 'apiserver', 'serverAuth', 'kubernetes.default'],
  ['kube-scheduler.client-ca', 'monitoring', 'clientAuth'],
  ['kube-scheduler.requestheader-client-ca', 'front-proxy-client', 'clientAuth'],
  ['extension-apiserver.requestheader-client-ca', 'front-proxy-client', 'clientAuth'],
  ['monitoring.kube-controller-manager', 'kube-controller-manager', 'serverAuth', '127.0.0.1'],
  ['monitoring.kube-scheduler', 'kube-scheduler', 'serverAuth', '127.0.0.1'],
  ['monitoring.kubelet', 'kubelet', 'serverAuth', '127.0.0.1'],
]

/** By today's Go, and by the one in etcd 3.4: a plan has to be good for both. */
function judge(chain: string, roots: string, usage: Usage, name?: string): string {
  for (const voice of ['go1.24', 'go1.19'] as const) {
    const verdict = verify({ chain, roots, usage, now: new Date(), voice, ...(name ? { name } : {}) })
    if (verdict.verdict === 'reject') return `${verdict.reason}: ${verdict.message}`
  }
  return 'accept'
}

/** The verdict of a slot on a certificate as it is served. */
function judgeSlot(plan: Plan, files: PkiFiles, slot: TrustSlot, name: string, usage: Usage, host?: string): string {
  const roots = files.get(trustFile(plan, slot)!)!.content
  return judge(files.get(certificateOf(plan, name).certificateFile)!.content, roots, usage, host)
}

t.test('the plans of certs/ are these', async t => {
  const names = readdirSync(join(packageRoot(), 'certs'))
    .filter(name => name.endsWith('.yaml'))
    .map(name => name.replace('.yaml', ''))
  for (const name of expected) t.ok(names.includes(name), name)
})

for (const name of expected) {
  t.test(`with the plan ${name} every end believes the other`, async t => {
    const plan = await loadPlan(name)
    t.ok(plan.description)
    const files = await issuePki(plan, systemClock)
    for (const [slot, certificate, usage, host] of rows) {
      t.equal(judgeSlot(plan, files, slot, certificate, usage, host), 'accept', `${certificate} by ${slot}`)
    }
    const clientCa = files.get(trustFile(plan, 'kube-apiserver.client-ca')!)!.content
    const apiserver = files.get(certificateOf(plan, 'apiserver').certificateFile)!.content
    for (const { file } of plan.kubeconfigs) {
      const { clientCertificate, certificateAuthority } = readKubeconfigIdentity(files.get(file)!.content, file)
      t.equal(judge(clientCertificate, clientCa, 'clientAuth'), 'accept', `${file} by kube-apiserver.client-ca`)
      t.equal(judge(apiserver, certificateAuthority, 'serverAuth', '127.0.0.1'), 'accept', `apiserver by ${file}`)
    }
  })
}

t.test('one CA for all opens etcd to every client, and separate ones do not', async t => {
  const verdict = async (name: string) => {
    const plan = await loadPlan(name)
    return judgeSlot(plan, await issuePki(plan, systemClock), 'etcd.trusted-ca', 'monitoring', 'clientAuth')
  }
  t.equal(await verdict('one-ca'), 'accept')
  t.equal(await verdict('the-hard-way'), 'accept')
  t.equal(await verdict('intermediates'), 'accept', 'trusting the root is trusting all below it')
  for (const name of ['kubeadm', 'k3s', 'ca-per-component', 'intermediates-unserved']) {
    t.match(await verdict(name), /^unknown-authority: /, name)
  }
})

t.test('an intermediate that is not served cannot be found under the root', async t => {
  const plan = await applyChanges(await loadPlan('intermediates-unserved'), {
    trust: { 'kube-apiserver.etcd-cafile': ['root-ca'] },
  })
  const files = await issuePki(plan, systemClock)
  t.match(
    judgeSlot(plan, files, 'kube-apiserver.etcd-cafile', 'etcd-server', 'serverAuth', '127.0.0.1'),
    /^unknown-authority: /,
  )
})

t.test('without the cross-signed certificate behind it the new CA is unknown to those who know the old', async t => {
  const plan = await applyChanges(await loadPlan('cross-signed'), { certificates: { apiserver: { chain: [] } } })
  const files = await issuePki(plan, systemClock)
  const { certificateAuthority } = readKubeconfigIdentity(files.get('scheduler.conf')!.content, '')
  const apiserver = files.get('pki/apiserver.crt')!.content
  t.match(judge(apiserver, certificateAuthority, 'serverAuth', '127.0.0.1'), /^unknown-authority: /)
})

t.test('a constrained CA cannot sign for other names', async t => {
  const plan = await applyChanges(await loadPlan('name-constrained'), {
    certificates: { apiserver: { dnsNames: ['example.com'] }, 'etcd-server': { ipAddresses: ['192.0.2.1'] } },
  })
  const files = await issuePki(plan, systemClock)
  t.match(
    judgeSlot(plan, files, 'kube-controller-manager.root-ca', 'apiserver', 'serverAuth', 'example.com'),
    /^name-constraint: .*example\.com/,
  )
  t.match(
    judgeSlot(plan, files, 'kube-apiserver.etcd-cafile', 'etcd-server', 'serverAuth', '192.0.2.1'),
    /^name-constraint: /,
  )
})

t.test('The Hard Way has one certificate for the apiserver and etcd', async t => {
  const plan = await loadPlan('the-hard-way')
  for (const name of ['apiserver', 'etcd-server', 'etcd-peer', 'apiserver-etcd-client', 'apiserver-kubelet-client']) {
    t.match(certificateOf(plan, name), { name, certificateFile: 'pki/kubernetes.crt', keyFile: 'pki/kubernetes.key' })
  }
})

t.test('certs/README.md names every plan, and its example is a valid one', async t => {
  const text = readFileSync(join(packageRoot(), 'certs/README.md'), 'utf8')
  t.strictSame([...text.matchAll(/^\| `([\w-]+)` +\|/gm)].map(([, name]) => name).sort(), [...expected].sort())
  const example = /```yaml\n(.*?)```/s.exec(text)![1]!
  const plan = await parsePlan(example, join(packageRoot(), 'certs/example.yaml'))
  t.equal(certificateOf(plan, 'apiserver-etcd-client').issuer, 'ca')
})
