/**
 * The HTTPS server of every stand-in but etcd: a TLS listener that asks for a certificate and refuses none, a fastify app
 * behind the filters, health and metrics. HTTP/1.1 and HTTP/2 on one port.
 */
import type { RequestListener } from 'node:http'
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Clock } from '#clock.ts'
import { messageOf } from '#errors.ts'
import type { Log } from '#log.ts'
import { noSchemas } from '#no-schemas.ts'
import { createTlsListener } from '#tls/listen.ts'
import type {
  BundleSource,
  IdentitySource,
  ListenOptions,
  Peer,
  RecordSink,
  TlsListener,
  TlsVersion,
} from '#tls/types.ts'
import type { Voice } from '#x509/types.ts'
import { recordAnswer } from './access-records.ts'
import { type Admitted, createFilter, type Filter, type FilterOptions, type Refused } from './admission-filter.ts'
import type { Attributes, RequestInfo } from './attributes.ts'
import type { Audit, AuditEntry } from './audit.ts'
import type { Authenticator } from './authn.ts'
import { type Authorizer, pathAuthorizer, unionAuthorizer } from './authz.ts'
import { addHealthRoutes, addMetricsRoute, pageNotFound } from './common-routes.ts'
import type { HealthCheck } from './health.ts'
import { createHttpConnections, type HttpConnections } from './http-connections.ts'
import type { Metrics } from './metrics.ts'
import { nosniff, type Refusals, refusalOf, statusRefusals } from './refusals.ts'
import { requestLabels } from './request-metrics.ts'
import { badRequest, internalError, requestEntityTooLarge, StatusError, unsupportedMediaType } from './status.ts'
import type { UserInfo } from './types.ts'
import { serveUpgrades, type UpgradeRequest } from './upgrades.ts'

export type { UpgradeRequest }

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

interface ServingContext {
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
  /** Whose CAs clients are told besides: the front proxy's. */
  otherClientCas?: ListenOptions['otherClientCas']
  /** Ours: refuse inside TLS, which the originals do not do. */
  requireClientCertificate?: boolean
  /** False: do not even ask for a certificate. Default true. */
  requestClientCertificate?: boolean
  minVersion?: TlsVersion
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

const bodyLimitBytes = 3 * 1024 * 1024

export async function createSecureServer(options: SecureServerOptions): Promise<SecureServer> {
  const { audit, metrics, context } = options
  const { log } = context
  const filter = createFilter(filterOptions(options))
  const listener = createTlsListener(listenOptions(options))
  let connections!: HttpConnections
  const app = Fastify({
    schemaController: noSchemas,
    logger: false,
    bodyLimit: options.bodyLimit ?? bodyLimitBytes,
    routerOptions: { maxParamLength: 1024 },
    exposeHeadRoutes: false,
    // A path that cannot be decoded: net/http's answer.
    frameworkErrors: (_error, _request, reply) =>
      void (reply as FastifyReply)
        .code(400)
        .header('content-type', 'text/plain; charset=utf-8')
        .send('400 Bad Request'),
    // net/http's badRequestError
    clientErrorHandler(error, socket) {
      log.info('http: bad request', { err: error.message }, 4)
      if (socket.writable) socket.end(badRequestBytes)
      else socket.destroy(error)
    },
    serverFactory(handler) {
      connections = createHttpConnections(handler as RequestListener, log)
      return connections.http1
    },
  }) as unknown as FastifyInstance
  listener.on('connection', connections.accept)
  listener.on('refused', ({ address, message }) => {
    metrics?.inc('apiserver_tls_handshake_errors_total')
    log.info(`http: TLS handshake error from ${address}: ${message}`, {}, 5)
  })
  // A body is the route's to read: what it is depends on the resource, and on apply-patch+yaml and protobuf.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  addFilter(app, filter, connections, options)
  addErrors(app, options)
  if (options.health !== false) addHealthRoutes(app, options.checks ?? [], log, metrics)
  if (metrics) addMetricsRoute(app, metrics)

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
      connections.http1.emit('listening')
      await listener.listen()
      listening = true
    },
    onUpgrade: handler => serveUpgrades(connections.http1, filter, log, handler),
    started(request, status) {
      if (request.audit) audit?.stage(request.audit, 'ResponseStarted', { code: status })
      if (request.peer) recordAnswer(request.peer, request.raw, status, request.user, undefined)
    },
    async close() {
      if (listening) await listener.close()
      connections.close()
      await app.close()
      await audit?.close()
    },
  }
}

const badRequestBytes =
  'HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request'

function filterOptions(options: SecureServerOptions): FilterOptions {
  const { authenticator, authorizer, attributes, impersonation, audit, metrics, context } = options
  const open = pathAuthorizer(options.alwaysAllowPaths ?? ['/healthz', '/readyz', '/livez'])
  return {
    clock: context.clock,
    log: context.log,
    refusals: options.refusals ?? statusRefusals,
    ...(authenticator ? { authenticator } : {}),
    ...(authorizer ? { authorizer: unionAuthorizer([open, authorizer]) } : {}),
    ...(attributes ? { attributes } : {}),
    ...(impersonation ? { impersonation } : {}),
    ...(audit ? { audit } : {}),
    ...(metrics ? { metrics } : {}),
  }
}

function listenOptions(options: SecureServerOptions): ListenOptions {
  const { context, component, host, port, identity, sni, clientCa, otherClientCas, minVersion, cipherSuites } = options
  const asked = options.requestClientCertificate === false ? 'none' : 'request'
  return {
    ...context,
    component,
    host,
    port,
    identity,
    clientAuth: options.requireClientCertificate ? 'require' : asked,
    plainHttp: 'answer',
    ...(sni ? { sni } : {}),
    ...(clientCa ? { clientCa } : {}),
    ...(otherClientCas ? { otherClientCas } : {}),
    ...(minVersion ? { minVersion } : {}),
    ...(cipherSuites ? { cipherSuites } : {}),
  }
}

/** Every request passes the filter before its route, and is told of when it is over. */
function addFilter(
  app: FastifyInstance,
  filter: Filter,
  connections: HttpConnections,
  options: SecureServerOptions,
): void {
  const { audit, metrics, requestMetrics } = options
  const auditIds = options.auditIds ?? (options.refusals ?? statusRefusals) === statusRefusals
  app.decorateRequest('user', null as unknown as UserInfo)
  app.decorateRequest('info', null as unknown as RequestInfo)
  app.decorateRequest('attributes', null as unknown as Attributes)
  app.decorateRequest('peer', undefined)
  app.decorateRequest('auditId', '')
  app.decorateRequest('audit', undefined)
  app.decorateRequest('refused', undefined)

  app.addHook('onRequest', (request, reply, done) => {
    const peer = connections.peerOf(request.raw)
    request.peer = peer
    reply.header('cache-control', 'no-cache, private')
    reply.raw.once('close', () => finish(request, reply.raw.statusCode, reply.raw.writableFinished))
    const settle = (result: Admitted | Refused) => {
      request.auditId = result.auditId
      request.audit = result.audit
      if (auditIds) reply.header('audit-id', result.auditId)
      if (result.info) request.info = result.info
      if (result.user) request.user = result.user
      if ('refusal' in result) return void refuse(request, reply, result)
      request.attributes = result.attributes
      done()
    }
    const result = filter(request.raw, peer)
    if (result instanceof Promise) result.then(settle, done)
    else settle(result)
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
    if (requestMetrics)
      metrics?.inc('apiserver_request_total', requestLabels(request.info, request.method, status, requestMetrics))
  }
}

async function refuse(request: FastifyRequest, reply: FastifyReply, refused: Refused): Promise<FastifyReply> {
  request.refused = refused
  const { status, headers, body } = refused.refusal
  const encoded = await body
  // A Buffer: fastify adds a charset to the content type of a string, which the originals do not.
  return reply.code(status).headers(headers).header('content-type', encoded.contentType).send(Buffer.from(encoded.body))
}

/** What a route throws is its answer; what nobody expected is a 500. */
function addErrors(
  app: FastifyInstance,
  { context: { log }, notFound, bodyLimit = bodyLimitBytes }: SecureServerOptions,
): void {
  app.setErrorHandler(async (error: FastifyError | StatusError, request, reply) => {
    const answer = statusErrorFor(error, bodyLimit)
    if (answer.code === 500 && !(error instanceof StatusError)) {
      const { url, method } = request
      log.error('Observed a panic', messageOf(error), { URI: url, method, stacktrace: error.stack })
    }
    const retry = answer.status.details?.retryAfterSeconds
    const { auditId, audit, user } = request
    return refuse(request, reply, {
      refusal: refusalOf(answer, request.headers, {
        ...(answer.code === 403 ? nosniff : {}),
        ...(retry ? { 'retry-after': String(retry) } : {}),
      }),
      auditId,
      audit,
      user,
      layer: 'authorization',
      reason: 'forbidden',
      message: answer.message,
    })
  })
  app.setNotFoundHandler(notFound ?? ((_request, reply) => pageNotFound(reply)))
}

function statusErrorFor(error: FastifyError | StatusError, limit: number): StatusError {
  if (error instanceof StatusError) return error
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') return requestEntityTooLarge(limit)
  if (error.code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return unsupportedMediaType(['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'])
  }
  if (error.statusCode && error.statusCode >= 400 && error.statusCode < 500) return badRequest(error.message)
  return internalError(messageOf(error))
}
