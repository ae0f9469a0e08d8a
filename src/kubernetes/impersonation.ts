/** `kubectl --as`: someone who may asks to be taken for another. The WithImpersonation filter. */
import type { IncomingHttpHeaders } from 'node:http'
import { type Attributes, forbiddenFor } from './attributes.ts'
import { extraOf, valuesOf, withAuthenticated } from './authn.ts'
import type { Authorizer } from './authz.ts'
import { badRequest, type StatusError } from './status.ts'
import type { UserInfo } from './types.ts'

const extraPrefix = 'impersonate-extra-'

/** True when a request wants it: one look at the hot path. */
export const impersonates = (headers: IncomingHttpHeaders) =>
  headers['impersonate-user'] !== undefined ||
  headers['impersonate-group'] !== undefined ||
  headers['impersonate-uid'] !== undefined ||
  Object.keys(headers).some(name => name.startsWith(extraPrefix))

/** @returns who to take them for; a StatusError is the refusal */
export async function impersonated(
  user: UserInfo,
  headers: IncomingHttpHeaders,
  rawHeaders: readonly string[],
  authorize: Authorizer,
): Promise<UserInfo | StatusError> {
  const username = valuesOf(rawHeaders, 'impersonate-user')[0] ?? ''
  const groups = valuesOf(rawHeaders, 'impersonate-group')
  const uid = valuesOf(rawHeaders, 'impersonate-uid')[0] ?? ''
  const extra = extraOf(headers, rawHeaders, [extraPrefix])
  if (username === '') return badRequest('requested [groups extra uid] without impersonating a user')

  const serviceAccount = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(username)
  const asked: Partial<Attributes>[] = [
    serviceAccount
      ? { resource: 'serviceaccounts', namespace: serviceAccount[1]!, name: serviceAccount[2]! }
      : { resource: 'users', name: username },
    ...groups.map(name => ({ resource: 'groups', name })),
    ...(uid ? [{ resource: 'uids', apiGroup: 'authentication.k8s.io', name: uid }] : []),
    ...Object.entries(extra).flatMap(([key, values]) =>
      values.map(name => ({ resource: 'userextras', apiGroup: 'authentication.k8s.io', subresource: key, name })),
    ),
  ]
  for (const part of asked) {
    const attributes: Attributes = {
      user,
      isResourceRequest: true,
      path: '',
      verb: 'impersonate',
      apiPrefix: '',
      apiGroup: '',
      apiVersion: '',
      namespace: '',
      resource: '',
      subresource: '',
      name: '',
      parts: [],
      ...part,
    }
    const result = await authorize(attributes)
    if (result.decision !== 'allow') return forbiddenFor(attributes, result.reason)
  }
  const defaults = serviceAccount
    ? ['system:serviceaccounts', `system:serviceaccounts:${serviceAccount[1]}`]
    : username === 'system:anonymous'
      ? ['system:unauthenticated']
      : []
  return withAuthenticated({
    username,
    ...(uid ? { uid } : {}),
    groups: groups.length > 0 ? groups : defaults,
    ...(Object.keys(extra).length > 0 ? { extra } : {}),
  })
}
