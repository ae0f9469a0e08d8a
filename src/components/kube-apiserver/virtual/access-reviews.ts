/** May they? SubjectAccessReview and its relatives: pkg/registry/authorization. */
import { reviewAttributes } from '#kubernetes/attributes.ts'
import { badRequest, invalid } from '#kubernetes/status.ts'
import type { PolicyRule, SubjectAccessReview, Unstructured, UserInfo } from '#kubernetes/types.ts'
import { text } from '../columns/values.ts'
import { readBody } from '../verbs/body.ts'
import type { Answer, Api, ApiRequest, Handler } from '../verbs/types.ts'

type Spec = SubjectAccessReview['spec']

async function review(
  api: Api,
  request: ApiRequest,
  whose: (spec: Spec) => UserInfo,
  namespace?: string,
): Promise<Answer> {
  const { definition, body, contentType } = request
  const object = await readBody(body, contentType, definition)
  const spec = (object.spec ?? {}) as Spec
  if (!spec.resourceAttributes === !spec.nonResourceAttributes)
    throw invalid(definition, '', [
      {
        type: 'invalid',
        field: 'spec.resourceAttributes',
        value: spec.resourceAttributes ?? null,
        detail: spec.resourceAttributes
          ? 'cannot be specified in combination with nonResourceAttributes'
          : 'exactly one of nonResourceAttributes or resourceAttributes must be specified',
      },
    ])
  if (namespace !== undefined && spec.resourceAttributes?.namespace !== namespace)
    throw badRequest(`spec.resourceAttributes.namespace must match namespace: ${namespace}`)
  const { decision, reason, error } = await api.authorizer(reviewAttributes(whose(spec), spec))
  const status = {
    allowed: decision === 'allow',
    ...(decision === 'deny' ? { denied: true } : {}),
    ...(reason ? { reason } : {}),
    ...(error ? { evaluationError: error } : {}),
  }
  return { code: 201, object: { ...object, metadata: { creationTimestamp: null, ...object.metadata }, status } }
}

const subject =
  (definition: ApiRequest['definition']) =>
  ({ user = '', groups = [], uid, extra }: Spec): UserInfo => {
    if (user === '' && groups.length === 0)
      throw invalid(definition, '', [
        { type: 'invalid', field: 'spec.user', value: '', detail: 'at least one of user or group must be specified' },
      ])
    return { username: user, groups, ...(uid ? { uid } : {}), ...(extra ? { extra } : {}) }
  }

export const subjectAccessReview: Handler = (api, request) => review(api, request, subject(request.definition))
export const selfSubjectAccessReview: Handler = (api, request) => review(api, request, () => request.user)
export const localSubjectAccessReview: Handler = (api, request) =>
  review(api, request, subject(request.definition), request.info.namespace)

export const selfSubjectRulesReview: Handler = async (api, request) => {
  const { definition, body, contentType, user } = request
  const object = await readBody(body, contentType, definition)
  const namespace = text(object, 'spec', 'namespace')
  if (namespace === '') throw badRequest('no namespace on request')
  // system:masters are asked by no rule: the original lists the one that allows everything.
  const rules: PolicyRule[] = user.groups.includes('system:masters')
    ? [
        { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
        { verbs: ['*'], nonResourceURLs: ['*'] },
      ]
    : api.rbac.rulesFor(user, namespace)
  const status = {
    resourceRules: rules.filter(rule => rule.resources?.length).map(({ nonResourceURLs: _, ...rule }) => rule),
    nonResourceRules: rules
      .filter(rule => rule.nonResourceURLs?.length)
      .map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs })),
    incomplete: false,
  }
  return {
    code: 201,
    object: {
      ...object,
      metadata: { creationTimestamp: null } as unknown as Unstructured['metadata'],
      spec: {},
      status,
    },
  }
}
