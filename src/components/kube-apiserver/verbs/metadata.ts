/** What every write does to `metadata`: rest.BeforeCreate, rest.BeforeUpdate and their checks. */
import { randomBytes, randomUUID } from 'node:crypto'
import type { RequestInfo } from '#kubernetes/attributes.ts'
import { badRequest, conflict, type FieldError, invalid } from '#kubernetes/status.ts'
import { time } from '#kubernetes/time.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import { labelErrors, nameErrors } from '../resources/names.ts'
import { sorted } from '../resources/strategies/pods.ts'
import type { ResourceDefinition } from '../resources/types.ts'

/** Without vowels and what looks like them: apimachinery's rand. */
const alphabet = 'bcdfghjklmnpqrstvwxz2456789'
export const randomSuffix = (length = 5) =>
  Array.from(randomBytes(length), byte => alphabet[byte % alphabet.length]).join('')

/** Namespace and name of the body against those of the URL. */
export function matchUrl(
  object: Unstructured,
  { definition, info }: { definition: ResourceDefinition; info: RequestInfo },
): void {
  const { metadata } = object
  if (definition.namespaced) {
    if (!metadata.namespace) metadata.namespace = info.namespace
    else if (metadata.namespace !== info.namespace)
      throw badRequest('the namespace of the provided object does not match the namespace sent on the request')
  } else if (metadata.namespace) throw badRequest('namespace is not allowed on this type')
  if (info.name === '') return
  if (!metadata.name) metadata.name = info.name
  else if (metadata.name !== info.name)
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${info.name})`)
}

export function prepareNew(object: Unstructured, definition: ResourceDefinition, now: Date): void {
  const { metadata } = object
  if (!metadata.name && metadata.generateName) metadata.name = metadata.generateName + randomSuffix()
  delete metadata.resourceVersion
  delete metadata.deletionTimestamp
  delete metadata.deletionGracePeriodSeconds
  delete (metadata as Record<string, unknown>).selfLink
  metadata.uid = randomUUID()
  metadata.creationTimestamp = time(now)
  if (definition.strategy.generation) metadata.generation = 1
  else delete metadata.generation
}

export function metadataErrors(object: Unstructured, definition: ResourceDefinition): FieldError[] {
  const { metadata } = object
  const errors: FieldError[] = []
  if (!metadata.name)
    errors.push({ type: 'required', field: 'metadata.name', detail: 'name or generateName is required' })
  else errors.push(...nameErrors(metadata.name, definition.strategy.name))
  errors.push(...labelErrors(metadata.labels))
  return errors
}

/** @throws StatusError 422 */
export function check(object: Unstructured, definition: ResourceDefinition, errors: readonly FieldError[]): void {
  if (errors.length > 0) throw invalid(definition, object.metadata.name ?? '', errors)
}

/** Preconditions in the object itself: its resourceVersion and uid, when it names them. */
export function checkVersion(object: Unstructured, old: Unstructured, definition: ResourceDefinition): void {
  const { resourceVersion, uid } = object.metadata
  if (uid && uid !== old.metadata.uid)
    throw conflict(
      definition,
      old.metadata.name!,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata.uid}`,
    )
  if (resourceVersion && resourceVersion !== '0' && resourceVersion !== old.metadata.resourceVersion)
    throw conflict(definition, old.metadata.name!)
}

/** What an update cannot change comes from the object that is there. */
export function carryOver(object: Unstructured, old: Unstructured): void {
  const { metadata } = object
  for (const field of [
    'uid',
    'creationTimestamp',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
    'generation',
  ] as const) {
    if (old.metadata[field] === undefined) delete metadata[field]
    else Object.assign(metadata, { [field]: old.metadata[field] })
  }
  if (metadata.managedFields === undefined && old.metadata.managedFields)
    metadata.managedFields = old.metadata.managedFields
  if (metadata.generateName === undefined && old.metadata.generateName)
    metadata.generateName = old.metadata.generateName
  delete (metadata as Record<string, unknown>).selfLink
}

/** No finalizer may be added to what is being deleted. */
export function finalizerErrors(object: Unstructured, old: Unstructured): FieldError[] {
  if (!old.metadata.deletionTimestamp) return []
  const added = (object.metadata.finalizers ?? []).filter(f => !(old.metadata.finalizers ?? []).includes(f))
  return added.length === 0
    ? []
    : [
        {
          type: 'forbidden',
          field: 'metadata.finalizers',
          detail: `no new finalizers can be added if the object is being deleted, found new finalizers []string{${added.map(f => JSON.stringify(f)).join(', ')}}`,
        },
      ]
}

/** One more when anything but metadata and status differs. */
export function countGeneration(object: Unstructured, old: Unstructured): void {
  const body = ({ metadata: _, status: __, ...rest }: Unstructured) => JSON.stringify(sorted(rest))
  if (body(object) !== body(old)) object.metadata.generation = (old.metadata.generation ?? 0) + 1
}
