/** delete and deletecollection: rest.Delete, grace periods and finalizers. */
import { conflict, notFound, success } from '#kubernetes/status.ts'
import { time } from '#kubernetes/time.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import { array, at, text } from '../columns/values.ts'
import { apiVersionOf, type ResourceDefinition } from '../resources/types.ts'
import { mediaType, readBody } from './body.ts'
import { isDryRun } from './create.ts'
import { keyOfRequest } from './keys.ts'
import { list, shown } from './read.ts'
import { selectionOf } from './selectors.ts'
import type { Answer, Api, ApiRequest, Handler } from './types.ts'

export interface DeleteOptions {
  gracePeriodSeconds?: number
  propagationPolicy?: 'Orphan' | 'Background' | 'Foreground'
  orphanDependents?: boolean
  preconditions?: { uid?: string; resourceVersion?: string }
  dryRun?: string[]
}

/** Kinds whose delete answers with the object: ReturnDeletedObject. */
const answersWithObject = new Set(['Pod', 'Service', 'ServiceAccount'])

/** In the body, or in the query when there is none. */
async function deleteOptions({ body, contentType, query }: ApiRequest): Promise<DeleteOptions> {
  if (body.length > 0) {
    // Its apiVersion is v1, meta.k8s.io/v1 or that of the resource's group; all are alike.
    const kind = { kind: 'DeleteOptions', group: '', version: 'v1' }
    if (mediaType(contentType) !== 'application/json')
      return (await readBody(body, contentType, kind)) as unknown as DeleteOptions
    return (await readBody(withoutVersion(body), contentType, kind)) as unknown as DeleteOptions
  }
  const seconds = query.get('gracePeriodSeconds')
  const policy = query.get('propagationPolicy') as DeleteOptions['propagationPolicy'] | null
  return {
    ...(seconds ? { gracePeriodSeconds: Number(seconds) } : {}),
    ...(policy ? { propagationPolicy: policy } : {}),
  }
}

/** What is no JSON is left to `readBody` to complain of. */
function withoutVersion(body: Buffer): Buffer {
  try {
    const { apiVersion: _, ...rest } = JSON.parse(body.toString('utf8')) as Record<string, unknown>
    return Buffer.from(JSON.stringify(rest))
  } catch {
    return body
  }
}

export const remove: Handler = async (api, request): Promise<Answer> => {
  const options = await deleteOptions(request)
  const { object, gone } = await deleteObject(api, request, options)
  const { definition } = request
  if (!gone || answersWithObject.has(definition.kind)) return { code: 200, object }
  const { name, uid } = object.metadata
  return {
    code: 200,
    object: success({
      name: name!,
      ...(definition.group ? { group: definition.group } : {}),
      kind: definition.resource,
      uid: uid!,
    }) as unknown as Unstructured,
  }
}

export async function deleteObject(
  api: Api,
  request: ApiRequest,
  options: DeleteOptions,
): Promise<{ object: Unstructured; gone: boolean }> {
  const { definition, info, user, query, warnings } = request
  const key = keyOfRequest(definition, info)
  const dryRun = isDryRun(query) || options.dryRun?.includes('All') === true
  for (;;) {
    const found = await api.store.get(key)
    if (!found) throw notFound(definition, info.name)
    const object = shown(definition, found)
    checkPreconditions(object, options, definition)
    await api.admission.validate({
      definition,
      operation: 'DELETE',
      subresource: '',
      namespace: definition.kind === 'Namespace' ? info.name : info.namespace,
      name: info.name,
      user,
      dryRun,
      old: object,
      options: options as Record<string, unknown>,
      warnings,
    })
    const waiting = pendingDeletion(object, options, definition, api.clock.now())
    if (dryRun) return { object: waiting ?? object, gone: !waiting }
    if (!waiting) {
      const revision = await api.store.remove(key, found.modRevision)
      if (revision === undefined) continue
      object.metadata.resourceVersion = String(revision)
      return { object, gone: true }
    }
    if (waiting === object) return { object, gone: false }
    const { object: written } = await api.store.update(key, current => {
      if (!current) throw notFound(definition, info.name)
      const next = definition.conversion ? definition.conversion.fromStored(current) : current
      const wanted = pendingDeletion(next, options, definition, api.clock.now()) ?? next
      return definition.conversion ? definition.conversion.toStored(wanted) : wanted
    })
    return { object: written, gone: false }
  }
}

function checkPreconditions(
  object: Unstructured,
  { preconditions }: DeleteOptions,
  definition: ResourceDefinition,
): void {
  const { uid, resourceVersion, name } = object.metadata
  if (preconditions?.uid && preconditions.uid !== uid)
    throw conflict(
      definition,
      name!,
      `Precondition failed: UID in precondition: ${preconditions.uid}, UID in object meta: ${uid}`,
    )
  if (preconditions?.resourceVersion && preconditions.resourceVersion !== resourceVersion)
    throw conflict(
      definition,
      name!,
      `Precondition failed: ResourceVersion in precondition: ${preconditions.resourceVersion}, ResourceVersion in object meta: ${resourceVersion}`,
    )
}

/** The object marked as being deleted, when something is to be waited for; the same object when it is marked so already; else undefined. */
function pendingDeletion(
  object: Unstructured,
  options: DeleteOptions,
  definition: ResourceDefinition,
  now: Date,
): Unstructured | undefined {
  const { metadata } = object
  const seconds = gracePeriod(object, options, definition)
  const finalizers = withPropagation(metadata.finalizers ?? [], options)
  const isNamespace = definition.kind === 'Namespace' && array(object, 'spec', 'finalizers').length > 0
  if (seconds === 0 && finalizers.length === 0 && !isNamespace) return undefined
  const already = metadata.deletionTimestamp !== undefined
  if (
    already &&
    (metadata.deletionGracePeriodSeconds ?? 0) <= seconds &&
    finalizers.length === (metadata.finalizers ?? []).length
  )
    return object
  const marked: Unstructured = {
    ...object,
    metadata: {
      ...metadata,
      deletionTimestamp: time(new Date(now.getTime() + seconds * 1000)),
      deletionGracePeriodSeconds: seconds,
      ...(finalizers.length > 0 ? { finalizers } : {}),
      ...(metadata.generation === undefined ? {} : { generation: metadata.generation + 1 }),
    },
  }
  if (isNamespace) marked.status = { ...(object.status as object), phase: 'Terminating' }
  return marked
}

/** Seconds that a pod is given; 0 for everything else, for pods without a node and for those that are done. */
function gracePeriod(object: Unstructured, options: DeleteOptions, { strategy }: ResourceDefinition): number {
  if (!strategy.gracePeriodSeconds) return 0
  const phase = text(object, 'status', 'phase')
  if (text(object, 'spec', 'nodeName') === '' || phase === 'Failed' || phase === 'Succeeded') return 0
  const wanted = options.gracePeriodSeconds ?? strategy.gracePeriodSeconds(object)
  return wanted < 0 ? 1 : wanted
}

/** Dependents are the garbage collector's; these finalizers tell it what to do. */
function withPropagation(
  finalizers: readonly string[],
  { propagationPolicy, orphanDependents }: DeleteOptions,
): string[] {
  const kept = finalizers.filter(f => f !== 'orphan' && f !== 'foregroundDeletion')
  if (propagationPolicy === 'Orphan' || orphanDependents === true) return [...kept, 'orphan']
  if (propagationPolicy === 'Foreground') return [...kept, 'foregroundDeletion']
  return propagationPolicy === 'Background' ? kept : [...finalizers]
}

/** Everything that the selectors match. */
export const deleteCollection: Handler = async (api, request): Promise<Answer> => {
  const { definition } = request
  const options = await deleteOptions(request)
  selectionOf(definition, request.query)
  const answer = await list(api, { ...request, accept: 'application/json' })
  const found = JSON.parse(
    'json' in answer ? answer.json.toString('utf8') : JSON.stringify('object' in answer ? answer.object : {}),
  ) as Unstructured
  for (const item of array(found, 'items') as unknown as Unstructured[]) {
    const { name = '', namespace = '' } = item.metadata
    try {
      await deleteObject(api, { ...request, info: { ...request.info, name, namespace } }, options)
    } catch (error) {
      if (at(error, 'code') !== 404) throw error
    }
  }
  return { code: 200, object: { ...found, apiVersion: apiVersionOf(definition) } }
}
