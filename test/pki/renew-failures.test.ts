/** What becomes of keys when a renewal cannot be finished: no room, no permission, killed, files that do not belong together. */
import { spawn, spawnSync } from 'node:child_process'
import { createPrivateKey } from 'node:crypto'
import { on, once } from 'node:events'
import { chmodSync, chownSync, readdirSync, readFileSync, rmSync, statSync, watch, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t from 'tap'
import { createPki } from '#pki/create.ts'
import { readKubeconfigIdentity } from '#pki/kubeconfig.ts'
import { loadPlan } from '#pki/plan.ts'
import { renewCertificates } from '#pki/renew.ts'
import { read } from './reading.ts'

const now = new Date('2026-11-24T10:00:00Z')

async function pki(t: { testdir(): string }) {
  const dir = join(t.testdir(), 'state')
  const plan = await loadPlan('kubeadm')
  await createPki({ plan, dir, clock: { now: () => now } })
  const text = (path: string) => readFileSync(join(dir, path), 'utf8')
  return { dir, plan, text, renew: (...names: string[]) => renewCertificates(dir, plan, names, { now: () => now }) }
}

/** Every file below, with its mode and content. */
const snapshot = (dir: string) =>
  readdirSync(dir, { recursive: true, encoding: 'utf8', withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(({ parentPath, name }) => {
      const path = join(parentPath, name)
      return [path, statSync(path).mode & 0o777, readFileSync(path, 'utf8')] as const
    })
    .sort(([a], [b]) => (a < b ? -1 : 1))

const source = resolve(import.meta.dirname, '../../src/pki')
/** A program that renews once, and says what was thrown. */
const renewOnce = (dir: string) => `
  import { loadPlan } from '${source}/plan.ts'
  import { renewCertificates } from '${source}/renew.ts'
  process.on('SIGXFSZ', () => {})
  const error = await renewCertificates(${JSON.stringify(dir)}, await loadPlan('kubeadm'), ['apiserver']).catch(e => e)
  process.stdout.write(JSON.stringify({ code: error.code, message: error.message, fix: error.fix }))`
// tap's own preloads write files, and not everybody may read them
const childOptions = {
  encoding: 'utf8' as const,
  cwd: resolve(import.meta.dirname, '../..'),
  env: { PATH: process.env.PATH },
}

t.test('without room for what is new, every key and certificate stays, and nothing half-written is left', async t => {
  const { dir } = await pki(t)
  const before = snapshot(dir)
  // blocks of 512 or 1024 bytes: room for nothing
  const child = spawnSync(
    'sh',
    ['-c', 'ulimit -f 0; exec "$0" --input-type=module -e "$1"', process.execPath, renewOnce(dir)],
    childOptions,
  )
  t.match(JSON.parse(child.stdout || '{}'), { code: 'TP_FILE_UNREADABLE', fix: /nothing was changed/ }, child.stderr)
  t.strictSame(snapshot(dir), before)
})

t.test('in a folder that may not be written to, everything stays', async t => {
  const { dir } = await pki(t)
  const before = snapshot(dir)
  // root may write everywhere: there it is tried as nobody
  const nobody = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}
  if (nobody.uid) {
    for (const path of ['', ...readdirSync(dir, { recursive: true, encoding: 'utf8' })])
      chownSync(join(dir, path), nobody.uid, nobody.gid)
  }
  chmodSync(join(dir, 'pki'), 0o500)
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', renewOnce(dir)], {
    ...childOptions,
    ...nobody,
  })
  chmodSync(join(dir, 'pki'), 0o700)
  t.match(
    JSON.parse(child.stdout || '{}'),
    { code: 'TP_FILE_UNREADABLE', message: /cannot write .*EACCES/, fix: /nothing was changed/ },
    child.stderr,
  )
  t.strictSame(snapshot(dir), before)
})

t.test('killed in the middle, no key is lost or readable by others, and the next renewal mends the rest', async t => {
  const { dir, renew, text } = await pki(t)
  const child = spawn(process.execPath, [resolve(import.meta.dirname, 'renew-forever.ts'), dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  // the list of renames appears: some are done, some are not
  const watcher = watch(dir)
  for await (const [, name] of on(watcher, 'change')) if (name === '.pki-commit.json') break
  child.kill('SIGKILL')
  await once(child, 'exit')
  watcher.close()
  for (const [path, mode, content] of snapshot(dir)) {
    if (content.includes('PRIVATE KEY') || content.includes('client-key-data')) t.equal(mode, 0o600, path)
  }
  await renew('etcd-peer')
  for (const name of ['apiserver', 'etcd/server', 'etcd/peer']) {
    const certificate = read(text(`pki/${name}.crt`)).node
    t.ok(certificate.checkPrivateKey(createPrivateKey(text(`pki/${name}.key`))), name)
  }
  const { clientCertificate, clientKey } = readKubeconfigIdentity(text('admin.conf'), 'admin.conf')
  t.ok(read(clientCertificate).node.checkPrivateKey(createPrivateKey(clientKey)), 'admin.conf')
})

t.test('a failure in the middle of all says what was renewed, what was not, and how to go on', async t => {
  const { renew, text, dir } = await pki(t)
  writeFileSync(join(dir, 'pki/etcd/peer.crt'), '-----BEGIN CERTIFICATE-----\nMIIB')
  const before = text('pki/etcd/server.crt')
  const error = (await renew('all').catch(e => e)) as { code: string; message: string; fix: string }
  t.equal(error.code, 'TP_PEM_INVALID')
  t.match(error.message, /etcd\/peer\.crt holds no certificate/)
  t.match(
    error.message,
    /renewed before that: admin\.conf, apiserver, .*etcd-healthcheck-client; as they were: etcd-peer, etcd-server/,
  )
  t.match(
    error.fix,
    /go on with `trustplane pki renew etcd-peer etcd-server front-proxy-client scheduler\.conf super-admin\.conf`/,
  )
  t.equal(text('pki/etcd/server.crt'), before)
})

t.test('killed between two renames, the next renewal finishes the pair first', async t => {
  const { dir, text, renew } = await pki(t)
  const [certificate, key] = [text('pki/apiserver.crt'), text('pki/apiserver.key')]
  await renew('apiserver')
  // as a kill leaves it: the key is in its place, its certificate and the list of renames are not
  const renewed = text('pki/apiserver.crt')
  writeFileSync(join(dir, 'pki/.apiserver.crt.new'), renewed)
  writeFileSync(join(dir, 'pki/apiserver.crt'), certificate)
  writeFileSync(join(dir, '.pki-commit.json'), '["pki/apiserver.key","pki/apiserver.crt"]')
  await renew('etcd-peer')
  t.equal(text('pki/apiserver.crt'), renewed)
  t.not(text('pki/apiserver.key'), key)
})

t.test('with an external CA, what it has signed is checked in kubeadm’s words', async t => {
  const { dir, text, renew } = await pki(t)
  rmSync(join(dir, 'pki/ca.key'))
  const prefix = 'Error checking external CA condition for ca certificate authority: '
  t.match(await renew('apiserver', 'admin.conf'), [
    {
      outcome: 'external',
      message: "Detected external ca, certificate for serving the Kubernetes API can't be renewed",
    },
    {
      outcome: 'external',
      message: /^Detected external ca, certificate embedded in the kubeconfig file for the admin/,
    },
  ])
  const good = text('pki/apiserver.crt')
  writeFileSync(join(dir, 'pki/apiserver.crt'), text('pki/etcd/server.crt'))
  await t.rejects(renew('admin.conf'), {
    code: 'TP_PKI_EXISTS',
    message: `${prefix}certificate API server is not signed by corresponding CA: x509: certificate signed by unknown authority`,
  })
  rmSync(join(dir, 'pki/apiserver.crt'))
  await t.rejects(renew('admin.conf'), {
    code: 'TP_PKI_MISSING',
    message: new RegExp(`^${prefix}failure loading certificate for API server: open .*no such file or directory`),
    fix: /generate-csr/,
  })
  writeFileSync(join(dir, 'pki/apiserver.crt'), good)
  rmSync(join(dir, 'pki/apiserver-kubelet-client.key'))
  await t.rejects(renew('admin.conf'), {
    message: `${prefix}failure loading key for apiserver-kubelet-client: open ${join(dir, 'pki/apiserver-kubelet-client.key')}: no such file or directory`,
  })
})

t.test('a half-written CA is named, with what to do', async t => {
  const { dir, text, renew } = await pki(t)
  const [certificate, key] = [text('pki/ca.crt'), text('pki/ca.key')]
  writeFileSync(join(dir, 'pki/ca.crt'), certificate.slice(0, 200))
  await t.rejects(renew('apiserver'), { code: 'TP_PEM_INVALID', message: /pki\/ca\.crt holds no certificate/ })
  writeFileSync(join(dir, 'pki/ca.crt'), certificate)
  writeFileSync(join(dir, 'pki/ca.key'), key.slice(0, 60))
  await t.rejects(renew('apiserver'), {
    code: 'TP_PEM_INVALID',
    message: /pki\/ca\.key holds no private key/,
    fix: /nothing was renewed/,
  })
  t.equal(read(text('pki/apiserver.crt')).commonName, 'kube-apiserver')
})
