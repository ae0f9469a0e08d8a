/** What a request asks for, from method and path alone: apiserver's RequestInfo and authorizer.Attributes. */
import { quote } from './go.ts'
import { badRequest, forbidden, type StatusError } from './status.ts'
import type { ResourceAttributes, UserInfo } from './types.ts'

export interface RequestInfo {
  isResourceRequest: boolean
  /** Decoded, without query. */
  path: string
  /** get, list, watch, create, update, patch, delete, deletecollection; for other paths the method in lower case. */
  verb: string
  /** `api`, `apis`, or ''. */
  apiPrefix: string
  apiGroup: string
  apiVersion: string
  namespace: string
  resource: string
  subresource: string
  name: string
  /** Path segments from the resource on. */
  parts: readonly string[]
  /** As in the query; only of list, watch and deletecollection. */
  fieldSelector?: string
  labelSelector?: string
}

export interface Attributes extends RequestInfo {
  user: UserInfo
}

const verbs: Record<string, string> = {
  POST: 'create',
  GET: 'get',
  HEAD: 'get',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
}

const none = {
  apiPrefix: '',
  apiGroup: '',
  apiVersion: '',
  namespace: '',
  resource: '',
  subresource: '',
  name: '',
  parts: [] as readonly string[],
}

/**
 * RequestInfoFactory.NewRequestInfo.
 * @param url path with query, as on the wire
 * @throws StatusError 400 for a path that cannot be decoded
 */
export function requestInfo(method: string, url: string): RequestInfo {
  const mark = url.indexOf('?')
  const query = mark === -1 ? '' : url.slice(mark + 1)
  let path = mark === -1 ? url : url.slice(0, mark)
  if (path.includes('%')) {
    try {
      path = decodeURIComponent(path)
    } catch {
      throw badRequest(`invalid URL escape in ${quote(path)}`)
    }
  }
  let parts = path.split('/').filter(part => part !== '')
  const other = (): RequestInfo => ({ ...none, isResourceRequest: false, path, verb: method.toLowerCase() })
  if (parts.length < 3) return other()
  const apiPrefix = parts[0]!
  if (apiPrefix !== 'api' && apiPrefix !== 'apis') return other()
  parts = parts.slice(1)
  let apiGroup = ''
  if (apiPrefix === 'apis') {
    if (parts.length < 3) return { ...other(), apiPrefix }
    apiGroup = parts[0]!
    parts = parts.slice(1)
  }
  const apiVersion = parts[0]!
  parts = parts.slice(1)
  let verb = verbs[method] ?? ''
  if (parts[0] === 'proxy' || parts[0] === 'watch') {
    if (parts.length < 2) throw badRequest(`unable to determine kind and namespace from url, ${path}`)
    verb = parts[0]
    parts = parts.slice(1)
  }
  let namespace = ''
  if (parts[0] === 'namespaces' && parts.length > 1) {
    namespace = parts[1]!
    // `…/namespaces/x/status` and `/finalize` are of the namespace itself.
    if (parts.length > 2 && parts[2] !== 'status' && parts[2] !== 'finalize') parts = parts.slice(2)
  }
  const info: RequestInfo = {
    isResourceRequest: true,
    path,
    verb,
    apiPrefix,
    apiGroup,
    apiVersion,
    namespace,
    resource: parts[0] ?? '',
    subresource: verb === 'proxy' ? '' : (parts[2] ?? ''),
    name: parts[1] ?? '',
    parts,
  }
  if (info.name !== '' && query === '') return info
  if (info.name === '' && verb === 'get') {
    info.verb = 'list'
    if (query !== '') {
      const search = new URLSearchParams(query)
      const watch = search.get('watch')
      if (watch !== null && watch !== 'false' && watch !== '0') info.verb = 'watch'
      selectors(info, search)
    }
  } else if (info.name === '' && verb === 'delete') {
    info.verb = 'deletecollection'
    if (query !== '') selectors(info, new URLSearchParams(query))
  } else if (info.name === '' && verb === 'watch' && query !== '') {
    selectors(info, new URLSearchParams(query))
  }
  return info
}

function selectors(info: RequestInfo, search: URLSearchParams): void {
  const field = search.get('fieldSelector')
  const label = search.get('labelSelector')
  if (label) info.labelSelector = label
  if (!field) return
  info.fieldSelector = field
  // A list or watch of one object by name is asked for with that name.
  for (const requirement of field.split(',')) {
    const match = /^metadata\.name==?([^=!]+)$/.exec(requirement.trim())
    if (match) info.name = match[1]!
  }
}

export const attributesOf = (user: UserInfo, info: RequestInfo): Attributes => ({ ...info, user })

/** The attributes that an access review is about. */
export function reviewAttributes(
  user: UserInfo,
  spec: { resourceAttributes?: ResourceAttributes; nonResourceAttributes?: { path?: string; verb?: string } },
): Attributes {
  const { resourceAttributes: r, nonResourceAttributes: n } = spec
  return {
    ...none,
    user,
    isResourceRequest: r !== undefined,
    path: n?.path ?? '',
    verb: r?.verb ?? n?.verb ?? '',
    apiGroup: r?.group ?? '',
    apiVersion: r?.version ?? '',
    namespace: r?.namespace ?? '',
    resource: r?.resource ?? '',
    subresource: r?.subresource ?? '',
    name: r?.name ?? '',
  }
}

const escapes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }

/** `User "bob" cannot list resource "pods" in API group "" in the namespace "default"`. */
function forbiddenSentence(a: Attributes): string {
  const who = `User ${quote(a.user.username)} cannot ${a.verb}`
  const sentence = a.isResourceRequest
    ? `${who} resource ${quote(a.subresource ? `${a.resource}/${a.subresource}` : a.resource)} in API group ${quote(a.apiGroup)} ${
        a.namespace ? `in the namespace ${quote(a.namespace)}` : 'at the cluster scope'
      }`
    : `${who} path ${quote(a.path)}`
  return sentence.replace(/[&<>]/g, char => escapes[char]!)
}

/** responsewriters.Forbidden: the 403 for `attributes`; `reason` is the authorizers'. */
export function forbiddenFor(attributes: Attributes, reason = ''): StatusError {
  const { isResourceRequest, apiGroup, resource, name } = attributes
  const sentence = forbiddenSentence(attributes)
  return forbidden(
    isResourceRequest ? { group: apiGroup, resource } : { group: '', resource: '' },
    isResourceRequest ? name : '',
    reason ? `${sentence}: ${reason}` : sentence,
  )
}
