/** Where a service is, for calls that the apiserver makes itself: webhooks and aggregated APIs. */
import type { Unstructured } from '#kubernetes/types.ts'
import { array, number, text } from '../columns/values.ts'
import { resourceOf } from '../resources/table.ts'
import type { Store } from '../storage/store.ts'
import { keyFor } from '../verbs/keys.ts'

export interface ServiceReference {
  namespace: string
  name: string
  port: number
}

export interface Address {
  host: string
  port: number
}

/** A service that cannot be used; `reason` is that of the APIService's condition. */
export class ServiceProblem extends Error {
  readonly reason: string

  constructor(reason: string, message: string) {
    super(message)
    this.reason = reason
  }
}

/**
 * An ExternalName service is the name it has. Others are their endpoints, as with --enable-aggregator-routing: there is no network behind a cluster IP here.
 * @throws ServiceProblem in the words of kube-aggregator's availability controller
 */
export async function resolveService(store: Store, { namespace, name, port }: ServiceReference): Promise<Address> {
  const read = (resource: string) => store.read(keyFor(resourceOf('', resource), namespace, name))
  const service = await read('services')
  if (!service)
    throw new ServiceProblem('ServiceNotFound', `service/${name} in ${JSON.stringify(namespace)} is not present`)
  if (text(service, 'spec', 'type') === 'ExternalName') return { host: text(service, 'spec', 'externalName'), port }
  const listed = array(service, 'spec', 'ports').find(p => p.port === port)
  if (!listed)
    throw new ServiceProblem(
      'ServicePortError',
      `service/${name} in ${JSON.stringify(namespace)} is not listening on port ${port}`,
    )
  const endpoints = await read('endpoints')
  if (!endpoints)
    throw new ServiceProblem(
      'EndpointsNotFound',
      `cannot find endpoints for service/${name} in ${JSON.stringify(namespace)}`,
    )
  const found = firstAddress(endpoints, text(listed, 'name'))
  if (!found)
    throw new ServiceProblem(
      'MissingEndpoints',
      `endpoints for service/${name} in ${JSON.stringify(namespace)} have no addresses with port name ${JSON.stringify(text(listed, 'name'))}`,
    )
  return found
}

function firstAddress(endpoints: Unstructured, portName: string): Address | undefined {
  for (const subset of array(endpoints, 'subsets')) {
    const port = array(subset, 'ports').find(p => text(p, 'name') === portName)
    const host = text(array(subset, 'addresses')[0], 'ip')
    if (port && host) return { host, port: number(port, 'port') }
  }
  return undefined
}
