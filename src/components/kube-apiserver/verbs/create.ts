/** create: rest.Create. */
import { alreadyExists, badRequest, conflict } from '#kubernetes/status.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import { readObject } from './field-validation.ts'
import { keyFor } from './keys.ts'
import { trackUpdate } from './managers.ts'
import { check, matchUrl, metadataErrors, prepareNew } from './metadata.ts'
import type { Api, ApiRequest, Handler } from './types.ts'

export const isDryRun = (query: URLSearchParams) => query.getAll('dryRun').includes('All')

export const create: Handler = async (api, request) => {
  const object = await readObject(request)
  matchUrl(object, request)
  if (object.metadata.resourceVersion) throw badRequest('resourceVersion should not be set on objects to be created')
  await trackUpdate(object, undefined, request, api.clock.now())
  const stored = await createObject(api, request, object)
  return { code: 201, object: stored }
}

/** From defaults to etcd; `object` is changed on the way. @returns what was stored */
export async function createObject(api: Api, request: ApiRequest, object: Unstructured): Promise<Unstructured> {
  const { definition, info, user, query, warnings } = request
  const { strategy } = definition
  const now = api.clock.now()
  strategy.defaults?.(object)
  if (!object.metadata.name && !object.metadata.generateName)
    check(object, definition, metadataErrors(object, definition))
  const dryRun = isDryRun(query)
  const namespace = definition.namespaced ? (object.metadata.namespace ?? info.namespace) : ''
  const generated = !object.metadata.name
  prepareNew(object, definition, now)
  const admission = {
    definition,
    operation: 'CREATE',
    subresource: '',
    namespace: definition.kind === 'Namespace' ? object.metadata.name! : namespace,
    name: object.metadata.name!,
    user,
    dryRun,
    object,
    warnings,
  } as const
  await api.admission.mutate(admission)
  strategy.defaults?.(object)
  strategy.create?.(object, { now, user })
  check(object, definition, [...metadataErrors(object, definition), ...(strategy.validate?.(object) ?? [])])
  await api.admission.validate(admission)
  if (dryRun) return object
  const { conversion, ttlSeconds } = definition
  const stored = await api.store.create(
    keyFor(definition, namespace, object.metadata.name!),
    conversion ? conversion.toStored(object) : object,
    ttlSeconds,
  )
  if (!stored) {
    if (generated) throw conflict(definition, object.metadata.name!, 'the generated name is taken, please try again')
    throw alreadyExists(definition, object.metadata.name!)
  }
  return conversion ? conversion.fromStored(stored) : stored
}
