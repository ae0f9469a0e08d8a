/** get and list: one etcd range each, handed on without parsing when nobody needs to look inside. */
import { badRequest, notFound, tooLargeResourceVersion } from '#kubernetes/status.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import { apiVersionOf, type ResourceDefinition } from '../resources/types.ts'
import { decode, headOf, splice } from '../storage/codec.ts'
import type { KeyValue } from '../storage/etcd.ts'
import { keyFor, keyOfRequest, prefixFor } from './keys.ts'
import { negotiate } from './negotiate.ts'
import { type Selection, selectionOf } from './selectors.ts'
import type { Answer, Api, ApiRequest, Handler } from './types.ts'

const heads = new WeakMap<ResourceDefinition, Buffer>()

/** How the stored JSON of the resource begins. */
function storedHead(definition: ResourceDefinition): Buffer {
  let head = heads.get(definition)
  if (!head) {
    head = headOf({ kind: definition.kind, apiVersion: apiVersionOf(definition) })
    heads.set(definition, head)
  }
  return head
}

/** As the resource's own version shows it. */
export function shown(definition: ResourceDefinition, kv: { value: Buffer; modRevision: number }): Unstructured {
  const object = decode(kv.value, kv.modRevision)
  return definition.conversion ? definition.conversion.fromStored(object) : object
}

export const get: Handler = async ({ store }, { definition, info, accept }) => {
  const found = await store.get(keyOfRequest(definition, info))
  if (!found) throw notFound(definition, info.name)
  const { as, format } = negotiate(accept)
  if (as === undefined && format === 'json' && !definition.conversion)
    return { code: 200, json: splice(found.value, storedHead(definition), found.modRevision, '\n') }
  return { code: 200, object: shown(definition, found) }
}

interface Page {
  kvs: KeyValue[]
  revision: number
  next?: string
  remaining?: number
}

/** Pages through etcd until `limit` objects match. */
async function page(api: Api, request: ApiRequest, selection: Selection, at: ListPoint): Promise<Page> {
  const { definition, info } = request
  const prefix = prefixFor(definition, info.namespace)
  const kvs: KeyValue[] = []
  let { from, revision } = at
  for (;;) {
    const answer = await api.store.list({
      prefix,
      ...(at.limit ? { limit: at.limit } : {}),
      ...(from ? { from } : {}),
      ...(revision ? { revision } : {}),
    })
    revision ??= answer.revision
    for (const kv of answer.kvs) {
      if (selection.matches && !selection.matches(shown(definition, kv))) continue
      if (at.limit && kvs.length === at.limit) return { kvs, revision, next: kv.key }
      kvs.push(kv)
    }
    if (!answer.more) return { kvs, revision }
    from = `${answer.kvs.at(-1)!.key}\0`
    if (kvs.length === at.limit) {
      return {
        kvs,
        revision,
        next: from,
        ...(selection.matches ? {} : { remaining: answer.count - answer.kvs.length }),
      }
    }
  }
}

interface ListPoint {
  limit?: number
  from?: string
  revision?: number
}

/** `{"v":"meta.k8s.io/v1","rv":10,"start":"ns/name\u0000"}`, base64: the original's tokens. */
function decodeContinue(token: string, prefix: string): ListPoint {
  try {
    const { v, rv, start } = JSON.parse(Buffer.from(token, 'base64url').toString('utf8')) as Record<string, unknown>
    if (v === 'meta.k8s.io/v1' && typeof rv === 'number' && typeof start === 'string')
      return { from: prefix + start, ...(rv > 0 ? { revision: rv } : {}) }
  } catch {
    // said below
  }
  throw badRequest('continue key is not valid: illegal base64 data or unknown format')
}

const encodeContinue = (revision: number, key: string, prefix: string) =>
  Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: revision, start: key.slice(prefix.length) })).toString(
    'base64url',
  )

/** What resourceVersion, resourceVersionMatch, limit and continue ask for. */
async function pointOf(api: Api, { definition, info, query }: ApiRequest): Promise<ListPoint> {
  const limit = wholeNumber(query.get('limit') ?? '0')
  const token = query.get('continue')
  const asked = query.get('resourceVersion') ?? ''
  const match = query.get('resourceVersionMatch')
  const limited = limit > 0 ? { limit } : {}
  if (token) {
    if (asked !== '' && asked !== '0')
      throw badRequest('specifying resource version is not allowed when using continue')
    return { ...limited, ...decodeContinue(token, prefixFor(definition, info.namespace)) }
  }
  if (asked === '' || asked === '0') {
    if (match === 'Exact') throw badRequest('resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
    return limited
  }
  const revision = Number(asked)
  if (!Number.isSafeInteger(revision) || revision < 0)
    throw badRequest(
      `Invalid value: ${JSON.stringify(asked)}: strconv.ParseUint: parsing ${JSON.stringify(asked)}: invalid syntax`,
    )
  if (match === 'Exact') return { ...limited, revision }
  if (revision > api.store.hub.revision) {
    const { revision: current } = await api.store.etcd.range({ key: '/registry/health' })
    if (revision > current) throw tooLargeResourceVersion(revision, current)
  }
  return limited
}

function wholeNumber(text: string): number {
  if (/^\d+$/.test(text)) return Number(text)
  throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`)
}

export const list: Handler = async (api, request): Promise<Answer> => {
  const { definition, info, query, accept } = request
  const selection = selectionOf(definition, query)
  const point = await pointOf(api, request)
  const found = await (selection.name !== undefined && (info.namespace !== '' || !definition.namespaced)
    ? one(api, request, selection)
    : page(api, request, selection, point))
  const metadata: Record<string, unknown> = { resourceVersion: String(found.revision) }
  if (found.next) {
    metadata.continue = encodeContinue(found.revision, found.next, prefixFor(definition, info.namespace))
    if (found.remaining !== undefined) metadata.remainingItemCount = found.remaining
  }
  const kind = `${definition.kind}List`
  const apiVersion = apiVersionOf(definition)
  const { as, format } = negotiate(accept)
  if (as === undefined && format === 'json' && !definition.conversion) {
    const head = storedHead(definition)
    const parts: Buffer[] = [
      Buffer.from(`{"kind":"${kind}","apiVersion":"${apiVersion}","metadata":${JSON.stringify(metadata)},"items":[`),
    ]
    for (const [i, kv] of found.kvs.entries()) {
      if (i > 0) parts.push(comma)
      parts.push(splice(kv.value, head, kv.modRevision))
    }
    parts.push(end)
    return { code: 200, json: Buffer.concat(parts) }
  }
  return {
    code: 200,
    object: {
      kind,
      apiVersion,
      metadata,
      items: found.kvs.map(kv => shown(definition, kv)),
    } as unknown as Unstructured,
  }
}

const comma = Buffer.from(',')
const end = Buffer.from(']}\n')

/** A list of at most the one that `metadata.name=` names. */
async function one(api: Api, { definition, info }: ApiRequest, selection: Selection): Promise<Page> {
  const { kvs, revision } = await api.store.etcd.range({ key: keyFor(definition, info.namespace, selection.name!) })
  return { kvs: kvs.filter(kv => selection.matches!(shown(definition, kv))), revision }
}
