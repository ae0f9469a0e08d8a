/** The audit log: audit.k8s.io/v1 events, one JSON line each, written behind the requests' backs. */
import type { Clock } from '#clock.ts'
import type { Attributes, RequestInfo } from './attributes.ts'
import { type AuditLevel, type AuditPolicy, type AuditStage, evaluateAudit } from './audit-policy.ts'
import type { Metrics } from './metrics.ts'
import { microTime } from './time.ts'
import type { Status, UserInfo } from './types.ts'

/** Where events go. `write` must not wait. */
export interface AuditSink {
  write(line: string): void
  close(): Promise<void>
}

export interface AuditRequest {
  auditId: string
  requestUri: string
  userAgent: string
  sourceIps: readonly string[]
  info: RequestInfo
  /** Undefined: nobody, the request failed authentication. */
  user?: UserInfo
  impersonatedUser?: UserInfo
  received: Date
}

/** One request on its way; what handlers know they write into it. */
export interface AuditEntry {
  readonly level: AuditLevel
  readonly omitStages: readonly AuditStage[]
  readonly request: AuditRequest
  annotations: Record<string, string>
  /** Only written at level Request and RequestResponse. */
  requestObject?: unknown
  /** Only written at level RequestResponse. */
  responseObject?: unknown
  /** Of a created object, whose name the path does not have. */
  objectName?: string
}

export interface AuditOptions {
  policy: AuditPolicy
  sink: AuditSink
  clock: Clock
  metrics?: Metrics
}

export class Audit {
  readonly #options: AuditOptions
  #queue: { entry: AuditEntry; stage: AuditStage; time: Date; status: Partial<Status> | undefined }[] = []

  constructor(options: AuditOptions) {
    this.#options = options
  }

  /** Undefined: the policy does not want this request. */
  begin(request: AuditRequest): AuditEntry | undefined {
    const attributes = { ...request.info, ...(request.user ? { user: request.user } : {}) } as Attributes
    const { level, omitStages } = evaluateAudit(this.#options.policy, attributes)
    if (level === 'None') return undefined
    const entry = { level, omitStages, request, annotations: {} }
    this.stage(entry, 'RequestReceived')
    return entry
  }

  stage(entry: AuditEntry, stage: AuditStage, status?: Partial<Status>): void {
    if (entry.omitStages.includes(stage)) return
    const time = stage === 'RequestReceived' ? entry.request.received : this.#options.clock.now()
    // The line is made later; what may still change by then is taken now.
    const taken = { ...entry, annotations: { ...entry.annotations } }
    this.#queue.push({ entry: taken, stage, time, status })
    if (this.#queue.length === 1) setImmediate(() => this.flush())
  }

  flush(): void {
    const queue = this.#queue
    this.#queue = []
    for (const { entry, stage, time, status } of queue) {
      this.#options.sink.write(`${JSON.stringify(eventOf(entry, stage, time, status))}\n`)
      this.#options.metrics?.inc('apiserver_audit_event_total')
    }
  }

  async close(): Promise<void> {
    this.flush()
    await this.#options.sink.close()
  }
}

/** An Event in the order of its type's fields. */
function eventOf(entry: AuditEntry, stage: AuditStage, time: Date, status: Partial<Status> | undefined) {
  const { request, level, annotations } = entry
  const { info, user, impersonatedUser, received } = request
  const received_ = microTime(received)
  return {
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level,
    auditID: request.auditId,
    stage,
    requestURI: request.requestUri,
    verb: info.verb,
    user: user ? userOf(user) : {},
    ...(impersonatedUser ? { impersonatedUser: userOf(impersonatedUser) } : {}),
    ...(request.sourceIps.length > 0 ? { sourceIPs: request.sourceIps } : {}),
    ...(request.userAgent ? { userAgent: request.userAgent } : {}),
    ...(info.isResourceRequest ? { objectRef: objectRef(info, entry.objectName) } : {}),
    ...(status && stage !== 'RequestReceived' ? { responseStatus: { metadata: {}, ...responseStatus(status) } } : {}),
    ...(entry.requestObject !== undefined &&
    (level === 'Request' || level === 'RequestResponse') &&
    stage !== 'RequestReceived'
      ? { requestObject: entry.requestObject }
      : {}),
    ...(entry.responseObject !== undefined && level === 'RequestResponse' && stage !== 'RequestReceived'
      ? { responseObject: entry.responseObject }
      : {}),
    requestReceivedTimestamp: received_,
    stageTimestamp: microTime(time),
    ...(stage !== 'RequestReceived' && Object.keys(annotations).length > 0 ? { annotations } : {}),
  }
}

const userOf = ({ username, uid, groups, extra }: UserInfo) => ({
  username,
  ...(uid ? { uid } : {}),
  ...(groups.length > 0 ? { groups } : {}),
  ...(extra && Object.keys(extra).length > 0 ? { extra } : {}),
})

function objectRef(info: RequestInfo, objectName = ''): Record<string, string> {
  const fields = {
    resource: info.resource,
    namespace: info.namespace,
    name: info.name || objectName,
    apiGroup: info.apiGroup,
    apiVersion: info.apiVersion,
    subresource: info.subresource,
  }
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ''))
}

const responseStatus = ({ status, message, reason, details, code }: Partial<Status>) => ({
  ...(status ? { status } : {}),
  ...(message ? { message } : {}),
  ...(reason ? { reason } : {}),
  ...(details ? { details } : {}),
  ...(code ? { code } : {}),
})

/** WithFailedAuthenticationAudit's message: what was tried. */
export function attemptedAuthentication(authorization: string | undefined, hasCertificate: boolean): string {
  const [scheme = '', rest] = (authorization ?? '').trim().split(' ')
  const tried = [
    ...(scheme.toLowerCase() === 'basic' && rest ? ['basic'] : []),
    ...(scheme.toLowerCase() === 'bearer' && rest ? ['bearer'] : []),
    ...(hasCertificate ? ['x509'] : []),
  ]
  return tried.length > 0
    ? `Authentication failed, attempted: ${tried.join(', ')}`
    : 'Authentication failed, no credentials provided'
}
