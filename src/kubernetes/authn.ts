/**
 * Who is asking? The authenticators of a Kubernetes server in their order: front proxy, client certificate, bearer token, anonymous.
 * A credential that was shown and is bad is never turned into `system:anonymous`; only another that is good saves the request.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { Clock } from '#clock.ts'
import type { BundleSource, Peer } from '#tls/types.ts'
import { createVerdictCache } from '#x509/cache.ts'
import type { Reason } from '#x509/reasons.ts'
import type { Certificate, Verdict, Voice } from '#x509/types.ts'
import { authenticatorMessage } from '#x509/words.ts'
import { aggregate } from './go.ts'
import type { Extra, UserInfo } from './types.ts'

interface AuthenticationInput {
  /** What `#tls` knows of the connection. */
  peer: Peer | undefined
  headers: IncomingHttpHeaders
  /** As received (`request.rawHeaders`): the front proxy repeats headers, and a group's name may hold a comma. */
  rawHeaders: readonly string[]
}

export type AuthenticationResult =
  | { ok: true; user: UserInfo; by: 'front-proxy' | 'certificate' | 'token' | 'anonymous' }
  | {
      ok: false
      /** Go's aggregate of every authenticator's words, for the log; '' when nothing was shown at all. */
      message: string
      /** For the handshake's record: what was wrong with the certificate, or `unauthorized`. */
      reason: Reason
    }

/** Answers at once unless a token has to be looked at. */
export type Authenticator = (input: AuthenticationInput) => AuthenticationResult | Promise<AuthenticationResult>

/** A token's user, an error in the original's words, or undefined: not one of mine. */
export type TokenResult = { user: UserInfo } | { error: string } | undefined
export type TokenAuthenticator = (token: string) => TokenResult | Promise<TokenResult>

export interface RequestHeaderOptions {
  ca: BundleSource
  /** Empty: any certificate of that CA. */
  allowedNames: readonly string[]
  usernameHeaders: readonly string[]
  uidHeaders?: readonly string[]
  groupHeaders: readonly string[]
  extraHeadersPrefix: readonly string[]
}

export interface AuthenticatorOptions {
  clock: Clock
  voice: Voice
  clientCa?: BundleSource
  requestHeader?: RequestHeaderOptions
  /** Asked in order. */
  tokens?: readonly TokenAuthenticator[]
  anonymous: boolean
  /** Told the remaining life of each certificate that is authenticated with, in seconds: a metric. */
  onCertificate?: (remainingSeconds: number) => void
}

export const anonymous: UserInfo = { username: 'system:anonymous', groups: ['system:unauthenticated'] }

type Rejection = Extract<Verdict, { verdict: 'reject' }>

type Judgement = { ok: true; user?: UserInfo; from: number; until: number } | { ok: false; verdict: Rejection }

export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const { clientCa, requestHeader, tokens = [] } = options
  const judgedByProxyCa = requestHeader && certificateJudge(requestHeader.ca, options)
  const judgedByClientCa = clientCa && certificateJudge(clientCa, options)
  const proxied = requestHeader && remoteUsers(requestHeader)
  const asAnonymous: AuthenticationResult = { ok: true, user: anonymous, by: 'anonymous' }
  const nothing: AuthenticationResult = { ok: false, message: '', reason: 'unauthorized' }

  const failed = (messages: string[], reason: Reason | undefined): AuthenticationResult => {
    if (messages.length > 0) return { ok: false, message: aggregate(messages), reason: reason ?? 'unauthorized' }
    return options.anonymous ? asAnonymous : nothing
  }

  return ({ peer, headers, rawHeaders }) => {
    const messages: string[] = []
    let reason: Reason | undefined
    const leaf = peer?.certificates[0]
    if (peer && leaf) {
      if (judgedByProxyCa && proxied && requestHeader.ca.current().roots.length > 0) {
        const judged = judgedByProxyCa(peer)
        const { allowedNames } = requestHeader
        if (!judged.ok) {
          messages.push(judged.verdict.message)
          reason = judged.verdict.reason
        } else if (allowedNames.length > 0 && !allowedNames.includes(leaf.subject.commonName)) {
          messages.push(`x509: subject with cn=${leaf.subject.commonName} is not in the allowed list`)
        } else {
          const user = proxied(headers, rawHeaders)
          if (user) return { ok: true, user, by: 'front-proxy' }
        }
      }
      if (judgedByClientCa && clientCa.current().roots.length > 0) {
        options.onCertificate?.((leaf.notAfter.getTime() - options.clock.now().getTime()) / 1000)
        const judged = judgedByClientCa(peer)
        if (!judged.ok) {
          messages.push(authenticatorMessage(leaf, judged.verdict))
          reason = judged.verdict.reason
        } else {
          const user = judged.user ?? userOf(leaf)
          if (typeof user === 'string') messages.push(user)
          else if (user) {
            judged.user = user
            return { ok: true, user, by: 'certificate' }
          }
        }
      }
    }
    const token = bearerToken(headers.authorization)
    if (token === undefined || tokens.length === 0) return failed(messages, reason)
    return byToken(tokens, token).then(result => {
      if (result && 'user' in result) return { ok: true, user: result.user, by: 'token' } as const
      messages.push('invalid bearer token')
      if (result) messages.push(result.error)
      return failed(messages, reason)
    })
  }
}

/** tokenunion: the first that knows the token; the errors of the others together. */
async function byToken(tokens: readonly TokenAuthenticator[], token: string): Promise<TokenResult> {
  const errors: string[] = []
  for (const authenticate of tokens) {
    const result = await authenticate(token)
    if (!result) continue
    if ('user' in result) return { user: withAuthenticated(result.user) }
    errors.push(result.error)
  }
  return errors.length > 0 ? { error: errors.join(', ') } : undefined
}

/** bearertoken.AuthenticateRequest: undefined when there is none to look at (Basic and the like are ignored). */
function bearerToken(authorization: string | undefined): string | undefined {
  if (!authorization) return undefined
  const [scheme, token] = authorization.trim().split(' ')
  return scheme?.toLowerCase() === 'bearer' && token ? token : undefined
}

/**
 * Judges a connection's certificate under a bundle, once: the verdict holds for the connection until the bundle changes
 * or one of the chain's certificates stops (or starts) being valid. What is refused is judged anew each time.
 */
function certificateJudge(ca: BundleSource, { clock, voice }: AuthenticatorOptions): (peer: Peer) => Judgement {
  const cache = createVerdictCache()
  const accepted = new WeakMap<Peer, { bundle: unknown; judgement: Judgement & { ok: true } }>()
  return peer => {
    const bundle = ca.current()
    const now = clock.now()
    const known = accepted.get(peer)
    if (known && known.bundle === bundle) {
      const time = now.getTime()
      if (time >= known.judgement.from && time <= known.judgement.until) return known.judgement
    }
    const verdict = cache.verify({ chain: peer.certificates, roots: bundle.roots, usage: 'clientAuth', now, voice })
    if (verdict.verdict === 'reject') return { ok: false, verdict }
    const chain = verdict.chains[0] ?? []
    const judgement: Judgement & { ok: true } = {
      ok: true,
      from: Math.max(...chain.map(certificate => certificate.notBefore.getTime())),
      until: Math.min(...chain.map(certificate => certificate.notAfter.getTime())),
    }
    accepted.set(peer, { bundle, judgement })
    return judgement
  }
}

// KEP-5028: a user's UID in the subject.
const uidType = '1.3.6.1.4.1.57683.2'

/**
 * x509.CommonNameUserConversion.
 * @returns undefined without a CN: nobody; a string: an error in the original's words
 */
function userOf(leaf: Certificate): UserInfo | string | undefined {
  const { commonName, organizations, attributes } = leaf.subject
  if (commonName === '') return undefined
  const uids = attributes.filter(({ type }) => type === uidType)
  if (uids.length > 1) return 'expected 1 UID, but found multiple'
  return withAuthenticated({
    username: commonName,
    ...(uids[0] ? { uid: uids[0].value } : {}),
    groups: organizations,
    extra: { 'authentication.kubernetes.io/credential-id': [`X509SHA256=${leaf.sha256}`] },
  })
}

/** group.AuthenticatedGroupAdder. */
export function withAuthenticated(user: UserInfo): UserInfo {
  const { username, groups } = user
  if (username === 'system:anonymous') return user
  if (groups.includes('system:authenticated') || groups.includes('system:unauthenticated')) return user
  return { ...user, groups: [...groups, 'system:authenticated'] }
}

// One user object for equal headers, so that verdicts about it can be kept.
const remembered = 512

/** headerrequest: X-Remote-User and its companions. */
function remoteUsers(
  options: RequestHeaderOptions,
): (headers: IncomingHttpHeaders, rawHeaders: readonly string[]) => UserInfo | undefined {
  const users = new Map<string, UserInfo>()
  const prefixes = options.extraHeadersPrefix.map(prefix => prefix.toLowerCase())
  return (headers, rawHeaders) => {
    if (!options.usernameHeaders.some(name => headers[name.toLowerCase()])) return undefined
    const first = (names: readonly string[]) => {
      for (const name of names) {
        const value = valuesOf(rawHeaders, name)[0]
        if (value) return value
      }
      return ''
    }
    const username = first(options.usernameHeaders)
    if (username === '') return undefined
    const uid = first(options.uidHeaders ?? [])
    const groups = options.groupHeaders.flatMap(name => valuesOf(rawHeaders, name)).filter(group => group !== '')
    const extra = extraOf(headers, rawHeaders, prefixes)
    const id = JSON.stringify([username, uid, groups, extra])
    let user = users.get(id)
    if (!user) {
      user = withAuthenticated({
        username,
        ...(uid ? { uid } : {}),
        groups,
        ...(Object.keys(extra).length > 0 ? { extra } : {}),
      })
      if (users.size >= remembered) users.clear()
      users.set(id, user)
    }
    return user
  }
}

/** Every value of a header, in order. `rawHeaders` is name, value, name, value, … */
export function valuesOf(rawHeaders: readonly string[], name: string): string[] {
  const wanted = name.toLowerCase()
  const values: string[] = []
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    if (rawHeaders[i]!.toLowerCase() === wanted) values.push(rawHeaders[i + 1]!)
  }
  return values
}

/** Headers with one of the prefixes, by what comes after it, percent-decoded. */
export function extraOf(
  headers: IncomingHttpHeaders,
  rawHeaders: readonly string[],
  prefixes: readonly string[],
): Extra {
  const extra = new Map<string, string[]>()
  for (const name of Object.keys(headers)) {
    const prefix = prefixes.find(candidate => name.startsWith(candidate))
    if (prefix === undefined) continue
    const key = unescapeKey(name.slice(prefix.length))
    extra.set(key, [...(extra.get(key) ?? []), ...valuesOf(rawHeaders, name)])
  }
  return Object.fromEntries(extra)
}

function unescapeKey(key: string): string {
  try {
    return decodeURIComponent(key)
  } catch {
    return key
  }
}

/** --token-auth-file: tokens that are known from the start. */
export const staticTokens =
  (users: ReadonlyMap<string, UserInfo>): TokenAuthenticator =>
  token => {
    const user = users.get(token)
    return user && { user }
  }
