/**
 * The HTTPS server of every stand-in but etcd: a TLS listener that asks for a certificate and refuses none, a fastify app
 * behind the filters, health and metrics. HTTP/1.1 and HTTP/2 on one port.
 */
import { createServer, type IncomingMessage, type Server, STATUS_CODES } from 'node:http'
import type { Http2ServerRequest, Http2Session, ServerHttp2Session, SessionOptions } from 'node:http2'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Clock } from '#clock.ts'
import { messageOf } from '#errors.ts'
import type { Log } from '#log.ts'
import { createTlsListener } from '#tls/listen.ts'
import { findPeer } from '#tls/peer.ts'
import type { BundleSource, IdentitySource, ListenOptions, Peer, RecordSink, TlsListener } from '#tls/types.ts'
import type { Voice } from '#x509/types.ts'
import { type Admitted, createFilter, type FilterOptions, type Refused } from './admission-filter.ts'
import type { Attributes, RequestInfo } from './attributes.ts'
import type { Audit, AuditEntry } from './audit.ts'
import type { Authenticator } from './authn.ts'
import { type Authorizer, pathAuthorizer, unionAuthorizer } from './authz.ts'
import { type HealthCheck, healthAnswer, logCheck, oneHealthAnswer, ping } from './health.ts'
import type { Metrics } from './metrics.ts'
import { type Refusals, refusalOf, statusRefusals } from './refusals.ts'
import { badRequest, internalError, requestEntityTooLarge, StatusError, unsupportedMediaType } from './status.ts'
import type { UserInfo } from './types.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who the request is from: after impersonation. */
    user: UserInfo
    info: RequestInfo
    attributes: Attributes
    /** What TLS knows of the connection. */
    peer: Peer | undefined
    auditId: string
    /** Undefined: not audited. Handlers may add objects and annotations. */
    audit: AuditEntry | undefined
    refused: Refused | undefined
  }
}

export interface ServingContext {
  clock: Clock
  voice: Voice
  log: Log
  records: RecordSink
}

export interface SecureServerOptions {
  /** For records: both the observer and the row's `to`, unless `to` says otherwise. */
  component: string
  context: ServingContext
  host: string
  port: number
  identity: IdentitySource
  /** `--tls-sni-cert-key`. */
  sni?: ListenOptions['sni']
  /** For `requireClientCertificate`, and for the verdict in the handshake's record. */
  clientCa?: BundleSource
  /** Ours: refuse inside TLS, which the originals do not do. */
  requireClientCertificate?: boolean
  /** False: do not even ask for a certificate. Default true. */
  requestClientCertificate?: boolean
  minVersion?: 'TLSv1.2' | 'TLSv1.3'
  cipherSuites?: readonly string[]
  authenticator?: Authenticator
  authorizer?: Authorizer
  /** Not authorized, though still authenticated. Default: `/healthz`, `/readyz`, `/livez`. */
  alwaysAllowPaths?: readonly string[]
  /** Default: Status bodies. */
  refusals?: Refusals
  attributes?: FilterOptions['attributes']
  /** Impersonate-* headers are obeyed. Default false. */
  impersonation?: boolean
  audit?: Audit
  /** Every answer names its Audit-ID. Default: true with Status bodies. */
  auditIds?: boolean
  metrics?: Metrics
  /** `component` label of apiserver_request_total; left out, requests are not counted. */
  requestMetrics?: string
  /** After `ping` and `log`. */
  checks?: readonly HealthCheck[]
  /** False: the component has its own. Default true: /healthz, /livez, /readyz (all with `/<check>` below). */
  health?: boolean
  /** Default 3 MiB, as kube-apiserver. */
  bodyLimit?: number
  /** For paths without a route. Default: Go's `404 page not found`. */
  notFound?: (request: FastifyRequest, reply: FastifyReply) => unknown
}

export interface UpgradeRequest extends Admitted {
  raw: IncomingMessage
  socket: Duplex
  head: Buffer
  peer: Peer | undefined
}

export interface SecureServer {
  /** Add routes before `listen()`. A body is a Buffer, whatever its type; a StatusError that is thrown is the answer. */
  readonly app: FastifyInstance
  readonly listener: TlsListener
  /** After `listen()`. */
  readonly address: { host: string; port: number }
  listen(): Promise<void>
  /** Connection upgrades (websockets) that passed the filters. HTTP/1.1 only, as there. */
  onUpgrade(handler: (request: UpgradeRequest) => void): void
  /** Write the ResponseStarted event of a long answer (watch, log -f), now that its status is known. */
  started(request: FastifyRequest, status: number): void
  close(): Promise<void>
}

// Go's: ReadHeaderTimeout 32 s, IdleTimeout 90 s, 1 MiB of headers, 250 streams on a connection.
const headersTimeoutMs = 32_000
const idleTimeoutMs = 90_000
const maxHeaderBytes = 1 << 20
const h2Settings: SessionOptions = { settings: { maxConcurrentStreams: 250 } }

const uncached = 'no-cache, private'
const plain = 'text/plain; charset=utf-8'
const nosniff = { 'x-content-type-options': 'nosniff' }

export async function createSecureServer(options: SecureServerOptions): Promise<SecureServer> {
  const { context, metrics, audit } = options
  const { log } = context
  const refusals = options.refusals ?? statusRefusals
  const auditIds = options.auditIds ?? refusals === statusRefusals
  const open = pathAuthorizer(options.alwaysAllowPaths ?? ['/healthz', '/readyz', '/livez'])
  const filter = createFilter({
    clock: context.clock,
    log,
    refusals,
    ...(options.authenticator ? { authenticator: options.authenticator } : {}),
    ...(options.authorizer ? { authorizer: unionAuthorizer([open, options.authorizer]) } : {}),
    ...(options.attributes ? { attributes: options.attributes } : {}),
    ...(options.impersonation ? { impersonation: true } : {}),
    ...(audit ? { audit } : {}),
    ...(metrics ? { metrics } : {}),
  })

  const listener = createTlsListener({
    component: options.component,
    clock: context.clock,
    voice: context.voice,
    log,
    records: context.records,
    host: options.host,
    port: options.port,
    identity: options.identity,
    clientAuth: options.requireClientCertificate
      ? 'require'
      : options.requestClientCertificate === false
        ? 'none'
        : 'request',
    plainHttp: 'answer',
    ...(options.sni ? { sni: options.sni } : {}),
    ...(options.clientCa ? { clientCa: options.clientCa } : {}),
    ...(options.minVersion ? { minVersion: options.minVersion } : {}),
    ...(options.cipherSuites ? { cipherSuites: options.cipherSuites } : {}),
  })

  let http1!: Server
  let handle!: (request: IncomingMessage, response: import('node:http').ServerResponse) => void
  const app = Fastify({
    logger: false,
    bodyLimit: options.bodyLimit ?? 3 * 1024 * 1024,
    routerOptions: { maxParamLength: 1024 },
    exposeHeadRoutes: false,
    // net/http's badRequestError
    clientErrorHandler(error, socket) {
      log.info('http: bad request', { err: error.message }, 4)
      if (socket.writable)
        socket.end(
          'HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request',
        )
      else socket.destroy(error)
    },
    serverFactory(handler) {
      handle = handler
      http1 = createServer(
        { keepAliveTimeout: idleTimeoutMs, headersTimeout: headersTimeoutMs, maxHeaderSize: maxHeaderBytes },
        handler,
      )
      return http1
    },
  }) as unknown as FastifyInstance

  // node:http2 takes its time to load; only Go's clients speak it to us.
  let http2: Promise<(socket: TLSSocket) => ServerHttp2Session | undefined> | undefined
  const sessions = new Set<ServerHttp2Session>()
  const peers = new WeakMap<Http2Session, Peer>()
  const startHttp2 = async () => {
    const module = await import('node:http2')
    const server = module.createServer(h2Settings, handle as unknown as Parameters<typeof module.createServer>[1])
    server.on('sessionError', error => log.info('http2: session error', { err: messageOf(error) }, 4))
    let session: ServerHttp2Session | undefined
    server.on('session', opened => {
      session = opened
    })
    return (socket: TLSSocket) => {
      session = undefined
      // 'session' is emitted before this returns.
      server.emit('connection', socket)
      return session
    }
  }
  const accept = (socket: TLSSocket, peer: Peer) => {
    socket.on('error', error => log.info('http: connection error', { err: messageOf(error) }, 5))
    if (socket.alpnProtocol !== 'h2') {
      http1.emit('connection', socket)
      return
    }
    http2 ??= startHttp2()
    void http2.then(open => {
      if (socket.destroyed) return
      const session = open(socket)
      if (!session) return
      peers.set(session, peer)
      sessions.add(session)
      session.on('close', () => sessions.delete(session))
    })
  }
  listener.on('connection', accept)
  listener.on('refused', ({ address, message }) => {
    metrics?.inc('apiserver_tls_handshake_errors_total')
    log.info(`http: TLS handshake error from ${address}: ${message}`, {}, 5)
  })

  const peerOfRequest = (raw: IncomingMessage | Http2ServerRequest): Peer | undefined => {
    if (raw.httpVersionMajor < 2) return findPeer(raw.socket)
    const { session } = (raw as Http2ServerRequest).stream
    return session && peers.get(session)
  }

  app.decorateRequest('user', null as unknown as UserInfo)
  app.decorateRequest('info', null as unknown as RequestInfo)
  app.decorateRequest('attributes', null as unknown as Attributes)
  app.decorateRequest('peer', undefined)
  app.decorateRequest('auditId', '')
  app.decorateRequest('audit', undefined)
  app.decorateRequest('refused', undefined)

  app.addHook('onRequest', (request, reply, done) => {
    const peer = peerOfRequest(request.raw)
    request.peer = peer
    reply.header('cache-control', uncached)
    const settle = (result: Admitted | Refused) => {
      request.auditId = result.auditId
      request.audit = result.audit
      if (auditIds) reply.header('audit-id', result.auditId)
      if ('refusal' in result) {
        if (result.info) request.info = result.info
        if (result.user) request.user = result.user
        return void refuse(request, reply, result)
      }
      request.user = result.user
      request.info = result.info
      request.attributes = result.attributes
      done()
    }
    const result = filter(request.raw, peer)
    if (result instanceof Promise) result.then(settle, done)
    else settle(result)
  })

  // A Buffer: fastify adds a charset to the content type of a string, which the originals do not.
  async function refuse(request: FastifyRequest, reply: FastifyReply, refused: Refused): Promise<void> {
    request.refused = refused
    const { status, headers, body } = refused.refusal
    const { contentType, body: bytes } = await body
    reply.code(status).headers(headers).header('content-type', contentType)
    await reply.send(Buffer.from(bytes))
  }

  app.addHook('onResponse', (request, reply, done) => {
    finish(request, reply.statusCode, reply.raw.writableFinished)
    done()
  })

  function finish(request: FastifyRequest, status: number, complete: boolean): void {
    const { audit: entry, refused, peer } = request
    if (entry) {
      const error = refused?.refusal.error?.status
      audit?.stage(entry, 'ResponseComplete', {
        ...(error ?? (status >= 400 ? { status: 'Failure' } : {})),
        ...(complete ? {} : { message: 'Connection closed early' }),
        code: status,
      })
    }
    if (peer) recordAnswer(peer, request.raw, status, request.user, refused)
    if (metrics && options.requestMetrics)
      metrics.inc('apiserver_request_total', requestLabels(request, status, options.requestMetrics))
  }

  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))

  app.setErrorHandler(async (error: FastifyError | StatusError, request, reply) => {
    const answer = statusErrorFor(error, options.bodyLimit ?? 3 * 1024 * 1024)
    if (answer.code === 500 && !(error instanceof StatusError)) {
      log.error('Observed a panic', messageOf(error), {
        URI: request.url,
        method: request.method,
        stacktrace: error.stack,
      })
    }
    const refusal = refusalOf(answer, request.headers, answer.code === 403 ? nosniff : {})
    if (request.audit)
      request.refused = {
        refusal,
        auditId: request.auditId,
        audit: request.audit,
        layer: 'authorization',
        reason: 'forbidden',
        message: answer.message,
        user: request.user,
      }
    const { contentType, body } = await refusal.body
    reply.code(answer.code).headers(refusal.headers).header('content-type', contentType)
    const retry = answer.status.details?.retryAfterSeconds
    if (retry) reply.header('retry-after', String(retry))
    return reply.send(Buffer.from(body))
  })

  app.setNotFoundHandler(
    options.notFound ??
      ((_request, reply) =>
        reply
          .code(404)
          .header('content-type', plain)
          .header('x-content-type-options', 'nosniff')
          .send('404 page not found\n')),
  )

  if (options.health !== false) addHealth(app, [ping, logCheck, ...(options.checks ?? [])], log, metrics)
  if (metrics) {
    app.get('/metrics', async (_request, reply) => {
      const { body, contentType } = await metrics.text()
      return reply.header('content-type', contentType).send(body)
    })
  }

  const upgradeHandlers: ((request: UpgradeRequest) => void)[] = []
  function onUpgrade(handler: (request: UpgradeRequest) => void): void {
    upgradeHandlers.push(handler)
    if (upgradeHandlers.length > 1) return
    http1.on('upgrade', async (raw: IncomingMessage, socket: Duplex, head: Buffer) => {
      socket.on('error', () => {})
      const peer = findPeer(raw.socket)
      try {
        const result = await filter(raw, peer)
        if ('refusal' in result) {
          const { status, headers, body } = result.refusal
          await writeRaw(socket, status, headers, await body)
          if (peer) recordAnswer(peer, raw, status, result.user, result)
          return
        }
        if (peer) recordAnswer(peer, raw, 101, result.user, undefined)
        for (const each of upgradeHandlers) each({ ...result, raw, socket, head, peer })
      } catch (error) {
        log.error('Observed a panic', error, { URI: raw.url })
        socket.destroy()
      }
    })
  }

  let listening = false
  return {
    app,
    listener,
    get address() {
      return listener.address
    },
    async listen() {
      await app.ready()
      // As if it listened itself: starts the check of slow headers (Node 24.21, _http_server.js setupConnectionsTracking).
      http1.emit('listening')
      await listener.listen()
      listening = true
    },
    onUpgrade,
    started(request, status) {
      if (request.audit) audit?.stage(request.audit, 'ResponseStarted', { code: status })
      if (request.peer) recordAnswer(request.peer, request.raw, status, request.user, undefined)
    },
    async close() {
      if (listening) await listener.close()
      for (const session of sessions) session.destroy()
      http1.closeAllConnections()
      http1.close()
      await app.close()
      await audit?.close()
    },
  }
}

/** What the last record of a connection said: another is written only when there is something new to say. */
const told = new WeakMap<Peer, string>()

function recordAnswer(
  peer: Peer,
  raw: { method?: string | undefined; url?: string | undefined },
  status: number,
  user: UserInfo | undefined,
  refused: Refused | undefined,
): void {
  const outcome = status === 401 ? 'authentication' : status === 403 ? 'authorization' : 'ok'
  const news = `${outcome}\0${user?.username ?? ''}`
  if (told.get(peer) === news) return
  told.set(peer, news)
  const http = { status, method: raw.method ?? '', path: (raw.url ?? '').split('?', 1)[0]! }
  const who = user ? { user: { name: user.username, groups: [...user.groups] } } : {}
  if (outcome === 'ok') {
    peer.record({ outcome: 'ok', ...who, http })
    return
  }
  peer.record({
    outcome: 'refused',
    refusedBy: 'server',
    layer: outcome,
    reason: outcome === 'authorization' ? 'forbidden' : (refused?.reason ?? 'unauthorized'),
    message: refused?.message ?? (outcome === 'authorization' ? 'Forbidden' : 'Unauthorized'),
    ...who,
    http,
  })
}

function statusErrorFor(error: FastifyError | StatusError, limit: number): StatusError {
  if (error instanceof StatusError) return error
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') return requestEntityTooLarge(limit)
  if (error.code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE')
    return unsupportedMediaType(['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'])
  if (error.statusCode && error.statusCode >= 400 && error.statusCode < 500) return badRequest(error.message)
  return internalError(messageOf(error))
}

function addHealth(app: FastifyInstance, checks: readonly HealthCheck[], log: Log, metrics: Metrics | undefined): void {
  for (const endpoint of ['healthz', 'livez', 'readyz'] as const) {
    const send = (reply: FastifyReply, answer: { status: number; body: string }) =>
      reply
        .code(answer.status)
        .header('content-type', plain)
        .header('x-content-type-options', 'nosniff')
        .send(answer.body)
    app.get(`/${endpoint}`, async (request, reply) => {
      const mark = request.url.indexOf('?')
      const query = new URLSearchParams(mark === -1 ? '' : request.url.slice(mark + 1))
      const answer = await healthAnswer(endpoint, checks, query, metrics)
      if (answer.failed.length > 0) {
        const names = answer.failed.map(({ name }) => name).join(',')
        const lines = answer.failed.map(({ name, why }) => `[-]${name} failed: ${why}\n`).join('')
        log.info(`${names} check failed: ${endpoint}\n${lines}`, {}, 2)
      }
      return send(reply, answer)
    })
    app.get<{ Params: { check: string } }>(`/${endpoint}/:check`, async (request, reply) => {
      const answer = await oneHealthAnswer(endpoint, request.params.check, checks)
      return send(reply, answer ?? { status: 404, body: '404 page not found\n' })
    })
  }
}

async function writeRaw(
  socket: Duplex,
  status: number,
  headers: Record<string, string>,
  { contentType, body }: { contentType: string; body: string | Uint8Array },
): Promise<void> {
  const bytes = Buffer.from(body)
  const lines = Object.entries({
    ...headers,
    'content-type': contentType,
    'content-length': String(bytes.length),
    connection: 'close',
  })
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
  socket.end(Buffer.concat([Buffer.from(head, 'latin1'), bytes]))
}

const metricVerbs: Record<string, string> = { update: 'PUT', create: 'POST', deletecollection: 'DELETECOLLECTION' }

function requestLabels({ info, method }: FastifyRequest, status: number, component: string): Record<string, string> {
  const resource = info?.isResourceRequest ?? false
  return {
    verb: resource ? (metricVerbs[info.verb] ?? info.verb.toUpperCase()) : method,
    dry_run: '',
    group: info?.apiGroup ?? '',
    version: info?.apiVersion ?? '',
    resource: info?.resource ?? '',
    subresource: info?.subresource ?? '',
    scope: !resource
      ? ''
      : info.name !== '' || info.verb === 'create'
        ? 'resource'
        : info.namespace !== ''
          ? 'namespace'
          : 'cluster',
    component,
    code: String(status),
  }
}
