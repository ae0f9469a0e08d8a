/** Asking kube-apiserver who a token is and what a user may do: TokenReview and SubjectAccessReview, with the originals' caches. */
import { createHash } from 'node:crypto'
import { messageOf } from '#errors.ts'
import type { Attributes } from './attributes.ts'
import type { TokenAuthenticator, TokenResult } from './authn.ts'
import { type AuthorizationResult, type Authorizer, allowed, denied, noOpinion } from './authz.ts'
import { pause } from './backoff.ts'
import type { Client } from './client.ts'
import { resources } from './resources.ts'
import { StatusError } from './status.ts'
import type { UserInfo } from './types.ts'

const cacheSize = 4096

/** What was answered lately. The time is the process's own: a moved clock is about certificates. */
class Lately<T> {
  readonly #entries = new Map<string, { until: number; value: T }>()

  get(key: string): T | undefined {
    const entry = this.#entries.get(key)
    if (!entry) return undefined
    if (performance.now() < entry.until) return entry.value
    this.#entries.delete(key)
    return undefined
  }

  set(key: string, value: T, ttlMs: number): void {
    if (ttlMs <= 0) return
    if (this.#entries.size >= cacheSize) this.#entries.delete(this.#entries.keys().next().value!)
    this.#entries.set(key, { until: performance.now() + ttlMs, value })
  }
}

// options.DefaultAuthWebhookRetryBackoff: 500 ms, times 1.5, five tries.
async function retried<T>({ closed }: Client, ask: () => Promise<T>): Promise<T> {
  for (let tries = 1, wait = 500; ; tries++, wait *= 1.5) {
    try {
      return await ask()
    } catch (error) {
      // An answer is an answer; only silence and the server's own trouble are tried again.
      const final = error instanceof StatusError && error.code !== 429 && error.code < 500
      if (final || tries >= 5) throw error
      // whoever asks through a client that is closed has ended: nobody waits for the answer
      await pause(wait * (1 + Math.random() * 0.2), closed)
      if (closed.aborted) throw error
    }
  }
}

export interface TokenReviewOptions {
  client: Client
  audiences?: readonly string[]
  /** Default 10 s. */
  cacheMs?: number
}

/** authenticatorfactory's delegated token authenticator. */
export function tokenReviews({ client, audiences, cacheMs = 10_000 }: TokenReviewOptions): TokenAuthenticator {
  const lately = new Lately<TokenResult>()
  return async token => {
    const key = createHash('sha256').update(token).digest('base64')
    const known = lately.get(key)
    if (known) return known
    let result: TokenResult
    try {
      const review = await retried(client, () =>
        client.create(resources.tokenreviews, {
          metadata: {},
          spec: { token, ...(audiences ? { audiences: [...audiences] } : {}) },
        }),
      )
      const { authenticated, user, error } = review.status ?? {}
      if (!authenticated) return error ? { error } : undefined
      result = {
        user: {
          username: user?.username ?? '',
          ...(user?.uid ? { uid: user.uid } : {}),
          groups: user?.groups ?? [],
          ...(user?.extra ? { extra: user.extra } : {}),
        },
      }
    } catch (error) {
      return { error: messageOf(error) }
    }
    lately.set(key, result, cacheMs)
    return result
  }
}

export interface SubjectAccessReviewOptions {
  client: Client
  /** Defaults: 10 s each, as `--authorization-webhook-cache-*-ttl`; a kubelet has 5 minutes and 30 seconds. */
  allowedCacheMs?: number
  deniedCacheMs?: number
}

/** authorizerfactory's delegated authorizer. */
export function subjectAccessReviews(options: SubjectAccessReviewOptions): Authorizer {
  const { client, allowedCacheMs = 10_000, deniedCacheMs = 10_000 } = options
  const lately = new WeakMap<UserInfo, Lately<AuthorizationResult>>()
  const asked = new Map<string, Promise<AuthorizationResult>>()
  const ids = new WeakMap<UserInfo, number>()
  let nextId = 0

  async function ask(a: Attributes): Promise<AuthorizationResult> {
    const { username, groups, uid, extra } = a.user
    const review = await retried(client, () =>
      client.create(resources.subjectaccessreviews, {
        metadata: {},
        spec: {
          ...(a.isResourceRequest ? { resourceAttributes: resourceAttributes(a) } : {}),
          ...(a.isResourceRequest ? {} : { nonResourceAttributes: { path: a.path, verb: a.verb } }),
          user: username,
          groups: [...groups],
          ...(uid ? { uid } : {}),
          ...(extra ? { extra } : {}),
        },
      }),
    )
    const { allowed: yes, denied: no, reason = '' } = review.status ?? {}
    return yes ? allowed(reason) : no ? denied(reason) : noOpinion(reason)
  }

  return a => {
    let cache = lately.get(a.user)
    if (!cache) {
      cache = new Lately()
      lately.set(a.user, cache)
      ids.set(a.user, nextId++)
    }
    const key = a.isResourceRequest
      ? `${a.verb}\0${a.apiGroup}\0${a.resource}\0${a.subresource}\0${a.namespace}\0${a.name}`
      : `${a.verb}\0${a.path}`
    const known = cache.get(key)
    if (known) return known
    const id = `${ids.get(a.user)}\0${key}`
    let answer = asked.get(id)
    if (!answer) {
      answer = ask(a)
        .then(result => {
          cache.set(key, result, result.decision === 'allow' ? allowedCacheMs : deniedCacheMs)
          return result
        })
        .catch((error): AuthorizationResult => ({ decision: 'no-opinion', reason: '', error: messageOf(error) }))
        .finally(() => asked.delete(id))
      asked.set(id, answer)
    }
    return answer
  }
}

function resourceAttributes(a: Attributes) {
  const all = {
    namespace: a.namespace,
    verb: a.verb,
    group: a.apiGroup,
    version: a.apiVersion,
    resource: a.resource,
    subresource: a.subresource,
    name: a.name,
  }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ''))
}
