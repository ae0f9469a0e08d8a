import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createPki } from '#pki/create.ts'
import { checkExpiration, expirationTable, residual } from '#pki/expiration.ts'
import { loadPlan } from '#pki/plan.ts'

const now = new Date('2026-11-24T10:00:00Z')
const clock = { now: () => now }

t.test('the table is kubeadm’s, byte for byte', async t => {
  const dir = join(t.testdir(), 'state')
  const plan = await loadPlan('kubeadm')
  await createPki({ plan, dir, clock, overrides: { certificates: { 'etcd-peer': { notAfter: '-1d' } } } })
  rmSync(join(dir, 'pki/front-proxy-client.crt'))
  writeFileSync(join(dir, 'scheduler.conf'), 'garbage')
  rmSync(join(dir, 'pki/etcd/ca.key'))
  rmSync(join(dir, 'pki/front-proxy-ca.crt'))
  t.equal(
    expirationTable(await checkExpiration(dir, plan, new Date(now.getTime() + 1000))),
    `\
CERTIFICATE                    EXPIRES                  RESIDUAL TIME   CERTIFICATE AUTHORITY   EXTERNALLY MANAGED
admin.conf                     Nov 24, 2027 10:00 UTC   364d            ca                      no      
apiserver                      Nov 24, 2027 10:00 UTC   364d            ca                      no      
apiserver-etcd-client          Nov 24, 2027 10:00 UTC   364d            etcd-ca                 yes     
apiserver-kubelet-client       Nov 24, 2027 10:00 UTC   364d            ca                      no      
controller-manager.conf        Nov 24, 2027 10:00 UTC   364d            ca                      no      
etcd-healthcheck-client        Nov 24, 2027 10:00 UTC   364d            etcd-ca                 yes     
etcd-peer                      Nov 23, 2026 10:00 UTC   <invalid>       etcd-ca                 yes     
etcd-server                    Nov 24, 2027 10:00 UTC   364d            etcd-ca                 yes     
!MISSING! front-proxy-client                                                                    
!MISSING! scheduler.conf                                                                        
super-admin.conf               Nov 24, 2027 10:00 UTC   364d            ca                      no      

CERTIFICATE AUTHORITY      EXPIRES                  RESIDUAL TIME   EXTERNALLY MANAGED
ca                         Nov 21, 2036 10:00 UTC   9y              no      
etcd-ca                    Nov 21, 2036 10:00 UTC   9y              yes     
!MISSING! front-proxy-ca                                            
`,
  )
})

t.test('JSON is kubeadm’s CertificateExpirationInfo', async t => {
  const dir = join(t.testdir(), 'state')
  const plan = await loadPlan('kubeadm')
  await createPki({ plan, dir, clock })
  rmSync(join(dir, 'pki/apiserver.crt'))
  const info = await checkExpiration(dir, plan, new Date(now.getTime() + 1000))
  t.strictSame(Object.keys(info), ['kind', 'apiVersion', 'certificates', 'certificateAuthorities'])
  t.equal(info.apiVersion, 'output.kubeadm.k8s.io/v1alpha3')
  t.strictSame(info.certificates[0], {
    name: 'admin.conf',
    expirationDate: '2027-11-24T10:00:00Z',
    residualTime: 365 * 86_400 - 1,
    externallyManaged: false,
    caName: 'ca',
    missing: false,
  })
  t.strictSame(info.certificates[1], {
    name: 'apiserver',
    expirationDate: null,
    residualTime: 0,
    externallyManaged: false,
    missing: true,
  })
  t.notOk('caName' in info.certificateAuthorities[0]!)
  const names = info.certificates.map(row => row.name)
  t.strictSame(names, [...names].sort())
  const all = await checkExpiration(dir, plan, now, { all: true })
  t.ok(all.certificates.some(row => row.name === 'kubelet.conf'))
})

t.test('residual times are Go’s ShortHumanDuration', async t => {
  for (const [seconds, text] of [
    [-86_400, '<invalid>'],
    [-2, '<invalid>'],
    [-1, '0s'],
    [0, '0s'],
    [59, '59s'],
    [60, '1m'],
    [3599, '59m'],
    [3600, '1h'],
    [86_399, '23h'],
    [86_400, '1d'],
    [365 * 86_400 - 1, '364d'],
    [365 * 86_400, '1y'],
    [3650 * 86_400 - 1, '9y'],
  ] as const) {
    t.equal(residual(seconds), text, String(seconds))
  }
})
