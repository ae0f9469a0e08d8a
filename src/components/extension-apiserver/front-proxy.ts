/**
 * Whoever came through the front proxy was authorized by kube-apiserver before it passed the request on (its own handler chain runs
 * for aggregated paths too). With --authorization-kubeconfig the original asks once more, by SubjectAccessReview; without, this stands.
 */
import { type AuthenticatorOptions, createAuthenticator } from '#kubernetes/authn.ts'
import { type Authorizer, allowed, noOpinion } from '#kubernetes/authz.ts'
import type { UserInfo } from '#kubernetes/types.ts'

export function frontProxyTrust() {
  const proxied = new WeakSet<UserInfo>()
  const remember = (result: Awaited<ReturnType<ReturnType<typeof createAuthenticator>>>) => {
    if (result.ok && result.by === 'front-proxy') proxied.add(result.user)
    return result
  }
  const authenticator = (options: AuthenticatorOptions): ReturnType<typeof createAuthenticator> => {
    const inner = createAuthenticator(options)
    return input => {
      const result = inner(input)
      return result instanceof Promise ? result.then(remember) : remember(result)
    }
  }
  const authorizer: Authorizer = ({ user }) =>
    proxied.has(user) ? allowed('authorized by kube-apiserver') : noOpinion()
  return { authenticator, authorizer }
}
