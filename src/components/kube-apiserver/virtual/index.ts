/** Resources that are not in etcd: reviews, which are answered at once, component statuses, and bindings of the old path. */

import { binding } from '../subresources/pods.ts'
import type { Handler } from '../verbs/types.ts'
import {
  localSubjectAccessReview,
  selfSubjectAccessReview,
  selfSubjectRulesReview,
  subjectAccessReview,
} from './access-reviews.ts'
import { getComponentStatus, listComponentStatuses } from './component-statuses.ts'
import { selfSubjectReview, tokenReview } from './identity-reviews.ts'

const table: Record<string, Handler> = {
  '/componentstatuses get': getComponentStatus,
  '/componentstatuses list': listComponentStatuses,
  '/bindings create': (api, request) => {
    const name =
      (JSON.parse(request.body.toString('utf8') || '{}') as { metadata?: { name?: string } }).metadata?.name ?? ''
    return binding(api, { ...request, info: { ...request.info, name, resource: 'pods', subresource: 'binding' } })
  },
  'authentication.k8s.io/selfsubjectreviews create': selfSubjectReview,
  'authentication.k8s.io/tokenreviews create': tokenReview,
  'authorization.k8s.io/localsubjectaccessreviews create': localSubjectAccessReview,
  'authorization.k8s.io/selfsubjectaccessreviews create': selfSubjectAccessReview,
  'authorization.k8s.io/selfsubjectrulesreviews create': selfSubjectRulesReview,
  'authorization.k8s.io/subjectaccessreviews create': subjectAccessReview,
}

export const virtualHandler = (group: string, resource: string, verb: string): Handler | undefined =>
  table[`${group}/${resource} ${verb}`]
