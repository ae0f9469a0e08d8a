/** A client of a kubeconfig: its certificate and bundle as `#tls` sources, re-read as client-go re-reads them, and a dialer of them. */
import { readFileSync, statSync } from 'node:fs'
import type { TLSSocket } from 'node:tls'
import type { Clock } from '#clock.ts'
import type { Log } from '#log.ts'
import { fileBundle, memoryBundle } from '#tls/bundle.ts'
import { createDialer } from '#tls/dial.ts'
import { fileIdentity, memoryIdentity } from '#tls/identity.ts'
import { findPeer } from '#tls/peer.ts'
import type { BundleSource, Dialer, IdentitySource, RecordSink } from '#tls/types.ts'
import type { Voice } from '#x509/types.ts'
import { type Client, type ClientOverOptions, createClientOver } from './client.ts'
import { type Kubeconfig, loadKubeconfig } from './kubeconfig.ts'
import type { Metrics } from './metrics.ts'
import type { Answer } from './transport.ts'
import { userAgent } from './version.ts'

interface Common {
  clock: Clock
  voice: Voice
  log: Log
  records: RecordSink
  /** The observer in records. */
  component: string
  /** The row of the connection table. */
  from: string
  to: string
  /** Default: client-go's for `component`. */
  userAgent?: string
  metrics?: Metrics
  /** So many requests at once, besides watches, each over a connection of its own; default 8. */
  requestsAtOnce?: number
}

export interface ClientOptions extends Common {
  /** A path is loaded. */
  kubeconfig: Kubeconfig | string
}

export interface DialedClientOptions extends Common {
  dialer: Dialer
  /** `https://127.0.0.1:6443` */
  server: string
  token?: () => string | undefined
}

/**
 * @throws TrustplaneError for an unusable kubeconfig; Error in client-go's words for a certificate, key or bundle that it would not
 * start with
 */
export function createClient(options: ClientOptions | DialedClientOptions): Client {
  if ('dialer' in options)
    return clientOver(options.dialer, options.server, options, options.token ? { token: options.token } : {})
  const kubeconfig = typeof options.kubeconfig === 'string' ? loadKubeconfig(options.kubeconfig) : options.kubeconfig
  const { log } = options
  const identity = identityOf(kubeconfig, log)
  const roots = bundleOf(kubeconfig, log)
  const dialer = createDialer({
    component: options.component,
    clock: options.clock,
    voice: options.voice,
    log,
    records: options.records,
    from: options.from,
    to: options.to,
    roots,
    ...(identity ? { identity } : {}),
    ...(kubeconfig.tlsServerName ? { servername: kubeconfig.tlsServerName } : {}),
    ...(kubeconfig.insecureSkipTlsVerify ? { insecureSkipVerify: true } : {}),
  })
  // transport/cert_rotation.go, which cuts them off
  const stop = identity?.onChange(() => {
    log.info('Certificate rotation detected, shutting down client connections to start using new credentials')
    client.renewConnections()
  })
  const token = tokenOf(kubeconfig)
  const client = clientOver(dialer, kubeconfig.server, options, {
    ...(token ? { token } : {}),
    ...(kubeconfig.impersonate ? { headers: impersonationHeaders(kubeconfig.impersonate) } : {}),
    async onClose() {
      stop?.()
      identity?.close()
      roots.close()
      await dialer.close()
    },
  })
  return client
}

function clientOver(
  dialer: Dialer,
  server: string,
  { component, userAgent: agent, metrics, requestsAtOnce }: Common,
  more: Pick<ClientOverOptions, 'token' | 'headers' | 'onClose'>,
): Client {
  return createClientOver({
    dialer,
    server,
    userAgent: agent ?? userAgent(component),
    onAnswer: recordAnswer,
    ...(requestsAtOnce === undefined ? {} : { requestsAtOnce }),
    closeConnections: () => dialer.closeConnections(),
    ...(metrics
      ? {
          onRequest({ method, host, code, seconds }) {
            metrics.inc('rest_client_requests_total', { code, method, host })
            metrics.observe('rest_client_request_duration_seconds', seconds, { verb: method, host })
          },
        }
      : {}),
    ...more,
  })
}

/** What the last record of a connection said. */
const told = new WeakMap<TLSSocket, string>()

/** A 401 or 403 supersedes the handshake's record, which said that all was well; a later good answer does so again. */
function recordAnswer(socket: TLSSocket, { status, method, path }: Answer): void {
  const layer = status === 401 ? 'authentication' : status === 403 ? 'authorization' : undefined
  if ((told.get(socket) ?? 'ok') === (layer ?? 'ok')) return
  told.set(socket, layer ?? 'ok')
  const http = { status, method, path: path.split('?', 1)[0]! }
  findPeer(socket)?.record(
    layer
      ? {
          outcome: 'refused',
          refusedBy: 'server',
          layer,
          reason: status === 401 ? 'unauthorized' : 'forbidden',
          message: status === 401 ? 'Unauthorized' : 'Forbidden',
          http,
        }
      : { outcome: 'ok', http },
  )
}

/** Undefined: the kubeconfig has no certificate. Files are read again for a handshake and every five minutes, embedded data never. */
export function identityOf({ clientCertificate, clientKey, path }: Kubeconfig, log: Log): IdentitySource | undefined {
  if (!clientCertificate || !clientKey) return undefined
  if ('file' in clientCertificate && 'file' in clientKey) {
    return fileIdentity({ certFile: clientCertificate.file, keyFile: clientKey.file, reload: 'client-go', log })
  }
  const pem = (source: typeof clientCertificate) =>
    'data' in source ? source.data : readFileSync(source.file, 'latin1')
  return memoryIdentity(
    pem(clientCertificate),
    pem(clientKey),
    'file' in clientCertificate ? clientCertificate.file : path,
  )
}

/** Without a certificate-authority client-go takes the system's roots; here that is nobody. */
export function bundleOf({ certificateAuthority, path }: Kubeconfig, log: Log): BundleSource {
  if (!certificateAuthority) return memoryBundle([])
  if ('data' in certificateAuthority) return memoryBundle(certificateAuthority.data, path)
  return fileBundle({ file: certificateAuthority.file, reader: 'client-go', reload: 'start', log })
}

/** rest.Config's BearerTokenFile wins over the token, and is read again when it changed. */
function tokenOf({ token, tokenFile }: Kubeconfig): (() => string | undefined) | undefined {
  if (!tokenFile) return token === undefined ? undefined : () => token
  let known: { at: number; token: string } | undefined
  return () => {
    try {
      const at = statSync(tokenFile).mtimeMs
      if (known?.at !== at) known = { at, token: readFileSync(tokenFile, 'utf8').trim() }
    } catch {
      // the last one is kept, as there
    }
    return known?.token ?? token
  }
}

const impersonationHeaders = ({ user, uid, groups, extra }: NonNullable<Kubeconfig['impersonate']>) => ({
  'impersonate-user': user,
  ...(uid ? { 'impersonate-uid': uid } : {}),
  ...(groups.length > 0 ? { 'impersonate-group': groups } : {}),
  ...Object.fromEntries(Object.entries(extra).map(([key, values]) => [`impersonate-extra-${key}`, values])),
})
