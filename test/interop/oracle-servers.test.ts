/**
 * Every measured serving certificate, served by ours: a real kubectl and a real etcdctl dial it, say what was recorded of them,
 * and our record has the alert that they send.
 */
import { writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import t, { type Test } from 'tap'
import { messageOf } from '#errors.ts'
import type { HandshakeRecord, ListenOptions } from '#tls/types.ts'
import { parseTrustedCertificates, readBundle } from '#x509/pem.ts'
import { verify } from '#x509/verify.ts'
import { placedMessage } from '#x509/words.ts'
import { httpApp, startListener, throwawayPki } from '../tls/mesh.ts'
import { foldNow } from '../x509/oracle.ts'
import type { RekeyedCase } from '../x509/rekey.ts'
import { aFewAtATime, identityOf, liveCases, pemCertificates, run, runUntil, Tally } from './oracle-ground.ts'
import { flight } from './plain-flight.ts'
import { kubectls, program } from './programs.ts'

t.setTimeout(600_000)
const pki = throwawayPki()
const cases = liveCases('serverAuth')
const etcdctl = program('etcdctl')
// kubectl 1.33 is the first of Go 1.24
const [kubectl] = kubectls().filter(({ minor }) => minor >= 33)

/** The cases that are about the server's settings. What our servers cannot be told, test/tls/protocols.test.ts has an OpenSSL server do. */
const settings: Record<string, Partial<ListenOptions> | undefined> = {
  'tls-max12': { maxVersion: 'TLSv1.2' },
  'tls-min13': { minVersion: 'TLSv1.3' },
  'tls-cipher-cbc': { maxVersion: 'TLSv1.2', cipherSuites: ['TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA'] },
  'tls-alpn-http11': { alpn: ['http/1.1'] },
  'tls-ku-nodigsig-tls12': { maxVersion: 'TLSv1.2' },
  'tls-ku-digsig-only-rsakx': { maxVersion: 'TLSv1.2', cipherSuites: ['TLS_RSA_WITH_AES_128_GCM_SHA256'] },
}
const nameOf = ({ id }: RekeyedCase) => id.replace('server-cert/', '')

/** OpenSSL serves nothing that it cannot read. */
function isServable({ chain, key }: RekeyedCase): boolean {
  try {
    createSecureContext({ cert: chain, key, ciphers: 'DEFAULT:@SECLEVEL=0' })
    return true
  } catch {
    return false
  }
}

interface Served {
  port: number
  /** What our end recorded; undefined when nobody of ours served it. */
  record(): HandshakeRecord | undefined
}

async function serve(t: Test, one: RekeyedCase, more: Partial<ListenOptions>): Promise<Served> {
  if (isServable(one)) {
    const { listener, records } = await startListener(t, pki, {
      identity: identityOf(one),
      clientAuth: 'none',
      serve: httpApp,
      ...settings[nameOf(one)],
      ...more,
    })
    return { port: listener.address.port, record: () => records.records.at(-1) }
  }
  const chain = pemCertificates(one.chain).map(pem => Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64'))
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.once('data', () => socket.write(flight(chain)))
  })
  await new Promise<void>(listening => server.listen(0, '127.0.0.1', listening))
  t.teardown(() => server.close())
  return { port: (server.address() as AddressInfo).port, record: () => undefined }
}

/** The plaintext flight's key exchange is none, and Go looks at it after the chain. */
const isAccepted = (output: string) => output.includes('{"user":null}') || /ServerKeyExchange/.test(output)

const alertCodes: Record<string, number> = {
  'ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE': 42,
  ERR_SSL_NO_SHARED_CIPHER: 40,
  ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM: 40,
  ERR_SSL_NO_SUITABLE_KEY_SHARE: 40,
}

const isForSettings = (one: RekeyedCase) => one.group === 'tls' && !settings[nameOf(one)]

t.test('a real kubectl', { skip: kubectl ? false : 'no kubectl of 1.33 or newer' }, async t => {
  const dir = t.testdir()
  const tally = new Tally()
  await aFewAtATime(cases, async (one, worker) => {
    if (isForSettings(one)) return tally.leave('ours cannot be told to be such a server', one.id)
    const { verdict, error } = one.kubectl133!
    const bundle = join(dir, `ca-${worker}.crt`)
    writeFileSync(bundle, one.roots)
    const { port, record } = await serve(t, one, {})
    const output = await run(
      kubectl!.path,
      [
        'get',
        '--raw=/',
        `--server=https://127.0.0.1:${port}`,
        `--certificate-authority=${bundle}`,
        '--token=x',
        ...(one.name && one.name !== '127.0.0.1' ? [`--tls-server-name=${one.name}`] : []),
      ],
      { HOME: dir, KUBECONFIG: join(dir, 'none') },
    )
    tally.tried(one.group)
    if (verdict === 'accept') t.ok(isAccepted(output), `${one.id}: ${output}`)
    else t.equal(foldNow(output.trim()).replace(bundle, 'ca.crt'), error, one.id)
    const seen = record()
    const expected = alertCodes[one.tlsClientErrorAtServer ?? '']
    if (seen) t.equal(seen.alert?.code, expected, `${one.id}: alert at ours`)
  })
  t.comment(String(tally))
})

/** As recorded of Go 1.19; where etcdctl's own reading of the bundle matters, which was not recorded, as we say of it. */
function wordsOfEtcdctl({ roots, chain, go119 }: RekeyedCase): string | null {
  const voice = 'go1.19'
  try {
    const read = readBundle(roots, 'etcd', { voice })
    if (read.length === parseTrustedCertificates(roots, voice).length) return go119.error ?? null
    const verdict = verify({ chain, roots: read, usage: 'serverAuth', name: '127.0.0.1', now: new Date(), voice })
    return verdict.verdict === 'accept' ? null : foldNow(placedMessage(verdict, { end: 'client', voice }))
  } catch (error) {
    return messageOf(error)
  }
}

t.test('a real etcdctl', { skip: etcdctl.skip }, async t => {
  const dir = t.testdir()
  const tally = new Tally()
  await aFewAtATime(cases, async (one, worker) => {
    if (isForSettings(one)) return tally.leave('ours cannot be told to be such a server', one.id)
    if (one.name !== '127.0.0.1') return tally.leave('etcdctl checks for what it dials', one.id)
    const expected = wordsOfEtcdctl(one)
    const bundle = join(dir, `ca-${worker}.crt`)
    writeFileSync(bundle, one.roots)
    const { port, record } = await serve(t, one, { alpn: ['h2'], voice: 'go1.19' })
    const output = await runUntil(
      etcdctl.path,
      [`--endpoints=https://127.0.0.1:${port}`, `--cacert=${bundle}`, '--debug', 'get', 'x'],
      { env: { ETCDCTL_API: '3' }, enough: /Reconnecting\.\.\.|connectivity change to READY|Error:/i },
    )
    tally.tried(one.group)
    const [, unread, refused] =
      /^Error: (.*)$|authentication handshake failed: (.*)"\. Reconnecting/m.exec(output) ?? []
    const words = unread ?? refused?.replaceAll('\\"', '"')
    if (expected === null) t.match(output, /change to READY|ServerKeyExchange/, one.id)
    else t.equal(foldNow(words ?? output), expected, one.id)
    const alert = expected === null || unread ? undefined : /handshake failure/.test(expected) ? 40 : 42
    if (record()) t.equal(record()?.alert?.code, alert, `${one.id}: alert at ours`)
  })
  t.comment(String(tally))
})
