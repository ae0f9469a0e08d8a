/** How long certificates of CSRs live, when requests go, and the two controllers of bootstrap tokens. */
import { generateKeyPairSync } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { flattenedVerify } from 'jose'
import t from 'tap'
import { type Clock, manualClock, systemClock } from '#clock.ts'
import { detachedSignature } from '#components/kube-controller-manager/controllers/bootstrap-signer.ts'
import { expiryOf } from '#components/kube-controller-manager/controllers/csr-cleaner.ts'
import { component as controllerManager } from '#components/kube-controller-manager/index.ts'
import { loadAuthority } from '#components/kube-controller-manager/signing/authority.ts'
import { readRequest } from '#components/kube-controller-manager/signing/request.ts'
import { bootstrapTokenSecret } from '#kubernetes/bootstrap-tokens.ts'
import { resources } from '#kubernetes/resources.ts'
import { time } from '#kubernetes/time.ts'
import type { CertificateSigningRequest, Condition } from '#kubernetes/types.ts'
import { silentLog } from '#log.ts'
import { createPki } from '#pki/create.ts'
import { loadPlan } from '#pki/plan.ts'
import { createSigningRequest } from '#pki/signing-request.ts'
import { parseCertificate } from '#x509/certificate.ts'
import { certificateBlocks } from '#x509/pem.ts'
import { startCluster, until } from '../cluster.ts'

const minute = 60_000
const hour = 60 * minute
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const base64 = (pem: string) => Buffer.from(pem).toString('base64')
const asked = async () =>
  base64(
    await createSigningRequest(
      { subject: { commonName: 'jane', organizations: ['team'] }, dnsNames: ['a.example'], ipAddresses: ['::1'] },
      privateKey,
    ),
  )

t.test('a signer’s certificates', async t => {
  const dir = t.testdir()
  await createPki({ plan: await loadPlan(), dir })
  const files = { certFile: join(dir, 'pki/ca.crt'), keyFile: join(dir, 'pki/ca.key') }
  const request = await asked()
  const now = new Date(Math.floor(Date.now() / 1000) * 1000)
  const sign = async (
    longestMs: number,
    expirationSeconds?: number,
    more: { clock?: Clock; backdateMs?: number } = {},
  ) => {
    const { clock = { now: () => now }, backdateMs = 5 * minute } = more
    const authority = loadAuthority({ ...files, clock, log: silentLog, longestMs, backdateMs })
    t.teardown(() => authority.close())
    const spec = {
      request,
      signerName: 'kubernetes.io/kube-apiserver-client',
      usages: ['client auth'],
      ...(expirationSeconds ? { expirationSeconds } : {}),
    }
    const pem = await authority.sign(readRequest(request), { metadata: {}, spec } as CertificateSigningRequest)
    return parseCertificate(certificateBlocks(pem)[0]!)
  }
  // signer.go's duration and PermissiveSigningPolicy
  const cases: [longest: number, seconds: number | undefined, lives: number, what: string][] = [
    [8760 * hour, undefined, 8760 * hour - 5 * minute, 'the longest life, counted from its backdated beginning'],
    [hour, undefined, hour, 'a short one, whose end is not moved'],
    [8760 * hour, 3600, hour, 'what was asked for'],
    [8760 * hour, 700, 700_000, 'what was asked for, above ten minutes'],
    [hour, 7200, hour, 'no more than the longest'],
    [minute, 600, minute, 'no more than the longest, even below ten minutes'],
  ]
  for (const [longest, seconds, lives, what] of cases) {
    const { notBefore, notAfter, subject, subjectAltName } = await sign(longest, seconds)
    t.equal(notBefore.getTime(), now.getTime() - 5 * minute, `${what}: from five minutes ago`)
    t.equal(notAfter.getTime() - now.getTime(), lives, what)
    t.equal(`${subject}`, 'CN=jane,O=team')
    t.strictSame(subjectAltName?.dnsNames, ['a.example'])
  }
  t.equal(
    (await sign(minute, undefined, { backdateMs: 0 })).notBefore.getTime(),
    now.getTime(),
    'unless told otherwise',
  )
  const late = { clock: { now: () => new Date(Date.now() + 3660 * 24 * hour) } }
  await t.rejects(sign(hour, undefined, late), { message: /^the signer has expired: NotAfter=\d{4}-/ })
  const nearly = parseCertificate(certificateBlocks(readFileSync(files.certFile, 'latin1'))[0]!).notAfter.getTime()
  const last = await sign(hour, undefined, { clock: { now: () => new Date(nearly - minute) } })
  t.equal(last.notAfter.getTime(), nearly, 'never longer than its CA')

  const ca = readFileSync(files.certFile, 'utf8')
  writeFileSync(join(dir, 'two.crt'), ca + ca)
  const options = { ...files, clock: systemClock, log: silentLog, longestMs: hour, backdateMs: 0 }
  t.throws(() => loadAuthority({ ...options, certFile: join(dir, 'two.crt') }), {
    message: `error reading CA cert file "csr-controller::${join(dir, 'two.crt')}::${files.keyFile}": expected 1 certificate, found 2`,
  })
})

t.test(
  'requests go an hour after they were decided, a day after nobody decided, and when their certificate ends',
  async t => {
    const created = '2026-01-01T00:00:00Z'
    const at = (ms: number) => Date.parse(created) + ms
    const condition = (type: string) =>
      ({ type, status: 'True', lastUpdateTime: time(new Date(at(2 * hour))) }) as Condition
    const csr = (conditions: Condition[], certificate?: string) =>
      ({
        metadata: { creationTimestamp: created },
        status: { conditions, certificate },
      }) as unknown as CertificateSigningRequest
    t.equal(expiryOf(csr([])), at(24 * hour))
    t.equal(expiryOf(csr([condition('Denied')])), at(3 * hour))
    t.equal(expiryOf(csr([condition('Approved'), condition('Failed')])), at(3 * hour))
    t.equal(expiryOf(csr([condition('Approved')], base64('not a certificate'))), at(3 * hour))
    t.equal(expiryOf(csr([condition('Approved')])), Number.POSITIVE_INFINITY, 'approved and never signed: it stays')
  },
)

t.test('a signature of cluster-info is a JWS whose payload is the kubeconfig', async t => {
  const [header = '', payload, signature = ''] = detachedSignature('content', {
    id: 'abcdef',
    secret: '0123456789abcdef',
  }).split('.')
  t.equal(payload, '')
  const jws = { protected: header, payload: Buffer.from('content').toString('base64url'), signature }
  const { protectedHeader } = await flattenedVerify(jws, new TextEncoder().encode('0123456789abcdef'))
  t.strictSame(protectedHeader, { alg: 'HS256', kid: 'abcdef' })
})

t.test('cluster-info is signed with each bootstrap token, and a token goes when its time has come', async t => {
  const clock = manualClock()
  const { admin, file, start } = await startCluster(t, clock)
  const expiration = new Date(clock.now().getTime() + hour)
  await admin.create(resources.secrets, bootstrapTokenSecret('aaaaaa.0123456789abcdef', { expiration }))
  await admin.create(resources.secrets, bootstrapTokenSecret('bbbbbb.0123456789abcdef'))
  await start(controllerManager, [
    '--bind-address=127.0.0.1',
    '--secure-port=0',
    `--kubeconfig=${file('controller-manager.conf')}`,
    '--controllers=bootstrapsigner,tokencleaner',
    '--use-service-account-credentials=true',
    `--service-account-private-key-file=${file('pki/sa.key')}`,
  ])
  const signatures = async () => {
    const { data = {} } = await admin.get(resources.configmaps, { namespace: 'kube-public', name: 'cluster-info' })
    return Object.keys(data)
      .filter(name => name.startsWith('jws-kubeconfig-'))
      .sort()
      .join()
  }
  const are = (names: string) => until(names, async () => (await signatures()) === names)
  await are('jws-kubeconfig-aaaaaa,jws-kubeconfig-bbbbbb')
  clock.advance(hour + 1000)
  await are('jws-kubeconfig-bbbbbb')
  const secret = { namespace: 'kube-system', name: 'bootstrap-token-aaaaaa' }
  await until('the token is gone', () =>
    admin.get(resources.secrets, secret).then(
      () => false,
      () => true,
    ),
  )
  await admin.get(resources.secrets, { ...secret, name: 'bootstrap-token-bbbbbb' })
  t.pass('the other one stays')
})
