/** Where a pod's container is: registry/core/pod's LogLocation and streamLocation. */
import { badRequest, notFound } from '#kubernetes/status.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import { array, text } from '../columns/values.ts'
import { resourceOf } from '../resources/table.ts'
import type { Store } from '../storage/store.ts'
import { keyFor } from '../verbs/keys.ts'

export async function podOf(store: Store, namespace: string, name: string): Promise<Unstructured> {
  const definition = resourceOf('', 'pods')
  const pod = await store.read(keyFor(definition, namespace, name))
  if (!pod) throw notFound(definition, name)
  return pod
}

/** The container that is asked for, or the only one. @throws StatusError 400 */
export function containerOf(pod: Unstructured, asked: string): string {
  const names = (field: string) => array(pod, 'spec', field).map(container => text(container, 'name'))
  const [containers, init, ephemeral] = [names('containers'), names('initContainers'), names('ephemeralContainers')]
  const { name } = pod.metadata
  if (asked !== '') {
    if ([...containers, ...init, ...ephemeral].includes(asked)) return asked
    throw badRequest(`container ${asked} is not valid for pod ${name}`)
  }
  if (containers.length === 1) return containers[0]!
  if (containers.length === 0) throw badRequest(`a container name must be specified for pod ${name}`)
  const choices = [
    `[${containers.join(' ')}]`,
    ...(init.length > 0 ? [` or one of the init containers: [${init.join(' ')}]`] : []),
  ]
  throw badRequest(`a container name must be specified for pod ${name}, choose one of: ${choices.join('')}`)
}
