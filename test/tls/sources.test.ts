import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type Log, silentLog } from '#log.ts'
import { fileBundle, memoryBundle } from '#tls/bundle.ts'
import { fileIdentity, memoryIdentity } from '#tls/identity.ts'
import { type Issued, throwawayCa } from './mesh.ts'

// a source keeps no process alive
const alive = setInterval(() => {}, 1000)
t.teardown(() => clearInterval(alive))

const ca = throwawayCa('ca')
const first = ca.issue('first')
const second = ca.issue('second')

const put = (dir: string, { cert, key }: Issued) => {
  // as everybody should: both beside, then renamed
  for (const [name, text] of [
    ['tls.crt', cert],
    ['tls.key', key],
  ] as const) {
    writeFileSync(join(dir, `${name}.new`), text, { mode: 0o600 })
    renameSync(join(dir, `${name}.new`), join(dir, name))
  }
}

interface Line {
  level: string
  message: string
  fields?: Record<string, unknown> | undefined
}

function memoryLog(): Log & { lines: Line[] } {
  const lines: Line[] = []
  return {
    lines,
    info: (message, fields) => void lines.push({ level: 'info', message, fields }),
    warn: (message, fields) => void lines.push({ level: 'warn', message, fields }),
    error: (message, _, fields) => void lines.push({ level: 'error', message, fields }),
  }
}

const subject = (source: { current(): { chain: readonly { subject: { commonName: string } }[] } }) =>
  source.current().chain[0]?.subject.commonName

t.test('a watched identity follows its files, and says so as Kubernetes does', async t => {
  const dir = t.testdir()
  put(dir, first)
  const log = memoryLog()
  const [certFile, keyFile] = [join(dir, 'tls.crt'), join(dir, 'tls.key')]
  const source = fileIdentity({ certFile, keyFile, reload: 'watch', log, name: 'serving-cert' })
  t.teardown(() => source.close())
  t.equal(subject(source), 'first')
  t.equal(source.current().file, certFile)
  const changed = new Promise<void>(resolve => source.onChange(resolve))
  put(dir, second)
  await changed
  t.equal(subject(source), 'second')
  t.match(log.lines.at(-1), {
    level: 'info',
    message: 'Loaded a new cert/key pair',
    fields: { name: `serving-cert::${certFile}::${keyFile}` },
  })
})

t.test('a symlink that is swapped, as Kubernetes mounts secrets, is a change', async t => {
  const dir = t.testdir({ a: {}, b: {} })
  put(join(dir, 'a'), first)
  put(join(dir, 'b'), second)
  symlinkSync('a', join(dir, 'data'))
  for (const name of ['tls.crt', 'tls.key']) symlinkSync(join('data', name), join(dir, name))
  const source = fileIdentity({
    certFile: join(dir, 'tls.crt'),
    keyFile: join(dir, 'tls.key'),
    reload: 'watch',
    log: silentLog,
  })
  t.teardown(() => source.close())
  const changed = new Promise<void>(resolve => source.onChange(resolve))
  symlinkSync('b', join(dir, 'data.new'))
  renameSync(join(dir, 'data.new'), join(dir, 'data'))
  await changed
  t.equal(subject(source), 'second')
})

t.test('a watched identity whose new files are no good keeps the old, and says why', async t => {
  const dir = t.testdir()
  put(dir, first)
  const said = Promise.withResolvers<string>()
  const source = fileIdentity({
    certFile: join(dir, 'tls.crt'),
    keyFile: join(dir, 'tls.key'),
    reload: 'watch',
    log: { ...silentLog, error: message => said.resolve(message) },
    name: 'serving-cert',
  })
  t.teardown(() => source.close())
  writeFileSync(join(dir, 'tls.key'), second.key)
  t.equal(await said.promise, 'key failed with : tls: private key does not match public key')
  t.equal(subject(source), 'first')
  const changed = new Promise<void>(resolve => source.onChange(resolve))
  put(dir, second)
  await changed
  t.equal(subject(source), 'second')
})

t.test('an identity that is read for every handshake fails with its files, and recovers with them', async t => {
  const dir = t.testdir()
  put(dir, first)
  const log = memoryLog()
  const source = fileIdentity({
    certFile: join(dir, 'tls.crt'),
    keyFile: join(dir, 'tls.key'),
    reload: 'handshake',
    log,
  })
  t.equal(source.current(), source.current(), 'unchanged files are not parsed again')
  put(dir, second)
  t.equal(subject(source), 'second')
  writeFileSync(join(dir, 'tls.key'), first.key)
  t.throws(() => source.current(), { message: 'tls: private key does not match public key' })
  t.throws(() => source.current(), { message: 'tls: private key does not match public key' })
  t.equal(log.lines.filter(({ level }) => level === 'warn').length, 1, 'once for each change')
  rmSync(join(dir, 'tls.key'))
  t.throws(() => source.current(), { message: `open ${join(dir, 'tls.key')}: no such file or directory` })
  t.match(log.lines.at(-1), { message: 'failed to find peer cert files' })
  put(dir, first)
  t.equal(subject(source), 'first')
})

t.test('an identity that is read at start stays what it was', async t => {
  const dir = t.testdir()
  put(dir, first)
  const source = fileIdentity({
    certFile: join(dir, 'tls.crt'),
    keyFile: join(dir, 'tls.key'),
    reload: 'start',
    log: silentLog,
  })
  put(dir, second)
  t.equal(subject(source), 'first')
})

t.test('files that cannot be used at start are an error in the words of the original', async t => {
  const dir = t.testdir({
    'empty.crt': '',
    'empty.key': '',
    'a.crt': first.cert,
    'a.key': first.key,
    'b.key': second.key,
    folder: {},
  })
  const file = (name: string) => join(dir, name)
  const cases: [string, string, string | undefined, string][] = [
    ['a.crt', 'b.key', undefined, 'tls: private key does not match public key'],
    [
      'a.key',
      'a.key',
      undefined,
      'tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched',
    ],
    ['empty.crt', 'a.key', undefined, 'tls: failed to find any PEM data in certificate input'],
    [
      'a.crt',
      'empty.key',
      'serving-cert',
      `missing content for serving cert "serving-cert::${file('a.crt')}::${file('empty.key')}"`,
    ],
    ['gone.crt', 'a.key', undefined, `open ${file('gone.crt')}: no such file or directory`],
    ['folder', 'a.key', undefined, `read ${file('folder')}: is a directory`],
  ]
  for (const [cert, key, name, message] of cases) {
    const load = () =>
      fileIdentity({
        certFile: file(cert),
        keyFile: file(key),
        reload: 'start',
        log: silentLog,
        ...(name ? { name } : {}),
      })
    t.throws(load, { message }, `${cert} and ${key}`)
  }
})

t.test('a watched bundle follows its file; a bad one keeps the old', async t => {
  const dir = t.testdir({ 'ca.crt': ca.cert })
  const file = join(dir, 'ca.crt')
  const log = memoryLog()
  const bad = Promise.withResolvers<string>()
  const source = fileBundle({
    file,
    reader: 'kube-apiserver',
    reload: 'watch',
    log: { ...log, error: message => bad.resolve(message) },
  })
  t.teardown(() => source.close())
  t.equal(source.current().roots.length, 1)
  t.equal(source.current().file, file)
  const changed = new Promise<void>(resolve => source.onChange(resolve))
  writeFileSync(`${file}.new`, ca.cert + throwawayCa('new').cert)
  renameSync(`${file}.new`, file)
  await changed
  t.equal(source.current().roots.length, 2)
  t.match(log.lines, [
    { message: 'Loaded a new CA Bundle and Verifier', fields: { name: `client-ca-bundle::${file}` } },
  ])
  writeFileSync(file, 'garbage')
  t.match(await bad.promise, /^key failed with : error loading CA bundle for "client-ca-bundle::/)
  t.equal(source.current().roots.length, 2)
})

t.test('a bundle is read by the rules of the component that reads it', async t => {
  const garbage = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
  const dir = t.testdir({ mixed: garbage + ca.cert, empty: '', key: first.key })
  const read = (file: string, reader: 'client-go' | 'etcd' | 'kube-apiserver') =>
    fileBundle({ file: join(dir, file), reader, reload: 'start', log: silentLog }).current().roots.length
  t.equal(read('mixed', 'client-go'), 1)
  t.throws(() => read('mixed', 'etcd'), { message: /^x509: malformed/ })
  t.throws(() => read('mixed', 'kube-apiserver'), {
    message: /^error loading CA bundle for "client-ca-bundle::.*": x509: malformed/,
  })
  t.equal(read('empty', 'client-go'), 0)
  t.equal(read('empty', 'etcd'), 0)
  t.throws(() => read('empty', 'kube-apiserver'), { message: /^missing content for CA bundle/ })
  t.throws(() => read('key', 'etcd'), { message: /^x509: / })
  t.throws(() => read('gone', 'etcd'), { message: /^open .*: no such file or directory$/ })
})

t.test('what is in memory changes when it is set', async t => {
  const identity = memoryIdentity(first.cert, first.key)
  let changes = 0
  const stop = identity.onChange(() => {
    changes++
  })
  identity.set(second.cert, second.key)
  t.equal(subject(identity), 'second')
  t.throws(() => identity.set(first.cert, second.key), { message: 'tls: private key does not match public key' })
  t.equal(subject(identity), 'second')
  stop()
  identity.set(first.cert, first.key)
  t.equal(changes, 1)
  const bundle = memoryBundle(ca.cert)
  bundle.set([])
  t.strictSame(bundle.current().roots, [])
})

t.test('a folder that goes away and comes back does not stop the watching process', async t => {
  const dir = join(t.testdir(), 'pki')
  mkdirSync(dir)
  put(dir, first)
  const source = fileIdentity({
    certFile: join(dir, 'tls.crt'),
    keyFile: join(dir, 'tls.key'),
    reload: 'watch',
    log: silentLog,
  })
  t.teardown(() => source.close())
  rmSync(dir, { recursive: true })
  await new Promise(resolve => setImmediate(resolve))
  t.equal(subject(source), 'first')
})
