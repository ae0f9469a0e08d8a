import { execFileSync } from 'node:child_process'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t, { type Test as Tap } from 'tap'
import { create } from 'tar'
import { systemClock } from '../../src/clock.ts'
import { createPki } from '../../src/pki/create.ts'
import { lint } from '../../src/pki/lint/lint.ts'
import { ruleOf, rules } from '../../src/pki/lint/rules.ts'
import { applyChanges, loadPlan } from '../../src/pki/plan.ts'
import type { PlanChanges } from '../../src/pki/types.ts'
import { trustplane } from '../cli/harness.ts'

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pem = (key: KeyObject = privateKey) => key.export({ format: 'pem', type: 'pkcs8' }).toString()
const base64 = (text: string) => Buffer.from(text).toString('base64')

/** Writes files of any content, made now: no key is ever in this repository. */
function write(t: Tap, files: Record<string, string | Buffer>): string {
  const dir = t.testdir()
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true })
    writeFileSync(join(dir, name), content)
  }
  return dir
}
const found = async (where: string) =>
  (await lint(where, { now: new Date() })).findings.map(
    ({ rule, path, line }) => `${rule} ${path}${line === undefined ? '' : `:${line}`}`,
  )

// whole PKIs, and the machine may be busy
t.setTimeout(120_000)

t.test('keys are found however they are written', async t => {
  const kubeconfig = `kind: Config\nusers:\n- user:\n    client-key-data: ${base64(pem())}\n`
  const wrapped = base64(pem()).replace(/.{76}/g, '$&\n')
  const dir = write(t, {
    'plain.pem': `some text\n${pem()}`,
    'sec1.key': privateKey.export({ format: 'pem', type: 'sec1' }),
    'key.der': privateKey.export({ format: 'der', type: 'pkcs8' }),
    'values.json': JSON.stringify({ tls: { key: pem() } }),
    'kubeconfig.yaml': kubeconfig,
    'secret.yaml': `kind: Secret\ndata:\n  kubeconfig: ${base64(kubeconfig)}\n`,
    'wrapped.txt': wrapped,
    'app.ts': `const key = "${pem().replaceAll('\n', '\\n')}"\n`,
  })
  const findings = await found(dir)
  t.strictSame(findings, [
    'key-in-tree app.ts:1',
    'key-in-tree key.der',
    'key-in-tree kubeconfig.yaml:4',
    'key-in-tree plain.pem:2',
    'key-in-tree sec1.key:1',
    'key-in-tree secret.yaml:3',
    'key-in-tree values.json:1',
    'key-in-tree wrapped.txt:1',
  ])
})

t.test('encrypted keys and key stores are told apart, and what only looks like a key is left alone', async t => {
  const encrypted = privateKey.export({ format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'x' })
  const traditional = privateKey.export({ format: 'pem', type: 'sec1', cipher: 'aes-256-cbc', passphrase: 'x' })
  const der = privateKey.export({ format: 'der', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'x' })
  // PFX ::= SEQUENCE { INTEGER 3, SEQUENCE { OID data, … } }
  const pfx = Buffer.concat([Buffer.from('3040020103303b06092a864886f70d010701a02e', 'hex'), Buffer.alloc(46)])
  const label = 'PRIVATE KEY'
  const dir = write(t, {
    'encrypted.pem': encrypted,
    'encrypted.der': der,
    'traditional.pem': traditional,
    'store.p12': pfx,
    'store.jks': Buffer.concat([Buffer.from('feedfeed00000002', 'hex'), Buffer.alloc(40)]),
    'README.md': `-----BEGIN ${label}-----\n…\n-----END ${label}-----\n`,
    'cut.pem': pem().slice(0, 100),
    'public.pem': generateKeyPairSync('ed25519').publicKey.export({ format: 'pem', type: 'spki' }),
    'picture.bin': Buffer.from('3082010002010002', 'hex'),
  })
  t.strictSame(await found(dir), [
    'key-store store.jks',
    'key-store store.p12',
    'key-encrypted encrypted.der',
    'key-encrypted encrypted.pem:1',
    'key-encrypted traditional.pem:1',
  ])
})

t.test('no key material is in any report', async t => {
  const dir = write(t, { 'a.pem': pem(), 'b.yaml': `data: ${base64(pem())}` })
  const secret = pem().split('\n')[1]!
  for (const format of ['pretty', 'json', 'yaml', 'sarif']) {
    const { status, stdout, stderr } = await trustplane('pki', 'lint', dir, '-o', format)
    t.equal(status, 1, stderr)
    t.notMatch(stdout + stderr, secret, format)
    t.notMatch(stdout + stderr, base64(pem()).slice(80, 140), format)
    t.match(stdout, 'a.pem')
  }
})

const dashes = '-'.repeat(5)

t.test('a hostile tree ends quickly: links in a circle, a file of openings without ends', async t => {
  const dir = write(t, {
    'evil.pem': `${dashes}BEGIN PRIVATE KEY${dashes}\n`.repeat(100_000),
    'b.txt': 'A'.repeat(4_000_000),
  })
  symlinkSync('.', join(dir, 'round'))
  t.strictSame(await found(dir), [])
})

/** A PKI on disk, with these changes to kubeadm's. */
async function pki(t: Tap, changes: PlanChanges = {}, plan = 'kubeadm') {
  const dir = t.testdir()
  chmodSync(dir, 0o700)
  await createPki({ plan: await applyChanges(await loadPlan(plan), changes), dir, clock: systemClock })
  // what trustplane adds to kubeadm's folder, as the originals make it
  for (const name of ['kube-controller-manager', 'kube-scheduler', 'extension-apiserver'])
    rmSync(join(dir, name), { recursive: true })
  return dir
}
const grave = async (dir: string) =>
  (await found(dir)).filter(line => ruleOf(line.split(' ')[0] as 'expired').severity !== 'note')

t.test('kubeadm’s own PKI has no fault, and its CA keys are worth a note', async t => {
  const dir = await pki(t)
  t.strictSame(await found(dir), [
    'ca-key-beside-leaves pki/ca.key',
    'ca-key-beside-leaves pki/etcd/ca.key',
    'ca-key-beside-leaves pki/front-proxy-ca.key',
  ])
  const { status, stderr } = await trustplane('pki', 'lint', '--dir', dir)
  t.equal(status, 0)
  t.match(stderr, '0 errors, 0 warnings, 3 notes')
})

t.test('what is wrong with a certificate is found, and with no other', async t => {
  const dates: PlanChanges = {
    authorities: { 'etcd-ca': { notAfter: '100d' } },
    certificates: {
      apiserver: { notAfter: '-1d' },
      'apiserver-kubelet-client': { notAfter: '10d' },
      kubelet: { notBefore: '1d' },
      'front-proxy-client': { notAfter: '3649d' },
      'etcd-server': { notAfter: '90d' },
      'etcd-peer': { notAfter: '200d' },
      'etcd-healthcheck-client': { notAfter: '90d' },
      'apiserver-etcd-client': { notAfter: '90d' },
    },
  }
  t.strictSame(await grave(await pki(t, dates)), [
    'expired pki/apiserver.crt',
    'leaf-outlives-ca pki/etcd/peer.crt',
    'expires-soon pki/apiserver-kubelet-client.crt',
    'not-yet-valid kubelet/node-1/pki/kubelet.crt',
    'long-lived pki/front-proxy-client.crt',
  ])
  const contents: PlanChanges = {
    certificates: {
      apiserver: { keyAlgorithm: 'RSA-1024' },
      'apiserver-kubelet-client': { signatureHash: 'SHA-1' },
      'etcd-server': { dnsNames: [], ipAddresses: [], certSANs: [] },
      kubelet: { issuer: 'self' },
      monitoring: { keyFrom: 'etcd-peer' },
      'etcd-healthcheck-client': { sameKeyAs: 'etcd-peer' },
    },
    kubeconfigs: { 'scheduler.conf': { organizations: ['system:masters'] }, 'kubelet.conf': { issuer: 'etcd-ca' } },
  }
  t.strictSame(await grave(await pki(t, contents)), [
    'weak-key pki/apiserver.crt',
    'weak-signature pki/apiserver-kubelet-client.crt',
    'cn-only pki/etcd/server.crt',
    'key-mismatch monitoring/client.crt',
    'masters scheduler.conf',
    'self-signed-serving kubelet/node-1/pki/kubelet.crt',
    'key-shared pki/etcd/healthcheck-client.crt',
    'kubelet-signed-elsewhere kubelet.conf',
  ])
})

t.test('a CA that signs for too many is found', async t => {
  t.strictSame(await grave(await pki(t, { certificates: { 'front-proxy-client': { issuer: 'ca' } } })), [
    'front-proxy-ca-shared pki/front-proxy-client.crt',
  ])
  t.strictSame(await grave(await pki(t, { certificates: { 'etcd-server': { issuer: 'ca' } } })), [
    'etcd-trusts-cluster-ca pki/etcd/server.crt',
  ])
})

t.test('a CA that its own constraints shut out is found: older Go refuses whatever it signed', async t => {
  const narrow = { 'etcd-ca': { nameConstraints: { permittedDnsNames: ['localhost', 'node-1'] } } }
  t.strictSame(await grave(await pki(t, { authorities: narrow })), ['ca-outside-its-constraints pki/etcd/ca.crt'])
  t.strictSame(await grave(await pki(t, {}, 'name-constrained')), [])
})

t.test('one CA for all is one finding, not three', async t => {
  t.strictSame(await grave(await pki(t, {}, 'one-ca')), ['one-ca-for-all pki/ca.crt'])
})

t.test('modes, a copied administrator, a worker with a CA’s key, and verification that is off', async t => {
  const dir = await pki(t)
  chmodSync(join(dir, 'pki/apiserver.key'), 0o640)
  chmodSync(join(dir, 'admin.conf'), 0o644)
  chmodSync(join(dir, 'pki/ca.crt'), 0o666)
  chmodSync(join(dir, 'pki'), 0o755)
  cpSync(join(dir, 'super-admin.conf'), join(dir, 'ci.conf'))
  const open = readFileSync(join(dir, 'kube-proxy.conf'), 'utf8').replace(
    /certificate-authority-data: .*/,
    'insecure-skip-tls-verify: true',
  )
  writeFileSync(join(dir, 'kube-proxy.conf'), open)
  const lines = await found(dir)
  for (const line of [
    'key-mode pki/apiserver.key',
    'key-mode admin.conf',
    'certificate-mode pki/ca.crt',
    'folder-mode pki',
    'masters ci.conf',
    'admin-shared ci.conf',
    'verification-off kube-proxy.conf',
  ]) {
    t.ok(lines.includes(line), `${line}\nfound:\n${lines.join('\n')}`)
  }
  for (const name of ['plan.json', 'controller-manager.conf', 'pki/apiserver.crt']) rmSync(join(dir, name))
  t.ok((await found(dir)).includes('ca-key-on-worker pki/ca.key'))
})

t.test('the flags of static pods are looked at', async t => {
  const pod = (...command: string[]) => JSON.stringify({ spec: { containers: [{ command }] } })
  const dir = write(t, {
    'manifests/etcd.yaml': pod('etcd', '--client-cert-auth=true'),
    'manifests/kube-apiserver.yaml': pod(
      'kube-apiserver',
      '--client-ca-file=/etc/kubernetes/pki/ca.crt',
      '--requestheader-client-ca-file=/etc/kubernetes/pki/ca.crt',
      '--etcd-cafile=/etc/kubernetes/pki/ca.crt',
      '--tls-min-version=VersionTLS10',
    ),
  })
  t.strictSame(await found(dir), [
    'etcd-trusts-cluster-ca manifests/kube-apiserver.yaml',
    'front-proxy-ca-shared manifests/kube-apiserver.yaml',
    'etcd-open manifests/etcd.yaml',
    'old-tls manifests/kube-apiserver.yaml',
    'kubelet-unverified manifests/kube-apiserver.yaml',
    'audit-off manifests/kube-apiserver.yaml',
  ])
})

/** Two layers, the second of which deletes what the first brought; as `docker save` and as an OCI layout have it. */
async function image(t: Tap, layout: 'docker' | 'oci'): Promise<string> {
  const dir = write(t, {
    'one/app/tls.key': pem(),
    'one/app/kept.key': pem(),
    'one/app/ca.crt': 'not a key',
    'two/app/.wh.tls.key': '',
  })
  const layer = (name: string) => create({ cwd: join(dir, name), gzip: layout === 'oci', sync: true }, ['app']).read()!
  const save = join(dir, 'save')
  mkdirSync(join(save, 'blobs/sha256'), { recursive: true })
  const put = (name: string, content: string | Buffer) => writeFileSync(join(save, name), content)
  const layers = ['one', 'two'].map(name => `blobs/sha256/${name}`)
  layers.forEach((path, index) => {
    put(path, layer(['one', 'two'][index]!))
  })
  if (layout === 'docker') put('manifest.json', JSON.stringify([{ Config: 'config.json', Layers: layers }]))
  else {
    put('index.json', JSON.stringify({ manifests: [{ digest: 'sha256:manifest' }] }))
    put('blobs/sha256/manifest', JSON.stringify({ layers: [{ digest: 'sha256:one' }, { digest: 'sha256:two' }] }))
  }
  const file = join(dir, 'image.tar')
  await create({ cwd: save, file }, ['.'])
  return file
}

for (const layout of ['docker', 'oci'] as const) {
  t.test(`a key in a layer is found, also one that a later layer deletes (${layout})`, async t => {
    const { kind, findings } = await lint(await image(t, layout), { now: new Date() })
    t.equal(kind, 'image')
    t.match(findings, [
      { rule: 'key-in-image', path: 'app/kept.key', layer: 'blobs/sha256/one' },
      { rule: 'key-in-image', path: 'app/tls.key', layer: 'blobs/sha256/one', detail: /deleted in a later layer/ },
    ])
    t.equal(findings.length, 2)
  })
}

t.test('an archive that expands beyond reason is given up, and one that is none is bad input', async t => {
  const zeros = join(t.testdir(), 'zeros')
  writeFileSync(zeros, Buffer.alloc(4 * 2 ** 20))
  const bomb = `${zeros}.tar.gz`
  await create({ cwd: dirname(zeros), file: bomb, gzip: { level: 9 } }, ['zeros'])
  rmSync(zeros)
  await t.rejects(lint(bomb, { now: new Date() }), { code: 'TP_INPUT_INVALID' })
  const { status, stderr } = await trustplane('pki', 'lint', bomb)
  t.equal(status, 2)
  t.match(stderr, 'max decompression ratio exceeded')
  t.equal((await trustplane('pki', 'lint', join(zeros, 'nothing'))).status, 2)
  writeFileSync(`${zeros}.gz`, gzipSync('just a file'))
  t.strictSame(await found(dirname(zeros)), [], 'in a folder either is skipped, and said so')
})

const hasGit = (() => {
  try {
    return execFileSync('git', ['--version']).length > 0
  } catch {
    return false
  }
})()

t.test(
  'a key that was ever committed is found in the history',
  { skip: !hasGit && !process.env.CI && 'no git' },
  async t => {
    const dir = write(t, { 'deploy/tls.key': pem(), 'README.md': 'hello' })
    const git = (...words: string[]) =>
      execFileSync('git', ['-C', dir, '-c', 'user.name=t', '-c', 'user.email=t@example.test', ...words], {
        encoding: 'utf8',
      })
    git('init', '-q')
    git('add', '.')
    git('commit', '-qm', 'one')
    const commit = git('rev-parse', 'HEAD').trim()
    git('rm', '-q', 'deploy/tls.key')
    git('commit', '-qm', 'two')
    git('branch', 'other', commit)
    const { kind, findings } = await lint(dir, { now: new Date() })
    t.equal(kind, 'git')
    t.match(findings, [
      { rule: 'key-in-git', path: 'deploy/tls.key', blob: /^[0-9a-f]{40}$/, commit: /^[0-9a-f]{40}$/ },
    ])
    t.equal(findings.length, 1)
    t.strictSame((await lint(dir, { now: new Date(), history: false })).findings, [])
    t.match(await lint(join(dir, '.git'), { now: new Date() }), { kind: 'git', findings: [{ rule: 'key-in-git' }] })
  },
)

t.test('without git its history is not passed over in silence', async t => {
  const dir = write(t, { '.git/HEAD': 'ref: refs/heads/main\n' })
  const { PATH } = process.env
  t.teardown(() => {
    process.env.PATH = PATH
  })
  process.env.PATH = ''
  await t.rejects(lint(dir, { now: new Date() }), { code: 'TP_PROGRAM_MISSING', fix: /--no-history/ })
})

t.test('every rule says what, why, by which source and how it is mended, once', async t => {
  t.equal(new Set(rules.map(({ id }) => id)).size, rules.length)
  for (const rule of rules) t.ok(rule.what && rule.why && rule.source && rule.fix, rule.id)
  const { status, stdout } = await trustplane('pki', 'lint', '--rules')
  t.equal(status, 0)
  t.equal(stdout.trimEnd().split('\n').length, rules.length + 1)
  const { stdout: json } = await trustplane('pki', 'lint', '--rules', '-o', 'json')
  t.equal(JSON.parse(json).items.length, rules.length)
})
