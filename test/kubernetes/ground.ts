/** The ground of this folder's tests: a throw-away PKI whose subjects may be odd, a secure server, and clients of it. */
import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import { request as undiciRequest } from 'undici'
import { type Clock, systemClock } from '#clock.ts'
import { createClient } from '#kubernetes/from-kubeconfig.ts'
import { createSecureServer, type SecureServer, type SecureServerOptions } from '#kubernetes/serving.ts'
import type { Log } from '#log.ts'
import { memoryBundle } from '#tls/bundle.ts'
import { createDialer } from '#tls/dial.ts'
import { memoryIdentity } from '#tls/identity.ts'
import { memoryRecords } from '#tls/records.ts'

x509.cryptoProvider.set(webcrypto as unknown as Parameters<typeof x509.cryptoProvider.set>[0])
const p256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const day = 86_400_000

type Keys = Awaited<ReturnType<typeof newKeys>>
const newKeys = () => webcrypto.subtle.generateKey(p256, true, ['sign', 'verify'])

/** A subject as @peculiar/x509 takes it: an RDN an element, `{ O: ['a', 'b'] }` is one RDN of two. */
export type Subject = Record<string, string[]>[]

export interface Issued {
  cert: string
  key: string
}

export interface IssueOptions {
  usages?: ('serverAuth' | 'clientAuth')[]
  dns?: string[]
  email?: string[]
  ip?: string[]
  notBefore?: Date
  notAfter?: Date
}

export interface Authority extends Issued {
  issue(subject: Subject | string, options?: IssueOptions): Promise<Issued>
}

let serials = 0x1000

export async function throwawayCa(commonName = 'kubernetes'): Promise<Authority> {
  const keys = await newKeys()
  const now = Date.now()
  const common = (issuerKeys: Keys, subjectKeys: Keys, options: IssueOptions) => ({
    serialNumber: (serials++).toString(16),
    notBefore: options.notBefore ?? new Date(now - day),
    notAfter: options.notAfter ?? new Date(now + 365 * day),
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    publicKey: subjectKeys.publicKey,
    signingKey: issuerKeys.privateKey,
  })
  const cert = await x509.X509CertificateGenerator.create({
    ...common(keys, keys, {}),
    subject: [{ CN: [commonName] }],
    issuer: [{ CN: [commonName] }],
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.digitalSignature, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  const pem = async (certificate: x509.X509Certificate, pair: Keys): Promise<Issued> => ({
    cert: `${certificate.toString('pem')}\n`,
    key: `${x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', pair.privateKey), 'PRIVATE KEY')}\n`,
  })
  return {
    ...(await pem(cert, keys)),
    async issue(subject, options = {}) {
      const leafKeys = await newKeys()
      const names = [
        ...(options.dns ?? []).map(value => ({ type: 'dns' as const, value })),
        ...(options.email ?? []).map(value => ({ type: 'email' as const, value })),
        ...(options.ip ?? []).map(value => ({ type: 'ip' as const, value })),
      ]
      const usages = options.usages ?? ['clientAuth']
      const leaf = await x509.X509CertificateGenerator.create({
        ...common(keys, leafKeys, options),
        subject: typeof subject === 'string' ? [{ CN: [subject] }] : subject,
        issuer: cert.subjectName,
        extensions: [
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.ExtendedKeyUsageExtension(usages.map(usage => x509.ExtendedKeyUsage[usage])),
          await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey),
          ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
        ],
      })
      return pem(leaf, leafKeys)
    },
  }
}

export interface Teardown {
  teardown(done: () => unknown): void
}

/** A log that keeps what was written: `message` and its fields. */
export function memoryLog() {
  const lines: { level: 'info' | 'warn' | 'error'; message: string; fields: Record<string, unknown> }[] = []
  const log: Log = {
    info: (message, fields = {}) => void lines.push({ level: 'info', message, fields }),
    warn: (message, fields = {}) => void lines.push({ level: 'warn', message, fields }),
    error: (message, error, fields = {}) =>
      void lines.push({
        level: 'error',
        message,
        fields: { ...fields, err: error instanceof Error ? error.message : error },
      }),
  }
  return {
    log,
    lines,
    errors: () => lines.filter(({ level }) => level === 'error').map(line => `${line.message}: ${line.fields.err}`),
  }
}

const serving = (ca: Authority) =>
  ca.issue('kube-apiserver', { usages: ['serverAuth'], dns: ['localhost'], ip: ['127.0.0.1'] })

/** A secure server on a free port; its routes are added by `routes`, before it listens. */
export async function startServer(
  t: Teardown,
  ca: Authority,
  options: Partial<SecureServerOptions> & { clock?: Clock; routes?: (server: SecureServer) => void } = {},
) {
  const { clock = systemClock, routes, ...rest } = options
  const records = memoryRecords()
  const { log, lines, errors } = memoryLog()
  const issued = await serving(ca)
  const server = await createSecureServer({
    component: 'kube-apiserver',
    context: { clock, voice: 'go1.24', log, records },
    host: '127.0.0.1',
    port: 0,
    identity: memoryIdentity(issued.cert, issued.key),
    ...rest,
  })
  routes?.(server)
  await server.listen()
  t.teardown(() => server.close())
  return { server, records, lines, errors, url: `https://127.0.0.1:${server.address.port}` }
}

/** A dialer with `cert`, or with none. */
export function dialerOf(t: Teardown, ca: Authority, cert?: Issued, records = memoryRecords()) {
  const dialer = createDialer({
    component: 'kubectl',
    from: 'kubectl',
    to: 'kube-apiserver',
    clock: systemClock,
    voice: 'go1.24',
    log: memoryLog().log,
    records,
    roots: memoryBundle(ca.cert),
    ...(cert ? { identity: memoryIdentity(cert.cert, cert.key) } : {}),
  })
  t.teardown(() => dialer.close())
  return { dialer, records }
}

/** One request with `cert`; the answer with its headers and body. */
export async function ask(
  t: Teardown,
  ca: Authority,
  url: string,
  options: {
    cert?: Issued | undefined
    method?: string
    headers?: Record<string, string | string[]>
    body?: string
  } = {},
) {
  const { dialer } = dialerOf(t, ca, options.cert)
  const answer = await undiciRequest(url, {
    dispatcher: dialer.agent,
    method: (options.method ?? 'GET') as 'GET',
    ...(options.headers ? { headers: options.headers } : {}),
    ...(options.body === undefined ? {} : { body: options.body }),
  })
  const bytes = Buffer.from(await answer.body.arrayBuffer())
  return { status: answer.statusCode, headers: answer.headers, bytes, text: bytes.toString('utf8') }
}

/** Our own client, over a dialer with `cert`. */
export function clientOf(t: Teardown, ca: Authority, server: string, cert?: Issued, token?: string) {
  const { dialer, records } = dialerOf(t, ca, cert)
  const { log, lines, errors } = memoryLog()
  const client = createClient({
    dialer,
    server,
    component: 'kubectl',
    from: 'kubectl',
    to: 'kube-apiserver',
    clock: systemClock,
    voice: 'go1.24',
    log,
    records,
    ...(token ? { token: () => token } : {}),
  })
  t.teardown(() => client.close())
  return { client, records, log, lines, errors }
}
