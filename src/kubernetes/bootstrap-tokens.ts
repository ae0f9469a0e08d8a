/** Bootstrap tokens: `abcdef.0123456789abcdef`, each a Secret in kube-system. What a new node shows before it has a certificate. */
import { timingSafeEqual } from 'node:crypto'
import type { Clock } from '#clock.ts'
import type { TokenAuthenticator } from './authn.ts'
import type { Secret } from './types.ts'

export interface BootstrapTokenOptions {
  /** Of kube-system, by name; undefined: not there. */
  secret(name: string): Promise<Secret | undefined> | Secret | undefined
  clock: Clock
}

const bootstrapTokenPattern = /^([a-z0-9]{6})\.([a-z0-9]{16})$/
const groupPattern = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/

/** The original tells nobody why a bootstrap token is refused: it is just no user (`invalid bearer token`). */
export const bootstrapTokens =
  ({ secret, clock }: BootstrapTokenOptions): TokenAuthenticator =>
  async token => {
    const match = bootstrapTokenPattern.exec(token)
    if (!match) return undefined
    const [, id = '', tokenSecret = ''] = match
    const found = await secret(`bootstrap-token-${id}`)
    if (!found || found.metadata.deletionTimestamp || found.type !== 'bootstrap.kubernetes.io/token') return undefined
    const field = (name: string) => Buffer.from(found.data?.[name] ?? '', 'base64').toString('utf8')
    const expected = Buffer.from(field('token-secret'))
    const given = Buffer.from(tokenSecret)
    if (expected.length !== given.length || !timingSafeEqual(expected, given)) return undefined
    if (field('token-id') !== id) return undefined
    const expiration = field('expiration')
    if (expiration !== '' && !(Date.parse(expiration) > clock.now().getTime())) return undefined
    if (field('usage-bootstrap-authentication') !== 'true') return undefined
    const groups = field('auth-extra-groups')
      .split(',')
      .filter(group => group !== '')
    if (!groups.every(group => groupPattern.test(group))) return undefined
    return {
      user: { username: `system:bootstrap:${id}`, groups: ['system:bootstrappers', ...new Set(groups.sort())] },
    }
  }
