import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { systemClock } from '#clock.ts'
import { sniIdentities } from '#components/sni-cert-keys.ts'
import { silentLog } from '#log.ts'
import { throwawayCa } from '../tls/mesh.ts'
import { p256 } from '../x509/authority.ts'
import { startCluster, until } from './cluster.ts'

const ca = throwawayCa('other')

t.test('what --tls-sni-cert-key takes', async t => {
  const { cert, key } = ca.issue('a')
  const dir = t.testdir({ crt: cert, other: ca.issue('b').key })
  writeFileSync(`${dir}/key`, key, { mode: 0o600 })
  const namesIn = (...flags: string[]) => {
    const pairs = sniIdentities('kube-apiserver', flags, silentLog)
    for (const { identity } of pairs) identity.close()
    return pairs.map(({ names }) => names)
  }
  t.strictSame(namesIn(` ${dir}/crt , ${dir}/key : *.a.example, b `, `${dir}/crt,${dir}/key`), [
    ['*.a.example', 'b'],
    [],
  ])
  const words = 'kube-apiserver: invalid argument "%" for "--tls-sni-cert-key" flag: '
  for (const [flag, why] of [
    ['a.crt', 'expected comma separated certificate and key file paths'],
    ['a.crt,a.key,a', 'expected comma separated certificate and key file paths'],
    ['a.crt,a.key:', 'empty names list is not allowed'],
  ] as const) {
    t.throws(() => namesIn(flag), { code: 'TP_FLAG_INVALID', message: words.replace('%', flag) + why })
  }
  t.throws(() => namesIn(`${dir}/none,${dir}/key`), {
    message: `failed to load SNI cert and key: open ${dir}/none: no such file or directory`,
  })
  t.throws(() => namesIn(`${dir}/crt,${dir}/other`), {
    message: 'failed to load SNI cert and key: tls: private key does not match public key',
  })
})

/** What the server says in the clear in TLS 1.2. */
async function flightOf(t: Test, port: number, roots: Buffer): Promise<string> {
  let bytes = ''
  const proxy = createServer(client => {
    const server = connect(port, '127.0.0.1')
    server.on('data', chunk => {
      bytes += chunk.toString('latin1')
    })
    client.pipe(server).pipe(client)
    for (const end of [client, server]) end.on('error', () => {})
  })
  await new Promise<void>(listening => proxy.listen(0, '127.0.0.1', listening))
  t.teardown(() => proxy.close())
  const { port: between } = proxy.address() as { port: number }
  const socket = connectTls({ port: between, host: '127.0.0.1', maxVersion: 'TLSv1.2', ca: roots })
  await new Promise(resolve => socket.once('secureConnect', resolve))
  socket.destroy()
  return bytes
}

t.test('kube-apiserver serves by name, follows the files, and names the front proxy’s CA to clients', async t => {
  const put = (path: string, text: string) => {
    writeFileSync(`${path}.new`, text, { mode: 0o600 })
    renameSync(`${path}.new`, path)
  }
  const keys = p256()
  const first = ca.issue('first', { dnsNames: ['api.example'], keys })
  const { server, file } = await startCluster(t, systemClock, file => {
    put(file('sni.crt'), first.cert)
    put(file('sni.key'), first.key)
    return [`--tls-sni-cert-key=${file('sni.crt')},${file('sni.key')}`]
  })
  const port = Number(new URL(server).port)
  const roots = readFileSync(file('pki/ca.crt'))
  const servedFor = (servername: string) =>
    new Promise<string>((resolve, reject) => {
      const socket: TLSSocket = connectTls({ port, host: '127.0.0.1', servername, ca: [ca.cert, roots] }, () => {
        resolve(socket.getPeerCertificate().subject.CN as string)
        socket.destroy()
      })
      socket.on('error', reject)
    })
  t.equal(await servedFor('api.example'), 'first')
  t.equal(await servedFor('kubernetes'), 'kube-apiserver')
  t.equal(await servedFor(''), 'kube-apiserver')
  const second = ca.issue('second', { dnsNames: ['api.example'], keys })
  put(file('sni.crt'), second.cert)
  await until('the second certificate', async () => (await servedFor('api.example')) === 'second')
  // the serving certificate has no CN of that CA in it: it is in CertificateRequest
  t.match(await flightOf(t, port, roots), 'front-proxy-ca')
})
