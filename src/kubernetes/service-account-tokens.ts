/** Tokens of service accounts: JWTs signed with sa.key, read with sa.pub; kube-apiserver's rules and words. */
import { createHash, createPublicKey, type KeyObject, randomUUID } from 'node:crypto'
import type { JWTPayload } from 'jose'
import type { Clock } from '#clock.ts'
import { messageOf } from '#errors.ts'
import type { TokenAuthenticator, TokenResult } from './authn.ts'
import { quote } from './go.ts'
import type { Extra, Pod, Secret, ServiceAccount, UserInfo } from './types.ts'

interface Ref {
  name: string
  uid?: string
}

interface KubernetesClaims {
  namespace?: string
  serviceaccount?: Ref
  pod?: Ref
  secret?: Ref
  node?: Ref
  warnafter?: number
}

export interface ServiceAccountTokenOptions {
  /** Any of them may have signed: a rotation has two for a while. */
  keys: () => readonly KeyObject[]
  /** Tokens of other issuers are not ours to judge. */
  issuers: readonly string[]
  /** At least one must be in the token. */
  audiences: readonly string[]
  clock: Clock
  /** Given: a token dies with its account, pod or secret. Undefined from them: not there. */
  lookup?: {
    serviceAccount(namespace: string, name: string): Promise<ServiceAccount | undefined> | ServiceAccount | undefined
    pod?(namespace: string, name: string): Promise<Pod | undefined> | Pod | undefined
    secret?(namespace: string, name: string): Promise<Secret | undefined> | Secret | undefined
  }
}

// go-jose's leeway on exp and nbf.
const leewaySeconds = 60
// kube-apiserver's TokenSuccessCacheTTL.
const cacheMs = 10_000
const cacheSize = 1024

export function serviceAccountTokens(options: ServiceAccountTokenOptions): TokenAuthenticator {
  const cached = new Map<string, { until: number; keys: readonly KeyObject[]; result: TokenResult }>()
  return token => {
    const payload = payloadOf(token)
    if (!payload || !options.issuers.includes(payload.iss ?? '')) return undefined
    const now = options.clock.now().getTime()
    const keys = options.keys()
    const id = createHash('sha256').update(token).digest('base64')
    const known = cached.get(id)
    if (known && known.keys === keys && now < known.until && now > known.until - cacheMs - 1) return known.result
    return judge(token, payload, keys, options).then(result => {
      if (result && 'user' in result) {
        if (cached.size >= cacheSize) cached.clear()
        cached.set(id, { until: now + cacheMs, keys, result })
      }
      return result
    })
  }
}

/** The claims of a JWT, its signature not looked at; undefined when it is none. */
function payloadOf(token: string): JWTPayload | undefined {
  const parts = token.split('.')
  if (parts.length !== 3) return undefined
  try {
    const payload = JSON.parse(Buffer.from(parts[1]!, 'base64url').toString('utf8')) as JWTPayload
    return typeof payload === 'object' && payload !== null ? payload : undefined
  } catch {
    return undefined
  }
}

async function judge(
  token: string,
  payload: JWTPayload,
  keys: readonly KeyObject[],
  { audiences, clock, lookup }: ServiceAccountTokenOptions,
): Promise<TokenResult> {
  if (keys.length === 0) return { error: 'invalid signature, no keys found' }
  const { compactVerify } = await import('jose')
  const signed = await Promise.any(keys.map(key => compactVerify(token, key))).catch(() => undefined)
  if (!signed) return { error: 'go-jose/go-jose: error in cryptographic primitive' }
  const aud = payload.aud === undefined ? [] : [payload.aud].flat()
  const target = aud.length === 0 ? audiences : aud
  if (!target.some(audience => audiences.includes(audience))) {
    return { error: `token audiences ${quoted(target)} is invalid for the target audiences ${quoted(audiences)}` }
  }
  const now = clock.now().getTime() / 1000
  if (payload.exp !== undefined && now - leewaySeconds > payload.exp)
    return { error: 'service account token has expired' }
  if (payload.nbf !== undefined && now + leewaySeconds < payload.nbf)
    return { error: 'service account token is not valid yet' }
  const claims = (payload['kubernetes.io'] ?? {}) as KubernetesClaims
  const { namespace = '', serviceaccount } = claims
  if (!serviceaccount?.name || namespace === '')
    return { error: 'service account token claims could not be validated due to unexpected private claim' }
  if (lookup) {
    const problem = await stale(claims, namespace, serviceaccount, lookup).catch(messageOf)
    if (problem) return { error: problem }
  }
  return { user: serviceAccountUser(namespace, serviceaccount, claims, payload.jti) }
}

const quoted = (values: readonly string[]) => `[${values.map(quote).join(' ')}]`

/** Why the token is no longer good: what it is bound to is gone or another. */
async function stale(
  { pod, secret }: KubernetesClaims,
  namespace: string,
  account: Ref,
  lookup: NonNullable<ServiceAccountTokenOptions['lookup']>,
): Promise<string | undefined> {
  const found = await lookup.serviceAccount(namespace, account.name)
  if (!found) return `serviceaccounts ${quote(account.name)} not found`
  if (found.metadata.uid !== account.uid)
    return `service account UID (${found.metadata.uid}) does not match claim (${account.uid})`
  if (secret && lookup.secret) {
    const bound = await lookup.secret(namespace, secret.name)
    if (!bound) return 'service account token has been invalidated'
    if (bound.metadata.uid !== secret.uid)
      return `secret UID (${bound.metadata.uid}) does not match service account secret ref claim (${secret.uid})`
  }
  if (pod && lookup.pod) {
    const bound = await lookup.pod(namespace, pod.name)
    if (!bound) return 'service account token has been invalidated'
    if (bound.metadata.uid !== pod.uid)
      return `pod UID (${bound.metadata.uid}) does not match service account pod ref claim (${pod.uid})`
  }
  return undefined
}

function serviceAccountUser(namespace: string, account: Ref, { pod, node }: KubernetesClaims, jti?: string): UserInfo {
  const extra: Extra = {}
  if (jti) extra['authentication.kubernetes.io/credential-id'] = [`JTI=${jti}`]
  if (pod) {
    extra['authentication.kubernetes.io/pod-name'] = [pod.name]
    if (pod.uid) extra['authentication.kubernetes.io/pod-uid'] = [pod.uid]
  }
  if (node) {
    extra['authentication.kubernetes.io/node-name'] = [node.name]
    if (node.uid) extra['authentication.kubernetes.io/node-uid'] = [node.uid]
  }
  return {
    username: `system:serviceaccount:${namespace}:${account.name}`,
    ...(account.uid ? { uid: account.uid } : {}),
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`],
    ...(Object.keys(extra).length > 0 ? { extra } : {}),
  }
}

export interface SignOptions {
  key: KeyObject
  issuer: string
  audiences: readonly string[]
  serviceAccount: ServiceAccount
  boundTo?: { pod?: Pod; secret?: Secret; node?: Ref }
  expirationSeconds: number
  now: Date
}

/** A token as the TokenRequest API issues it. */
export async function signServiceAccountToken(options: SignOptions): Promise<{ token: string; expires: Date }> {
  const { key, issuer, audiences, serviceAccount, boundTo = {}, expirationSeconds, now } = options
  const { SignJWT } = await import('jose')
  const issued = Math.floor(now.getTime() / 1000)
  const refOf = ({ metadata: { name = '', uid } }: ServiceAccount | Pod | Secret): Ref => ({
    name,
    ...(uid ? { uid } : {}),
  })
  const claims: KubernetesClaims = {
    namespace: serviceAccount.metadata.namespace ?? '',
    ...(boundTo.node ? { node: boundTo.node } : {}),
    ...(boundTo.pod ? { pod: refOf(boundTo.pod) } : {}),
    ...(boundTo.secret ? { secret: refOf(boundTo.secret) } : {}),
    serviceaccount: refOf(serviceAccount),
  }
  const token = await new SignJWT({ 'kubernetes.io': claims })
    .setProtectedHeader({ alg: algorithmOf(key), kid: keyId(key) })
    .setIssuer(issuer)
    .setAudience([...audiences])
    .setSubject(`system:serviceaccount:${claims.namespace}:${serviceAccount.metadata.name}`)
    .setIssuedAt(issued)
    .setNotBefore(issued)
    .setExpirationTime(issued + expirationSeconds)
    .setJti(randomUUID())
    .sign(key)
  return { token, expires: new Date((issued + expirationSeconds) * 1000) }
}

/** serviceaccount.signerFromECDSAPrivateKey and signerFromRSAPrivateKey. */
function algorithmOf(key: KeyObject): string {
  if (key.asymmetricKeyType === 'rsa') return 'RS256'
  const curve = key.asymmetricKeyDetails?.namedCurve
  const algorithm = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' }[curve ?? '']
  if (!algorithm)
    throw new Error('unknown private key type, must be *rsa.PrivateKey, *ecdsa.PrivateKey, or jose.OpaqueSigner')
  return algorithm
}

/** serviceaccount.keyIDFromPublicKey: base64url of SHA-256 of the public key's DER. */
export function keyId(key: KeyObject): string {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url')
}

/**
 * keyutil.PublicKeysFromFile: every PUBLIC KEY, private key or certificate in a file.
 * @throws Error with the original's words
 */
export function publicKeysOf(pem: string, file: string): KeyObject[] {
  const keys: KeyObject[] = []
  for (const [block, label] of pem.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g)) {
    if (!/PUBLIC KEY$|PRIVATE KEY$|^CERTIFICATE$/.test(label!)) continue
    try {
      keys.push(createPublicKey(block))
    } catch {
      // a block that is none of these is skipped, as the original does
    }
  }
  if (keys.length === 0)
    throw new Error(`error reading public key file ${file}: data does not contain any valid RSA or ECDSA public keys`)
  return keys
}
