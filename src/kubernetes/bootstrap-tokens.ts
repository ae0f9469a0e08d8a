/** Bootstrap tokens: `abcdef.0123456789abcdef`, each a Secret in kube-system. What a new node shows before it has a certificate. */
import { randomInt, timingSafeEqual } from 'node:crypto'
import type { Clock } from '#clock.ts'
import type { TokenAuthenticator } from './authn.ts'
import { time as rfc3339 } from './time.ts'
import type { Secret } from './types.ts'

export interface BootstrapTokenOptions {
  /** Of kube-system, by name; undefined: not there. */
  secret(name: string): Promise<Secret | undefined> | Secret | undefined
  clock: Clock
}

const bootstrapTokenPattern = /^([a-z0-9]{6})\.([a-z0-9]{16})$/
const groupPattern = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/

export const bootstrapTokenType = 'bootstrap.kubernetes.io/token'

const fieldOf = (secret: Secret, name: string) => Buffer.from(secret.data?.[name] ?? '', 'base64').toString('utf8')

/** In epoch milliseconds, undefined: never. One that cannot be read is over already (bootstrapsecretutil.GetExpiration). */
export function tokenExpiry(secret: Secret): number | undefined {
  const expiration = fieldOf(secret, 'expiration')
  return expiration === '' ? undefined : Date.parse(expiration) || 0
}

/** What signs cluster-info, when it may (validateSecretForSigning). */
export function signingToken(secret: Secret, clock: Clock): { id: string; secret: string } | undefined {
  const id = fieldOf(secret, 'token-id')
  const tokenSecret = fieldOf(secret, 'token-secret')
  if (!/^[a-z0-9]{6}$/.test(id) || secret.metadata.name !== `bootstrap-token-${id}` || tokenSecret === '')
    return undefined
  const isOver = (tokenExpiry(secret) ?? Number.POSITIVE_INFINITY) <= clock.now().getTime()
  return isOver || fieldOf(secret, 'usage-bootstrap-signing') !== 'true' ? undefined : { id, secret: tokenSecret }
}

/** The Secret that makes a token known, as `kubeadm token create` writes it. @param token `abcdef.0123456789abcdef` */
export function bootstrapTokenSecret(token: string, more: { expiration?: Date; description?: string } = {}): Secret {
  const [id = '', secret = ''] = token.split('.')
  return {
    metadata: { name: `bootstrap-token-${id}`, namespace: 'kube-system' },
    type: bootstrapTokenType,
    stringData: {
      'token-id': id,
      'token-secret': secret,
      ...(more.description ? { description: more.description } : {}),
      ...(more.expiration ? { expiration: rfc3339(more.expiration) } : {}),
      'usage-bootstrap-authentication': 'true',
      'usage-bootstrap-signing': 'true',
      'auth-extra-groups': 'system:bootstrappers:kubeadm:default-node-token',
    },
  }
}

const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789'
const randomText = (length: number) => Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('')

/** A new token, as `kubeadm token generate` prints one. */
export const newBootstrapToken = (): string => `${randomText(6)}.${randomText(16)}`

/** The original tells nobody why a bootstrap token is refused: it is just no user (`invalid bearer token`). */
export const bootstrapTokens =
  ({ secret, clock }: BootstrapTokenOptions): TokenAuthenticator =>
  async token => {
    const match = bootstrapTokenPattern.exec(token)
    if (!match) return undefined
    const [, id = '', tokenSecret = ''] = match
    const found = await secret(`bootstrap-token-${id}`)
    if (!found || found.metadata.deletionTimestamp || found.type !== bootstrapTokenType) return undefined
    const field = (name: string) => fieldOf(found, name)
    const expected = Buffer.from(field('token-secret'))
    const given = Buffer.from(tokenSecret)
    if (expected.length !== given.length || !timingSafeEqual(expected, given)) return undefined
    if (field('token-id') !== id) return undefined
    if ((tokenExpiry(found) ?? Number.POSITIVE_INFINITY) <= clock.now().getTime()) return undefined
    if (field('usage-bootstrap-authentication') !== 'true') return undefined
    const groups = field('auth-extra-groups')
      .split(',')
      .filter(group => group !== '')
    if (!groups.every(group => groupPattern.test(group))) return undefined
    return {
      user: { username: `system:bootstrap:${id}`, groups: ['system:bootstrappers', ...new Set(groups.sort())] },
    }
  }
