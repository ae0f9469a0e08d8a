/** SelfSubjectReview and TokenReview: who am I, whose token is this. */
import { badRequest } from '#kubernetes/status.ts'
import { time } from '#kubernetes/time.ts'
import type { Unstructured, UserInfo } from '#kubernetes/types.ts'
import { array, text } from '../columns/values.ts'
import { readBody } from '../verbs/body.ts'
import type { Handler } from '../verbs/types.ts'

const infoOf = ({ username, uid, groups, extra }: UserInfo) => ({
  username,
  ...(uid ? { uid } : {}),
  ...(groups.length > 0 ? { groups: [...groups] } : {}),
  ...(extra && Object.keys(extra).length > 0 ? { extra } : {}),
})

export const selfSubjectReview: Handler = async (api, { definition, body, contentType, user }) => {
  const { kind, apiVersion } = await readBody(body, contentType, definition)
  return {
    code: 201,
    object: {
      kind: kind!,
      apiVersion: apiVersion!,
      metadata: { creationTimestamp: time(api.clock.now()) },
      status: { userInfo: infoOf(user) },
    },
  }
}

export const tokenReview: Handler = async (api, { definition, body, contentType }) => {
  const review = await readBody(body, contentType, definition)
  const token = text(review, 'spec', 'token')
  if (token === '') throw badRequest('token is required for TokenReview in authentication')
  const asked = array<string>(review, 'spec', 'audiences')
  const audiences = asked.length === 0 ? [...api.audiences] : asked.filter(audience => api.audiences.includes(audience))
  const result = await api.authenticateToken(token)
  const known = result && 'user' in result && audiences.length > 0 ? result.user : undefined
  const status = known
    ? { authenticated: true, user: infoOf(known), audiences }
    : {
        user: {},
        error: result && 'error' in result ? `[invalid bearer token, ${result.error}]` : 'invalid bearer token',
      }
  return { code: 201, object: { ...review, metadata: strip(review), status } }
}

const strip = ({ metadata }: Unstructured) => ({ ...metadata, creationTimestamp: null })
