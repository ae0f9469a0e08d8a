/** The AdmissionReview that a webhook is asked with. */
import { apiVersionOf } from '../resources/types.ts'
import type { AdmissionRequest } from './types.ts'

export function reviewOf(request: AdmissionRequest, uid: string): unknown {
  const { definition, operation, subresource, namespace, name, user, dryRun, object, old, options } = request
  const { group, version, kind, resource } = definition
  const optionsKind = { CREATE: 'CreateOptions', UPDATE: 'UpdateOptions', DELETE: 'DeleteOptions', CONNECT: '' }[
    operation
  ]
  return {
    kind: 'AdmissionReview',
    apiVersion: 'admission.k8s.io/v1',
    request: {
      uid,
      kind: { group, version, kind },
      resource: { group, version, resource },
      ...(subresource ? { subResource: subresource } : {}),
      requestKind: { group, version, kind },
      requestResource: { group, version, resource },
      ...(subresource ? { requestSubResource: subresource } : {}),
      ...(name ? { name } : {}),
      ...(namespace ? { namespace } : {}),
      operation,
      userInfo: user,
      object: object ? { ...object, kind, apiVersion: apiVersionOf(definition) } : null,
      oldObject: old ?? null,
      dryRun,
      options: optionsKind ? { kind: optionsKind, apiVersion: 'meta.k8s.io/v1', ...options } : null,
    },
  }
}
