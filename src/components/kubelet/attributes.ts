/** What a request to the kubelet asks for, as kube-apiserver is asked about it: pkg/kubelet/server/auth.go. */
import type { Attributes, RequestInfo } from '#kubernetes/attributes.ts'
import type { UserInfo } from '#kubernetes/types.ts'

const verbs: Record<string, string> = { POST: 'create', GET: 'get', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }

/** In order; a path belongs to the first that it is or is below. The last of each was the only one before KEP-2862. */
const subresources: readonly { path: string; subresources: readonly string[] }[] = [
  { path: '/stats', subresources: ['stats'] },
  { path: '/metrics', subresources: ['metrics'] },
  { path: '/logs', subresources: ['log'] },
  { path: '/checkpoint', subresources: ['checkpoint'] },
  { path: '/pods', subresources: ['pods', 'proxy'] },
  { path: '/runningpods', subresources: ['pods', 'proxy'] },
  { path: '/healthz', subresources: ['healthz', 'proxy'] },
  { path: '/configz', subresources: ['configz', 'proxy'] },
]

export function kubeletAttributes(nodeName: string) {
  return (user: UserInfo, info: RequestInfo, request: { method?: string | undefined }): readonly Attributes[] => {
    const { path } = info
    const row = subresources.find(one => path === one.path || path.startsWith(`${one.path}/`))
    return (row?.subresources ?? ['proxy']).map(subresource => ({
      ...info,
      user,
      isResourceRequest: true,
      verb: verbs[request.method ?? ''] ?? '',
      apiPrefix: 'api',
      apiGroup: '',
      apiVersion: 'v1',
      namespace: '',
      resource: 'nodes',
      subresource,
      name: nodeName,
    }))
  }
}
