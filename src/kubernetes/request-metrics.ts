/** apiserver_request_total's labels. */
import type { RequestInfo } from './attributes.ts'

const verbs: Record<string, string> = { update: 'PUT', create: 'POST' }

export function requestLabels(
  info: RequestInfo | undefined,
  method: string,
  status: number,
  component: string,
): Record<string, string> {
  const resource = info?.isResourceRequest ? info : undefined
  return {
    verb: resource ? (verbs[resource.verb] ?? resource.verb.toUpperCase()) : method,
    dry_run: '',
    group: resource?.apiGroup ?? '',
    version: resource?.apiVersion ?? '',
    resource: resource?.resource ?? '',
    subresource: resource?.subresource ?? '',
    scope: resource ? scopeOf(resource) : '',
    component,
    code: String(status),
  }
}

/** metrics.CleanScope. */
function scopeOf({ name, verb, namespace }: RequestInfo): string {
  if (name !== '' || verb === 'create') return 'resource'
  return namespace === '' ? 'cluster' : 'namespace'
}
