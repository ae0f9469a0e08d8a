/**
 * What every request passes before a route sees it: who is it (401), for whom do they speak, may they (403).
 * Answers at once, without a promise, whenever the authenticator and the authorizer do.
 */
import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { Clock } from '#clock.ts'
import type { Log } from '#log.ts'
import type { Peer } from '#tls/types.ts'
import type { Reason } from '#x509/reasons.ts'
import { type Attributes, attributesOf, type RequestInfo, requestInfo } from './attributes.ts'
import { type Audit, type AuditEntry, attemptedAuthentication } from './audit.ts'
import { type AuthenticationResult, type Authenticator, anonymous } from './authn.ts'
import type { AuthorizationResult, Authorizer } from './authz.ts'
import { impersonated, impersonates } from './impersonation.ts'
import type { Metrics } from './metrics.ts'
import { type Refusal, type Refusals, refusalOf } from './refusals.ts'
import { StatusError } from './status.ts'
import type { UserInfo } from './types.ts'

/** The half of a request that is looked at: node:http's and node:http2's have it in common. */
interface RawRequest {
  method?: string | undefined
  url?: string | undefined
  headers: IncomingHttpHeaders
  rawHeaders: readonly string[]
}

/** A request that may go on. */
export interface Admitted {
  user: UserInfo
  info: RequestInfo
  attributes: Attributes
  auditId: string
  audit: AuditEntry | undefined
}

/** A request that may not, and what to say. */
export interface Refused {
  refusal: Refusal
  /** Undefined: the path could not even be read. */
  info?: RequestInfo
  auditId: string
  audit: AuditEntry | undefined
  layer: 'authentication' | 'authorization'
  reason: Reason
  /** The server's own words, which the client is not told. */
  message: string
  user?: UserInfo
}

export interface FilterOptions {
  clock: Clock
  log: Log
  /** Left out: everyone is `system:anonymous` and may do everything. */
  authenticator?: Authenticator
  authorizer?: Authorizer
  refusals: Refusals
  /** One or several ways to ask; the first that is allowed suffices. Default: the path's own attributes. */
  attributes?: (user: UserInfo, info: RequestInfo, request: RawRequest) => Attributes | readonly Attributes[]
  impersonation?: boolean
  audit?: Audit
  metrics?: Metrics
}

const success = { result: 'success' }
const failure = { result: 'failure' }
const errored = { result: 'error' }

export type Filter = (request: RawRequest, peer: Peer | undefined) => Admitted | Refused | Promise<Admitted | Refused>

export function createFilter(options: FilterOptions): Filter {
  const { authenticator, authorizer, refusals, log, audit, clock, metrics } = options

  function unauthorized(
    request: RawRequest,
    info: RequestInfo,
    peer: Peer | undefined,
    auditId: string,
    message: string,
    reason: Reason,
  ): Refused {
    if (message !== '') log.error('Unable to authenticate the request', message)
    metrics?.inc('authentication_attempts', message === '' ? failure : errored)
    const entry = begin(request, info, peer, auditId, undefined)
    const refusal = refusals.unauthorized(request.headers)
    if (entry) {
      const attempted = attemptedAuthentication(request.headers.authorization, (peer?.certificates.length ?? 0) > 0)
      audit?.stage(entry, 'ResponseStarted', {
        status: 'Failure',
        message: attempted,
        reason: 'Unauthorized',
        code: 401,
      })
    }
    return {
      refusal,
      info,
      auditId,
      audit: undefined,
      layer: 'authentication',
      reason,
      message: message || refusal.message,
    }
  }

  function begin(
    request: RawRequest,
    info: RequestInfo,
    peer: Peer | undefined,
    auditId: string,
    user: UserInfo | undefined,
    impersonatedUser?: UserInfo,
  ) {
    return audit?.begin({
      auditId,
      requestUri: request.url ?? '',
      userAgent: request.headers['user-agent'] ?? '',
      sourceIps: sourceIps(request.headers, peer),
      info,
      ...(user ? { user } : {}),
      ...(impersonatedUser ? { impersonatedUser } : {}),
      received: clock.now(),
    })
  }

  function admit(
    request: RawRequest,
    info: RequestInfo,
    peer: Peer | undefined,
    auditId: string,
    user: UserInfo,
  ): Admitted | Refused | Promise<Admitted | Refused> {
    if (options.impersonation && authorizer && impersonates(request.headers)) {
      return impersonated(user, request.headers, request.rawHeaders, authorizer).then(other => {
        if (!(other instanceof StatusError))
          return authorize(request, info, auditId, other, begin(request, info, peer, auditId, user, other))
        const entry = begin(request, info, peer, auditId, user)
        const refusal = refusalOf(other, request.headers, { 'x-content-type-options': 'nosniff' })
        return {
          refusal,
          info,
          auditId,
          audit: entry,
          layer: 'authorization',
          reason: 'forbidden',
          message: other.message,
          user,
        }
      })
    }
    return authorize(request, info, auditId, user, begin(request, info, peer, auditId, user))
  }

  function authorize(
    request: RawRequest,
    info: RequestInfo,
    auditId: string,
    user: UserInfo,
    entry: AuditEntry | undefined,
  ): Admitted | Refused | Promise<Admitted | Refused> {
    const own = options.attributes ? options.attributes(user, info, request) : attributesOf(user, info)
    const asked: readonly Attributes[] = Array.isArray(own) ? own : [own as Attributes]
    if (!authorizer) return { user, info, attributes: asked[0]!, auditId, audit: entry }
    const next = (i: number, reason: string): Admitted | Refused | Promise<Admitted | Refused> => {
      const attributes = asked[i]
      if (!attributes) {
        metrics?.inc('authorization_attempts_total', { result: 'no-opinion' })
        annotate(entry, 'forbid', reason)
        log.info('Forbidden', { URI: request.url, reason }, 4)
        const refusal = refusals.forbidden(asked, reason, request.headers)
        return {
          refusal,
          info,
          auditId,
          audit: entry,
          layer: 'authorization',
          reason: 'forbidden',
          message: refusal.message,
          user,
        }
      }
      const result = authorizer(attributes)
      return result instanceof Promise ? result.then(settled => judged(settled, i, reason)) : judged(result, i, reason)
    }
    const judged = (result: AuthorizationResult, i: number, reasons: string) => {
      if (result.decision === 'allow') {
        annotate(entry, 'allow', result.reason)
        return { user, info, attributes: asked[i]!, auditId, audit: entry }
      }
      if (result.error) {
        log.error('Authorization error', result.error, { user: user.username, URI: request.url })
        if (entry) entry.annotations['authorization.k8s.io/reason'] = 'internal error'
        const refusal = refusals.failed(asked.slice(0, i + 1), result.error, request.url ?? '')
        return {
          refusal,
          info,
          auditId,
          audit: entry,
          layer: 'authorization' as const,
          reason: 'forbidden' as const,
          message: result.error,
          user,
        }
      }
      return next(i + 1, result.reason || reasons)
    }
    return next(0, '')
  }

  return (request, peer) => {
    const auditId = auditIdOf(request.headers)
    let info: RequestInfo
    try {
      info = requestInfo(request.method ?? 'GET', request.url ?? '/')
    } catch (error) {
      if (!(error instanceof StatusError)) throw error
      return {
        refusal: refusalOf(error, request.headers),
        auditId,
        audit: undefined,
        layer: 'authorization',
        reason: 'malformed',
        message: error.message,
      }
    }
    if (!authenticator) return admit(request, info, peer, auditId, anonymous)
    const started = metrics ? performance.now() : 0
    const known = (result: AuthenticationResult) => {
      if (metrics) {
        metrics.observe(
          'authentication_duration_seconds',
          (performance.now() - started) / 1000,
          result.ok ? success : failure,
        )
      }
      if (!result.ok) return unauthorized(request, info, peer, auditId, result.message, result.reason)
      if (metrics) {
        metrics.inc('authentication_attempts', success)
        metrics.inc('authenticated_user_requests', { username: compressUsername(result.user.username) })
      }
      return admit(request, info, peer, auditId, result.user)
    }
    const result = authenticator({ peer, headers: request.headers, rawHeaders: request.rawHeaders })
    return result instanceof Promise ? result.then(known) : known(result)
  }
}

function annotate(entry: AuditEntry | undefined, decision: string, reason: string): void {
  if (!entry) return
  entry.annotations['authorization.k8s.io/decision'] = decision
  entry.annotations['authorization.k8s.io/reason'] = reason
}

/** A client may name the audit id itself, as in the original. */
function auditIdOf(headers: IncomingHttpHeaders): string {
  const given = headers['audit-id']
  return typeof given === 'string' && given !== '' && given.length <= 64 ? given : randomUUID()
}

/** utilnet.SourceIPs: X-Forwarded-For, X-Real-Ip, then the connection's. */
function sourceIps(headers: IncomingHttpHeaders, peer: Peer | undefined): string[] {
  const forwarded = headers['x-forwarded-for']
  const list = (Array.isArray(forwarded) ? forwarded.join(',') : (forwarded ?? '')).split(',').map(ip => ip.trim())
  const real = headers['x-real-ip']
  const own = peer?.address.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')
  return [...new Set([...list, ...(typeof real === 'string' ? [real] : []), ...(own ? [own] : [])])].filter(
    ip => ip !== '',
  )
}

/** The original's metrics do not name users: a few known ones, and the rest. */
function compressUsername(username: string): string {
  if (['admin', 'client', 'kube_proxy', 'kubelet', 'system:serviceaccount:kube-system:default'].includes(username))
    return username
  return username.includes('@') ? 'email_id' : 'other'
}
