/** update and patch: read, change, write if nobody was faster. */
import { notFound } from '#kubernetes/status.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import type { ResourceDefinition } from '../resources/types.ts'
import { createObject, isDryRun } from './create.ts'
import { readObject } from './field-validation.ts'
import { keyOfRequest } from './keys.ts'
import { trackUpdate } from './managers.ts'
import {
  carryOver,
  check,
  checkVersion,
  countGeneration,
  finalizerErrors,
  matchUrl,
  metadataErrors,
} from './metadata.ts'
import type { Answer, Api, ApiRequest, Handler } from './types.ts'

/** Kinds that PUT creates when they are not there: AllowCreateOnUpdate. */
const createsOnUpdate = new Set(['Lease', 'Event', 'Endpoints'])

/** What a subresource takes of the object that was sent; `undefined`: the whole object, by its strategy. */
export type Take = (object: Unstructured, old: Unstructured, now: Date) => void

export interface Change {
  /** Makes the wanted object of the current one. Called again when somebody was faster. */
  make: (current: Unstructured) => Unstructured | Promise<Unstructured>
  take?: Take
  /** Checks besides the strategy's, for subresources. */
  validate?: (object: Unstructured, old: Unstructured) => void
  subresource?: string
  /** managedFields are already as they should be (apply). */
  managed?: true
}

export const update: Handler = async (api, request) => {
  const { definition } = request
  const object = await readObject(request)
  matchUrl(object, request)
  if (createsOnUpdate.has(definition.kind)) {
    const key = keyOfRequest(definition, request.info)
    if (!(await api.store.get(key))) {
      if (object.metadata.resourceVersion) throw notFound(definition, request.info.name)
      return { code: 201, object: await createObject(api, request, object) }
    }
  }
  return change(api, request, { make: () => structuredClone(object) })
}

class Gone {
  readonly object: Unstructured
  constructor(object: Unstructured) {
    this.object = object
  }
}

/** @returns 200 with the object as it is now */
export async function change(api: Api, request: ApiRequest, options: Change): Promise<Answer> {
  const { definition, info } = request
  const key = keyOfRequest(definition, info)
  const apply = async (current: Unstructured | undefined): Promise<Unstructured> => {
    if (!current) throw notFound(definition, info.name)
    return changed(api, request, options, current)
  }
  if (isDryRun(request.query)) return { code: 200, object: await dryRun(api, key, apply, definition) }
  try {
    const { object } = await api.store.update(
      key,
      apply,
      definition.ttlSeconds ? { ttlSeconds: definition.ttlSeconds } : {},
    )
    return { code: 200, object: definition.conversion ? definition.conversion.fromStored(object) : object }
  } catch (error) {
    if (!(error instanceof Gone)) throw error
    // The last finalizer was taken from what is being deleted.
    const removed = await api.store.remove(key, Number(error.object.metadata.resourceVersion))
    if (removed === undefined) return change(api, request, options)
    error.object.metadata.resourceVersion = String(removed)
    return { code: 200, object: error.object }
  }
}

async function dryRun(
  api: Api,
  key: string,
  apply: (current: Unstructured | undefined) => Promise<Unstructured>,
  { conversion }: ResourceDefinition,
): Promise<Unstructured> {
  const object = await apply(await api.store.read(key)).catch(error => {
    if (error instanceof Gone) return error.object
    throw error
  })
  return conversion ? conversion.fromStored(object) : object
}

/** The stored form of what should be there after the change. */
async function changed(api: Api, request: ApiRequest, options: Change, stored: Unstructured): Promise<Unstructured> {
  const { definition, user, query, warnings, info } = request
  const { strategy, conversion } = definition
  const now = api.clock.now()
  const old = conversion ? conversion.fromStored(stored) : stored
  const object = await options.make(structuredClone(old))
  checkVersion(object, old, definition)
  carryOver(object, old)
  if (options.take) options.take(object, old, now)
  else strategy.update?.(object, old, { now, user })
  strategy.defaults?.(object)
  if (!options.managed) await trackUpdate(object, old, request, now)
  const admission = {
    definition,
    operation: 'UPDATE',
    subresource: options.subresource ?? info.subresource,
    namespace: definition.kind === 'Namespace' ? info.name : info.namespace,
    name: info.name,
    user,
    dryRun: isDryRun(query),
    object,
    old,
    warnings,
  } as const
  await api.admission.mutate(admission)
  if (strategy.generation && !options.take) countGeneration(object, old)
  check(object, definition, [
    ...metadataErrors(object, definition),
    ...finalizerErrors(object, old),
    ...(options.take
      ? []
      : [...(strategy.validate?.(object) ?? []), ...(strategy.validateUpdate?.(object, old) ?? [])]),
  ])
  options.validate?.(object, old)
  await api.admission.validate(admission)
  object.metadata.resourceVersion = old.metadata.resourceVersion!
  if (isDone(object, definition)) throw new Gone(object)
  return conversion ? conversion.toStored(object) : object
}

/** Being deleted, with no finalizer left and no grace period running. */
function isDone({ metadata, spec }: Unstructured, { kind }: ResourceDefinition): boolean {
  if (!metadata.deletionTimestamp || (metadata.finalizers ?? []).length > 0) return false
  if (kind === 'Namespace') return ((spec as { finalizers?: string[] })?.finalizers ?? []).length === 0
  return (metadata.deletionGracePeriodSeconds ?? 0) === 0
}
