/** One server with one defect, on a free port of this machine: a badssl.com for one's own tests. */

import { TrustplaneError } from '#errors.ts'
import { joinHostPort } from '#tls/errors.ts'
import { memoryRecords, teeRecords } from '#tls/records.ts'
import type { HandshakeRecord, RecordSink } from '#tls/types.ts'
import type { Voice } from '#x509/types.ts'
import { type ClientDefectName, certificateDefects, type ServerDefectName } from './defects.ts'
import {
  type CertificateFixture,
  certificateDefect,
  certificateFixture,
  createAuthority,
  type FixtureOptions,
  unknownName,
} from './fixture.ts'
import { fixtureIdentity } from './identity.ts'
import { serve } from './listen.ts'
import { type ProtocolDefect, type ProtocolDefectName, protocolDefects } from './protocols.ts'
import { serveRaw } from './raw.ts'
import type { Authority } from './workshop.ts'

export interface EndpointOptions {
  /** What it shows: a defect's name or a fixture of your own; default `good`. */
  certificate?: ServerDefectName | CertificateFixture
  /** What is wrong below the certificate; the certificate is a good one then. */
  protocol?: ProtocolDefectName
  /**
   * - `none` (default): no client certificate is asked for
   * - `request`: a bad one is answered with HTTP 401 and none with 403, as kube-apiserver and kubelet do
   * - `require`: a bad or missing one is refused inside TLS with Go's alert, as etcd does
   */
  clientAuth?: 'none' | 'request' | 'require'
  /** PEM: which CAs clients are checked with; default: the endpoint's own, see `client()`. */
  clientCa?: string
  /** PEM: etcd's --client-crl-file. */
  crl?: string
  /** Who issues its certificate and `client()`'s; default: a CA made for it. */
  authority?: Authority
  /** The names and IPs that its certificate is for; default localhost, 127.0.0.1 and ::1. */
  hosts?: readonly string[]
  /** Where it listens; default 127.0.0.1. */
  host?: string
  /** Default 0: any free one. */
  port?: number
  /** Whose words and rules; default go1.24. */
  voice?: Voice
}

export interface Endpoint extends AsyncDisposable {
  /** `https://localhost:40123` */
  readonly url: string
  readonly host: string
  readonly port: number
  /** PEM: what a client has to trust, and then refuses (or not) for the defect alone. */
  readonly ca: string
  /** What it shows. */
  readonly certificate: CertificateFixture
  /** Every handshake as the server saw it, so far. Servers that speak no TLS have none. */
  readonly records: readonly HandshakeRecord[]
  /** The first record that fits, there or still to come: a refusal may arrive here after the client has had its error. */
  record(fits?: (record: HandshakeRecord) => boolean): Promise<HandshakeRecord>
  /** A client certificate that this endpoint takes (`good`), or one with a defect. */
  client(
    name?: ClientDefectName,
    options?: Pick<FixtureOptions, 'commonName' | 'organizations'>,
  ): Promise<CertificateFixture>
  /** Ends every connection and gives the port back. */
  stop(): Promise<void>
}

/**
 * Starts a server with one defect.
 * @example
 * await using endpoint = await startEndpoint({ certificate: 'expired' })
 * await assert.rejects(get(endpoint.url, { ca: endpoint.ca }), { code: 'CERT_HAS_EXPIRED' })
 * @throws TrustplaneError TP_NAME_UNKNOWN, TP_USAGE, TP_PORT_IN_USE
 */
export function startEndpoint(options: EndpointOptions = {}): Promise<Endpoint> {
  return runEndpoint(options)
}

/** @param also another place for its records, and its name in them */
export async function runEndpoint(
  options: EndpointOptions,
  also?: { name: string; records: RecordSink },
): Promise<Endpoint> {
  const { host = '127.0.0.1', port = 0, clientAuth = 'none', voice = 'go1.24', hosts } = options
  const protocol = options.protocol === undefined ? undefined : protocolDefect(options.protocol)
  if (typeof options.certificate === 'string' && !certificateDefect(options.certificate).server) {
    throw unknownName('server certificate defect', options.certificate, serverDefects)
  }
  if (!['none', 'request', 'require'].includes(clientAuth)) {
    throw new TrustplaneError('TP_USAGE', `clientAuth is none, request or require, not ${JSON.stringify(clientAuth)}`)
  }
  const authority = options.authority ?? (await createAuthority())
  const certificate =
    typeof options.certificate === 'object'
      ? options.certificate
      : await certificateFixture(options.certificate ?? 'good', { authority, ...(hosts ? { hosts } : {}) })
  const identity = fixtureIdentity(certificate)
  if (!identity)
    throw new TrustplaneError('TP_USAGE', 'a server needs a certificate', { fix: 'no-certificate is for clients' })
  const records = memoryRecords()
  const running = await open(
    async () => {
      if (protocol?.raw) return serveRaw(protocol.raw, host, port)
      const listener = await serve({
        name: also?.name ?? 'endpoint',
        host,
        port,
        identity,
        clientAuth,
        clientCa: options.clientCa ?? authority.cert,
        crl: options.crl,
        voice,
        records: also ? teeRecords(records, also.records) : records,
        tls: protocol?.tls,
      })
      return { port: listener.address.port, stop: () => listener.close() }
    },
    host,
    port,
  )
  let stopped: Promise<void> | undefined
  const stop = () => {
    stopped ??= running.stop()
    return stopped
  }
  return {
    url: `https://${joinHostPort(host === '127.0.0.1' ? 'localhost' : host, running.port)}`,
    host,
    port: running.port,
    ca: certificate.ca,
    certificate,
    records: records.records,
    record: (fits = () => true) => records.find(fits),
    client: (name = 'good', more = {}) => certificateFixture(name, { ...more, authority, side: 'client' }),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

const serverDefects = certificateDefects.filter(row => 'server' in row)

const protocols: readonly ProtocolDefect[] = protocolDefects

/** The row of a name. @throws TrustplaneError TP_NAME_UNKNOWN, with the nearest known name */
function protocolDefect(name: string): ProtocolDefect {
  const row = protocols.find(candidate => candidate.name === name)
  if (row) return row
  throw unknownName('protocol defect', name, protocols)
}

/** Says which port was taken, instead of EADDRINUSE. */
export async function open<T>(start: () => Promise<T>, host: string, port: number): Promise<T> {
  try {
    return await start()
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw cause
    throw new TrustplaneError('TP_PORT_IN_USE', `${joinHostPort(host, port)} is taken`, {
      fix: 'choose another port, or 0 for any free one',
      cause,
    })
  }
}
