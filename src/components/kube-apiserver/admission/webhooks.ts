/** Mutating and validating admission webhooks: called over TLS, with their caBundle and nothing else to trust. apiserver's admission/plugin/webhook. */
import { randomUUID } from 'node:crypto'
import { messageOf } from '#errors.ts'
import { matchesLabels } from '#kubernetes/selectors.ts'
import { failure, internalError, StatusError } from '#kubernetes/status.ts'
import type { LabelSelector, Unstructured } from '#kubernetes/types.ts'
import { memoryBundle } from '#tls/bundle.ts'
import { createDialer } from '#tls/dial.ts'
import { joinHostPort } from '#tls/errors.ts'
import type { Dialer } from '#tls/types.ts'
import type { ComponentContext } from '../../component.ts'
import { systemRoots } from '../aggregation/roots.ts'
import { resolveService } from '../aggregation/services.ts'
import { array, at, number, text } from '../columns/values.ts'
import type { StoreInformer } from '../storage/informer.ts'
import type { Store } from '../storage/store.ts'
import type { AdmissionRequest, Plugin } from './types.ts'
import { reviewOf } from './webhook-review.ts'
import { matchesRules } from './webhook-rules.ts'

type Webhook = Record<string, unknown>

export interface Webhooks {
  mutate: Plugin
  validate: Plugin
  close(): Promise<void>
}

interface Options {
  store: Store
  context: ComponentContext
  namespaces: StoreInformer
  mutating: StoreInformer
  validating: StoreInformer
}

export function createWebhooks(options: Options): Webhooks {
  const dialers = new Map<string, Dialer>()
  const caller = new Caller(options, dialers)
  return {
    async mutate(request) {
      if (options.mutating.size === 0) return
      for (const webhook of webhooksOf(options.mutating)) {
        if (!concerns(webhook, request, options.namespaces)) continue
        const response = await caller.ask(webhook, request)
        if (response && request.object) await applyPatch(webhook, request, response)
      }
    },
    async validate(request) {
      if (options.validating.size === 0) return
      const asked = webhooksOf(options.validating).filter(webhook => concerns(webhook, request, options.namespaces))
      await Promise.all(asked.map(webhook => caller.ask(webhook, request)))
    },
    async close() {
      await Promise.all([...dialers.values()].map(dialer => dialer.close()))
    },
  }
}

/** In the order of their configurations' names. */
const webhooksOf = (informer: StoreInformer): Webhook[] =>
  [...informer.list()]
    .sort((a, b) => ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1))
    .flatMap(configuration => array<Webhook>(configuration, 'webhooks'))

function concerns(webhook: Webhook, request: AdmissionRequest, namespaces: StoreInformer): boolean {
  // Webhooks cannot lock out the way to mend them.
  if (request.definition.group === 'admissionregistration.k8s.io') return false
  if (!matchesRules(array(webhook, 'rules'), request)) return false
  const labelsOf = (object: Unstructured | undefined) => object?.metadata.labels
  const namespace =
    request.definition.kind === 'Namespace' ? (request.object ?? request.old) : namespaces.get(request.namespace)
  if (
    request.namespace !== '' &&
    !matchesLabels((webhook.namespaceSelector ?? {}) as LabelSelector, labelsOf(namespace))
  )
    return false
  const selector = (webhook.objectSelector ?? {}) as LabelSelector
  return [request.object, request.old].some(object => object && matchesLabels(selector, labelsOf(object)))
}

interface Response {
  allowed?: boolean
  patch?: string
  patchType?: string
  status?: { code?: number; message?: string; reason?: string }
  warnings?: string[]
}

class Caller {
  readonly #options: Options
  readonly #dialers: Map<string, Dialer>

  constructor(options: Options, dialers: Map<string, Dialer>) {
    this.#options = options
    this.#dialers = dialers
  }

  /** The webhook's answer; undefined when it failed and that is to be ignored. @throws StatusError when it says no, or fails */
  async ask(webhook: Webhook, request: AdmissionRequest): Promise<Response | undefined> {
    const name = text(webhook, 'name')
    let response: Response
    try {
      response = await this.#call(webhook, request)
    } catch (error) {
      const why = messageOf(error)
      this.#options.context.log.warn(
        `Failed calling webhook, failing ${webhook.failurePolicy === 'Ignore' ? 'open' : 'closed'} ${name}: failed calling webhook ${JSON.stringify(name)}: ${why}`,
      )
      if (webhook.failurePolicy === 'Ignore') return undefined
      throw internalError(`failed calling webhook ${JSON.stringify(name)}: ${why}`)
    }
    request.warnings.push(...(response.warnings ?? []))
    if (response.allowed) return response
    const { code = 403, message = '', reason = code === 403 ? 'Forbidden' : '' } = response.status ?? {}
    throw new StatusError(
      failure(
        code >= 400 ? code : 403,
        reason,
        message || response.status?.reason
          ? `admission webhook ${JSON.stringify(name)} denied the request: ${message || response.status?.reason}`
          : `admission webhook ${JSON.stringify(name)} denied the request without explanation`,
      ),
    )
  }

  async #call(webhook: Webhook, request: AdmissionRequest): Promise<Response> {
    const client = webhook.clientConfig
    const seconds = number(webhook, 'timeoutSeconds') || 10
    const target = await this.#target(client)
    const path = `${target.path}${target.path.includes('?') ? '&' : '?'}timeout=${seconds}s`
    const shown = `https://${target.shown}${path}`
    const uid = randomUUID()
    try {
      const { statusCode, body } = await this.#dialer(client, target.servername).agent.request({
        origin: `https://${target.address}`,
        path,
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json', host: target.shown },
        body: JSON.stringify(reviewOf(request, uid)),
        signal: AbortSignal.timeout(seconds * 1000),
      })
      const answer = await body.text()
      if (statusCode !== 200)
        throw new Error(
          `an error on the server (${JSON.stringify(answer.trim())}) has prevented the request from succeeding`,
        )
      return responseOf(answer, uid)
    } catch (error) {
      if (error instanceof WrongResponse) throw error
      const why = (error as Error).name === 'TimeoutError' ? 'context deadline exceeded' : messageOf(error)
      throw new Error(`failed to call webhook: Post ${JSON.stringify(shown)}: ${why}`, { cause: error })
    }
  }

  async #target(client: unknown): Promise<{ address: string; shown: string; servername: string; path: string }> {
    const url = text(client, 'url')
    if (url) {
      const { hostname, port, host, pathname, search } = new URL(url)
      const bare = hostname.replace(/^\[|\]$/g, '')
      return { address: joinHostPort(bare, port || 443), shown: host, servername: bare, path: `${pathname}${search}` }
    }
    const service = at(client, 'service')
    const reference = {
      namespace: text(service, 'namespace'),
      name: text(service, 'name'),
      port: number(service, 'port') || 443,
    }
    const servername = `${reference.name}.${reference.namespace}.svc`
    const { host, port } = await resolveService(this.#options.store, reference)
    const path = text(service, 'path') || '/'
    return {
      address: joinHostPort(host, port),
      shown: `${servername}:${reference.port}`,
      servername,
      path: path.startsWith('/') ? path : `/${path}`,
    }
  }

  #dialer(client: unknown, servername: string): Dialer {
    const caBundle = text(client, 'caBundle')
    const key = `${servername} ${caBundle}`
    let dialer = this.#dialers.get(key)
    if (!dialer) {
      dialer = createDialer({
        ...this.#options.context,
        component: 'kube-apiserver',
        from: 'kube-apiserver',
        to: 'webhook',
        servername,
        roots: memoryBundle(caBundle ? Buffer.from(caBundle, 'base64').toString('latin1') : systemRoots()),
      })
      this.#dialers.set(key, dialer)
    }
    return dialer
  }
}

class WrongResponse extends Error {}

function responseOf(answer: string, uid: string): Response {
  let review: unknown
  try {
    review = JSON.parse(answer)
  } catch (error) {
    throw new WrongResponse(`received invalid webhook response: ${messageOf(error)}`)
  }
  const response = at(review, 'response') as (Response & { uid?: string }) | undefined
  if (!response) throw new WrongResponse('webhook response was absent')
  if (response.uid !== uid)
    throw new WrongResponse(
      `received invalid webhook response: expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response.uid ?? '')}`,
    )
  return response
}

async function applyPatch(webhook: Webhook, request: AdmissionRequest, { patch }: Response): Promise<void> {
  if (!patch || !request.object) return
  const { applyJsonPatch } = await import('../patch/json.ts')
  try {
    const changed = applyJsonPatch(request.object, JSON.parse(Buffer.from(patch, 'base64').toString('utf8')))
    for (const key of Object.keys(request.object)) delete request.object[key]
    Object.assign(request.object, changed)
  } catch (error) {
    throw internalError(
      `admission webhook ${JSON.stringify(text(webhook, 'name'))} returned a patch that does not apply: ${messageOf(error)}`,
    )
  }
}
