/** …/token of service accounts: TokenRequest. */
import { notFound } from '#kubernetes/status.ts'
import { readBody } from '../verbs/body.ts'
import { keyOfRequest } from '../verbs/keys.ts'
import { shown } from '../verbs/read.ts'
import type { Handler } from '../verbs/types.ts'

export const createToken: Handler = async (api, request) => {
  const { definition, info, body, contentType } = request
  const wanted = await readBody(body, contentType, {
    kind: 'TokenRequest',
    group: 'authentication.k8s.io',
    version: 'v1',
  })
  const found = await api.store.get(keyOfRequest(definition, info))
  if (!found) throw notFound(definition, info.name)
  return { code: 201, object: await api.tokens.issue(wanted, shown(definition, found), api) }
}
