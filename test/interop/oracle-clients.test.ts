/**
 * Every measured client certificate, presented to ours by real programs. Our etcd ends them as etcd 3.4 and 3.5 did, in words and alert:
 * OpenSSL presents all, etcdctl what Go's loader takes. Our kube-apiserver's server takes a real kubectl for somebody, or answers 401 with the original's log line.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { systemClock } from '#clock.ts'
import { listen } from '#components/etcd/listener.ts'
import { createAuthenticator } from '#kubernetes/authn.ts'
import { privilegedGroups } from '#kubernetes/authz.ts'
import { memoryBundle } from '#tls/bundle.ts'
import { memoryIdentity } from '#tls/identity.ts'
import { memoryRecords } from '#tls/records.ts'
import type { TlsVersion } from '#tls/types.ts'
import { alertName } from '#x509/alerts.ts'
import { parseRevocationList } from '#x509/crl.ts'
import { readKeyPair } from '#x509/key-pair.ts'
import { readBundle } from '#x509/pem.ts'
import type { Certificate, Voice } from '#x509/types.ts'
import { memoryLog, startServer, throwawayCa } from '../kubernetes/ground.ts'
import { throwawayPki } from '../tls/mesh.ts'
import { foldNow, type Said } from '../x509/oracle.ts'
import type { RekeyedCase } from '../x509/rekey.ts'
import { aFewAtATime, liveCases, pemCertificates, run, runUntil, Tally } from './oracle-ground.ts'
import { kubectls, program } from './programs.ts'

t.setTimeout(600_000)
const pki = throwawayPki()
// the group tls is about what a client offers: test/tls/protocols.test.ts
const cases = liveCases('clientAuth').filter(({ group }) => group !== 'tls')
const openssl = program('openssl')
const etcdctl = program('etcdctl')
const [kubectl] = kubectls().filter(({ minor }) => minor >= 33)

const isMeasured = (said: Said | undefined): said is Said =>
  said?.verdict === 'accept' || Boolean(said?.log ?? said?.alert)

/** Whether a Go program would start with it. */
function isLoadable({ chain, key }: RekeyedCase, voice: Voice): boolean {
  try {
    readKeyPair(chain, key, { voice })
    return true
  } catch {
    return false
  }
}

/** What OpenSSL cannot read it cannot present, and our own end, which is OpenSSL too, cannot take: src/tls/README.md, Limits. */
const unreadable = /client-cert\/(serial-nonminimal|time-utctime-noseconds)$/
const version = ({ id }: RekeyedCase) => (id.endsWith('-tls12') ? '-tls1_2' : '-tls1_3')

/** The case's files as programs take them. */
function filesOf(one: RekeyedCase, dir: string, worker: number) {
  const [leaf = '', ...others] = pemCertificates(one.chain)
  const put = (name: string, text: string) => {
    const path = join(dir, `${worker}-${name}`)
    writeFileSync(path, text, { mode: 0o600 })
    return path
  }
  const chain = others.length > 0 ? ['-cert_chain', put('others.crt', others.join(''))] : []
  const key = put('client.key', one.key)
  return {
    go: { cert: put('client.crt', one.chain), key, ca: put('ca.crt', pki.ca.cert) },
    openssl: ['-cert', put('leaf.crt', leaf), '-key', key, ...chain, '-cipher', 'ALL:@SECLEVEL=0'],
  }
}

/** Our etcd's client port for one case. */
async function startPort(
  t: Test,
  one: RekeyedCase,
  roots: readonly Certificate[],
  voice: Voice,
  maxVersion: TlsVersion,
) {
  const { log, lines } = memoryLog()
  const identity = memoryIdentity(pki.server.cert, pki.server.key)
  const list = one.crl === undefined ? undefined : parseRevocationList(one.crl)
  const accepted = Promise.withResolvers<void>()
  const port = await listen({
    url: { text: 'https://127.0.0.1:0', secure: true, host: '127.0.0.1', port: 0 },
    component: 'etcd',
    context: { clock: systemClock, voice, log, records: memoryRecords() },
    security: {
      identity,
      dialIdentity: identity,
      bundle: memoryBundle(roots),
      clientAuth: 'require',
      ...(list ? { crl: () => list } : {}),
      close() {},
    },
    protocol: { maxVersion },
    accept(socket) {
      socket.destroy()
      accepted.resolve()
    },
  })
  t.teardown(() => port.close())
  const rejection = () => lines.find(({ message }) => message.startsWith('rejected connection'))?.fields.error
  return { port: port.address.port, accepted: accepted.promise, rejection }
}

/** etcd's bundle; undefined when etcd does not start with it. */
function bundleOf({ roots }: RekeyedCase, voice: Voice): readonly Certificate[] | undefined {
  try {
    return readBundle(roots, 'etcd', { voice })
  } catch {
    return undefined
  }
}

/** Go 1.24.0 to 1.24.3 worded this one differently (test/x509/oracle.test.ts). */
const asNewest = (text: string) =>
  text.replace('1 chains with invalid policies', 'all candidate chains have invalid policies')

/** Times, and the length of a session ticket, which is as long as signatures happen to be. */
const fold = (text: string) => foldNow(text).replace(/child length \d+/, 'child length <LENGTH>')

const alertNames: Record<string, string> = { ERR_SSL_TLSV1_ALERT_DECRYPT_ERROR: 'decrypt_error' }

for (const [voice, field] of [
  ['go1.19', 'etcd34'],
  ['go1.24', 'etcd35'],
] as const) {
  t.test(`OpenSSL presents them to our etcd of ${voice}`, { skip: openssl.skip }, async t => {
    const dir = t.testdir()
    const tally = new Tally()
    await aFewAtATime(cases, async (one, worker) => {
      const said = one[field]
      const roots = bundleOf(one, voice)
      if (!isMeasured(said) || !roots)
        return tally.leave('etcd does not start with the bundle, or was not measured', one.id)
      if (unreadable.test(one.id)) return tally.leave('OpenSSL cannot read it', one.id)
      const etcd = await startPort(t, one, roots, voice, 'TLSv1.3')
      const files = filesOf(one, dir, worker)
      const output = await runUntil(
        openssl.path,
        ['s_client', '-connect', `127.0.0.1:${etcd.port}`, version(one), ...files.openssl],
        {},
      )
      tally.tried(one.group)
      t.equal(
        etcd.rejection() && fold(String(etcd.rejection())),
        said.log ? asNewest(fold(said.log)) : undefined,
        `${one.id}: log`,
      )
      const number = /SSL alert number (\d+)/.exec(output)?.[1]
      if (said.alert) t.equal(alertName(Number(number)), alertNames[said.alert] ?? said.alert, `${one.id}: alert`)
      else t.equal(number, undefined, `${one.id}: alert`)
    })
    t.comment(String(tally))
  })
}

t.test('etcdctl presents them to our etcd of its voice', { skip: etcdctl.skip }, async t => {
  const voice = 'go1.19'
  const dir = t.testdir()
  const tally = new Tally()
  await aFewAtATime(cases, async (one, worker) => {
    const said = one.etcd34
    const roots = bundleOf(one, voice)
    if (!isMeasured(said) || !roots)
      return tally.leave('etcd does not start with the bundle, or was not measured', one.id)
    if (!isLoadable(one, voice)) return tally.leave('etcdctl does not start with it', one.id)
    if (unreadable.test(one.id)) return tally.leave('OpenSSL cannot read it', one.id)
    // it was measured with a client that presents none then
    if (one.id.endsWith('key-p224'))
      return tally.leave('etcdctl presents it, the client it was measured with did not', one.id)
    // in TLS 1.3 etcdctl has finished when the alert comes, and tries again without a word
    const etcd = await startPort(t, one, roots, voice, 'TLSv1.2')
    const { go } = filesOf(one, dir, worker)
    const output = await runUntil(
      etcdctl.path,
      [
        `--endpoints=https://127.0.0.1:${etcd.port}`,
        `--cacert=${go.ca}`,
        `--cert=${go.cert}`,
        `--key=${go.key}`,
        '--debug',
        'get',
        'x',
      ],
      { env: { ETCDCTL_API: '3' }, enough: /Reconnecting\.\.\.|Error:|TRANSIENT_FAILURE/, over: etcd.accepted },
    )
    tally.tried(one.group)
    t.equal(
      etcd.rejection() && fold(String(etcd.rejection())),
      said.log ? asNewest(fold(said.log)) : undefined,
      `${one.id}: log`,
    )
    if (said.alert)
      t.match(output, 'authentication handshake failed: remote error: tls: bad certificate', `${one.id}: alert`)
  })
  t.comment(String(tally))
})

/** kubectl takes five times as long as OpenSSL, so it presents the first case of each kind of ending. */
function endings(): Map<string, string> {
  const first = new Map<string, string>()
  for (const one of cases.filter(other => isLoadable(other, 'go1.24') && !/key-(p224|rsa512)/.test(other.id))) {
    const { verdict, log } = one.kubeApiserver!
    const kind = `${verdict} ${log?.replace(/^.* failed: |"[^"]*"|\d\S*/g, '')}`
    if (verdict && !first.has(kind)) first.set(kind, one.id)
  }
  return first
}

const skipsKubectl = openssl.skip || (kubectl ? false : 'no kubectl of 1.33 or newer')
t.test('kubectl and OpenSSL present them to our kube-apiserver', { skip: skipsKubectl }, async t => {
  const dir = t.testdir()
  const ca = await throwawayCa()
  const serverCa = join(dir, 'server-ca.crt')
  writeFileSync(serverCa, ca.cert)
  const tally = new Tally()
  const byKubectl = new Set(endings().values())
  const ask = (one: RekeyedCase, worker: number, url: string): Promise<string> => {
    const { go, openssl: own } = filesOf(one, dir, worker)
    if (byKubectl.has(one.id)) {
      const certificates = [
        `--client-certificate=${go.cert}`,
        `--client-key=${go.key}`,
        `--certificate-authority=${serverCa}`,
      ]
      return run(kubectl!.path, ['get', '--raw=/who', `--server=${url}`, ...certificates], {
        HOME: dir,
        KUBECONFIG: join(dir, 'none'),
      })
    }
    return runUntil(openssl.path, ['s_client', '-connect', new URL(url).host, version(one), '-quiet', ...own], {
      input: 'GET /who HTTP/1.0\r\nHost: x\r\n\r\n',
    })
  }
  await aFewAtATime(cases, async (one, worker) => {
    const { verdict, log } = one.kubeApiserver!
    if (!verdict) return tally.leave('kube-apiserver does not start with the bundle, or was not measured', one.id)
    if (unreadable.test(one.id)) return tally.leave('OpenSSL cannot read it', one.id)
    const clientCa = memoryBundle(readBundle(one.roots, 'kube-apiserver'))
    const { url, lines, errors, server } = await startServer(t, ca, {
      authenticator: createAuthenticator({ clock: systemClock, voice: 'go1.24', clientCa, anonymous: true }),
      authorizer: privilegedGroups(['system:authenticated']),
      clientCa,
      routes: ({ app }) => app.get('/who', async request => ({ user: request.user.username })),
    })
    const output = await ask(one, worker, url)
    await server.close()
    tally.tried(`${one.group}${byKubectl.has(one.id) ? ' by kubectl' : ''}`)
    const ending = endingOf(output)
    t.equal(ending, verdict, `${one.id}: ${ending === verdict ? '' : output}`)
    const handshake = lines.find(({ message }) => message.startsWith('http: TLS handshake error'))?.message
    const words = handshake?.replace(/127\.0\.0\.1:\d+/, '127.0.0.1:PORT') ?? errors()[0] ?? ''
    // 1.20 put it in another frame than 1.33
    const ours = words.replace(
      /^Unable to authenticate the request: /,
      'Unable to authenticate the request due to an error: ',
    )
    if (log) t.equal(fold(ours), asNewest(fold(log)), `${one.id}: log`)
  })
  t.comment(String(tally))
})

function endingOf(output: string): string {
  if (output.includes('{"user":')) return 'accept'
  if (/Forbidden/.test(output)) return 'anonymous-403'
  return /Unauthorized|provide credentials/.test(output) ? 'reject-401' : 'reject-tls'
}
