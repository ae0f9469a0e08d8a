/** A throw-away PKI, a listener and a dialer with records in memory: the ground of this folder's tests. */
import { generateKeyPairSync } from 'node:crypto'
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
import { type CertificateSpec, createAuthority, issueCertificate, type Issued as Made } from '../x509/authority.ts'

/** PEM. */
export interface Issued {
  cert: string
  key: string
}

export interface IssueOptions extends CertificateSpec {
  ip?: readonly string[]
}

export interface Authority extends Issued {
  issue(commonName: string, options?: IssueOptions): Issued
  /** An authority under this one. */
  sub(commonName: string): Authority
}

const day = 86_400_000
let serials = 1000n

const pem = ({ pem: cert, keyPem: key }: Made): Issued => ({ cert, key })
export const secp256k1 = () => generateKeyPairSync('ec', { namedCurve: 'secp256k1' })

export function throwawayCa(commonName = 'ca', options: { issuer?: Made } & CertificateSpec = {}): Authority {
  const made = createAuthority({ commonName, serialNumber: serials++, ...options })
  return {
    ...pem(made),
    issue(name, { ip = [], ...spec } = {}) {
      return pem(
        issueCertificate(made, {
          subject: { commonName: name },
          serialNumber: serials++,
          notBefore: new Date(Date.now() - day),
          notAfter: new Date(Date.now() + 365 * day),
          usages: ['serverAuth', 'clientAuth'],
          isCa: false,
          ...(ip.length > 0 ? { ipAddresses: ip.map(text => Buffer.from(text.split('.').map(Number))) } : {}),
          ...spec,
        }),
      )
    },
    sub: name => throwawayCa(name, { issuer: made }),
  }
}

export interface Pki {
  ca: Authority
  other: Authority
  server: Issued
  client: Issued
}

export function throwawayPki(): Pki {
  const ca = throwawayCa('ca')
  return {
    ca,
    other: throwawayCa('other'),
    server: ca.issue('server', { dnsNames: ['localhost', 'server'], ip: ['127.0.0.1'] }),
    client: ca.issue('client', { usages: ['clientAuth'] }),
  }
}

interface Teardown {
  teardown(done: () => unknown): void
}

export type ListenerSettings = Partial<ListenOptions> & {
  cert?: Issued
  trusts?: string
  serve?: (listener: TlsListener) => FastifyInstance
  /** False: the test starts it itself. */
  listens?: boolean
}

/** A listener on a free port of 127.0.0.1 that is closed with the test. */
export async function startListener(t: Teardown, pki: Pki, settings: ListenerSettings = {}) {
  const { cert = pki.server, trusts = pki.ca.cert, serve, listens = true, ...options } = settings
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
  if (listens) {
    await app?.ready()
    await listener.listen()
  }
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
