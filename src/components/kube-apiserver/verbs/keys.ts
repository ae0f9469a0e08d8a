/** Where an object is in etcd. */
import type { RequestInfo } from '#kubernetes/attributes.ts'
import { badRequest } from '#kubernetes/status.ts'
import type { ResourceDefinition } from '../resources/types.ts'

export function keyFor(definition: ResourceDefinition, namespace: string, name: string): string {
  return definition.namespaced ? `${definition.registry}/${namespace}/${name}` : `${definition.registry}/${name}`
}

/** The prefix of a namespace's objects, or of all. */
export const prefixFor = (definition: ResourceDefinition, namespace: string) =>
  definition.namespaced && namespace !== '' ? `${definition.registry}/${namespace}/` : `${definition.registry}/`

/** @throws StatusError 400 when a namespaced resource is named without one */
export function keyOfRequest(definition: ResourceDefinition, { namespace, name }: RequestInfo): string {
  if (definition.namespaced && namespace === '')
    throw badRequest('an empty namespace may not be set when a resource name is provided')
  return keyFor(definition, namespace, name)
}
