/** A throw-away PKI, a listener and a dialer with records in memory: the ground of this folder's tests. */
import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import { type FastifyInstance, fastify } from 'fastify'
import { type Clock, systemClock } from '#clock.ts'
import { silentLog } from '#log.ts'
import { memoryBundle } from '#tls/bundle.ts'
import { createDialer } from '#tls/dial.ts'
import { memoryIdentity } from '#tls/identity.ts'
import { createTlsListener } from '#tls/listen.ts'
import { peerOf } from '#tls/peer.ts'
import { memoryRecords } from '#tls/records.ts'
import { serverFactory } from '#tls/serve.ts'
import type { DialOptions, ListenOptions, TlsListener } from '#tls/types.ts'

x509.cryptoProvider.set(webcrypto)
type KeyPair = webcrypto.CryptoKeyPair
const p256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

export interface Issued {
  cert: string
  key: string
}

export interface IssueOptions {
  usages?: ('serverAuth' | 'clientAuth')[]
  dns?: string[]
  ip?: string[]
  notBefore?: Date
  notAfter?: Date
  organizations?: string[]
  algorithm?: webcrypto.EcKeyGenParams | webcrypto.RsaHashedKeyGenParams
  serial?: string
  ca?: boolean
}

export interface Authority extends Issued {
  issue(commonName: string, options?: IssueOptions): Promise<Issued>
  /** An authority under this one. */
  sub(commonName: string): Promise<Authority>
}

const ekus = { serverAuth: x509.ExtendedKeyUsage.serverAuth, clientAuth: x509.ExtendedKeyUsage.clientAuth }
const day = 86_400_000
let serials = 1000

export async function throwawayCa(
  commonName = 'ca',
  parent?: { cert: x509.X509Certificate; keys: KeyPair },
): Promise<Authority> {
  const keys = (await webcrypto.subtle.generateKey(p256, true, ['sign', 'verify'])) as KeyPair
  const make = async (
    name: string,
    subjectKeys: KeyPair,
    issuer: { cert?: x509.X509Certificate; keys: KeyPair },
    options: IssueOptions,
  ) => {
    const now = Date.now()
    return x509.X509CertificateGenerator.create({
      serialNumber: options.serial ?? (serials++).toString(16).padStart(4, '0'),
      subject: [...(options.organizations ?? []).map(O => ({ O: [O] })), { CN: [name] }],
      issuer: issuer.cert?.subjectName ?? [{ CN: [name] }],
      notBefore: options.notBefore ?? new Date(now - day),
      notAfter: options.notAfter ?? new Date(now + 365 * day),
      signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
      publicKey: subjectKeys.publicKey,
      signingKey: issuer.keys.privateKey,
      extensions: options.ca
        ? [
            new x509.BasicConstraintsExtension(true, undefined, true),
            new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.digitalSignature, true),
            await x509.SubjectKeyIdentifierExtension.create(subjectKeys.publicKey),
          ]
        : [
            new x509.BasicConstraintsExtension(false, undefined, true),
            new x509.ExtendedKeyUsageExtension((options.usages ?? ['serverAuth', 'clientAuth']).map(u => ekus[u])),
            await x509.AuthorityKeyIdentifierExtension.create(issuer.keys.publicKey),
            ...(options.dns || options.ip
              ? [
                  new x509.SubjectAlternativeNameExtension([
                    ...(options.dns ?? []).map(value => ({ type: 'dns' as const, value })),
                    ...(options.ip ?? []).map(value => ({ type: 'ip' as const, value })),
                  ]),
                ]
              : []),
          ],
    })
  }
  const cert = await make(
    commonName,
    keys,
    { ...(parent ? { cert: parent.cert } : {}), keys: parent?.keys ?? keys },
    { ca: true },
  )
  const pem = async (c: x509.X509Certificate, pair: KeyPair): Promise<Issued> => ({
    cert: `${c.toString('pem')}\n`,
    key: `${x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', pair.privateKey), 'PRIVATE KEY')}\n`,
  })
  return {
    ...(await pem(cert, keys)),
    async issue(name, options = {}) {
      const leafKeys = (await webcrypto.subtle.generateKey(options.algorithm ?? p256, true, [
        'sign',
        'verify',
      ])) as KeyPair
      return pem(await make(name, leafKeys, { cert, keys }, options), leafKeys)
    },
    sub: name => throwawayCa(name, { cert, keys }),
  }
}

export interface Pki {
  ca: Authority
  other: Authority
  server: Issued
  client: Issued
}

export async function throwawayPki(): Promise<Pki> {
  const ca = await throwawayCa('ca')
  const [other, server, client] = await Promise.all([
    throwawayCa('other'),
    ca.issue('server', { dns: ['localhost', 'server'], ip: ['127.0.0.1'] }),
    ca.issue('client', { usages: ['clientAuth'] }),
  ])
  return { ca, other, server, client }
}

interface Teardown {
  teardown(done: () => unknown): void
}

export type ListenerSettings = Partial<ListenOptions> & {
  cert?: Issued
  trusts?: string
  serve?: (listener: TlsListener) => FastifyInstance
}

/** A listener on a free port of 127.0.0.1 that is closed with the test. */
export async function startListener(t: Teardown, pki: Pki, settings: ListenerSettings = {}) {
  const { cert = pki.server, trusts = pki.ca.cert, serve, ...options } = settings
  const records = memoryRecords()
  const identity = memoryIdentity(cert.cert, cert.key, 'server.crt')
  const clientCa = memoryBundle(trusts, 'ca.crt')
  const listener = createTlsListener({
    component: 'etcd',
    clock: systemClock,
    voice: 'go1.24',
    log: silentLog,
    records,
    host: '127.0.0.1',
    port: 0,
    identity,
    clientAuth: 'require',
    clientCa,
    ...options,
  })
  const app = serve?.(listener)
  await app?.ready()
  await listener.listen()
  t.teardown(async () => {
    await app?.close()
    await listener.close()
  })
  return { listener, records, identity, clientCa, app }
}

export type DialerSettings = Partial<DialOptions> & { cert?: Issued | null; trusts?: string; clock?: Clock }

/** A dialer that is closed with the test. `cert: null` presents none. */
export function dialerTo(t: Teardown, pki: Pki, settings: DialerSettings = {}) {
  const { cert = pki.client, trusts = pki.ca.cert, ...options } = settings
  const records = memoryRecords()
  const identity = cert ? memoryIdentity(cert.cert, cert.key, 'client.crt') : undefined
  const roots = memoryBundle(trusts, 'ca.crt')
  const dialer = createDialer({
    component: 'kube-apiserver',
    from: 'kube-apiserver',
    to: 'etcd',
    clock: systemClock,
    voice: 'go1.24',
    log: silentLog,
    records,
    ...(identity ? { identity } : {}),
    roots,
    ...options,
  })
  t.teardown(() => dialer.close())
  return { dialer, records, identity, roots }
}

/** A fastify app that says who it takes the client for. */
export function httpApp(listener: TlsListener): FastifyInstance {
  const app = fastify({ serverFactory: serverFactory(listener, { http2: true }), forceCloseConnections: true })
  app.get('/', async request => ({ user: peerOf(request.raw.socket).certificates[0]?.subject.commonName ?? null }))
  return app
}
