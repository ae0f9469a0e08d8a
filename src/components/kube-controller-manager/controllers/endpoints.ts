/** endpoint-controller and endpointslice-controller: the ready pods behind each service (pkg/controller/endpoint, endpointslice). */
import { keyOf, resources } from '#kubernetes/resources.ts'
import { isAlreadyExists, isConflict, isNotFound } from '#kubernetes/status.ts'
import type { EndpointSlice, Endpoints, Pod, Service } from '#kubernetes/types.ts'
import { WorkQueue } from '../../work-queue.ts'
import type { Controller, ControllerContext } from './controller.ts'
import { isReady } from './pods.ts'

const serviceLabel = 'kubernetes.io/service-name'
const managedByLabel = 'endpointslice.kubernetes.io/managed-by'
const managedBy = 'endpointslice-controller.k8s.io'

const ready = (pod: Pod) => isReady(pod) && !pod.metadata.deletionTimestamp

function selects(service: Service, pod: Pod): boolean {
  const selector = Object.entries(service.spec?.selector ?? {})
  return (
    selector.length > 0 &&
    pod.metadata.namespace === service.metadata.namespace &&
    selector.every(([key, value]) => pod.metadata.labels?.[key] === value)
  )
}

/** podutil.FindPort: a number, or the name of a container's port. */
function portOf(target: number | string | undefined, fallback: number, pod: Pod): number | undefined {
  if (target === undefined || target === 0 || target === '') return fallback
  if (typeof target === 'number') return target
  return pod.spec.containers.flatMap(({ ports = [] }) => ports).find(({ name }) => name === target)?.containerPort
}

const behind = (service: Service, pods: readonly Pod[]) =>
  pods
    .filter(
      pod =>
        selects(service, pod) && pod.status?.podIP && pod.status.phase !== 'Succeeded' && pod.status.phase !== 'Failed',
    )
    .sort((a, b) => (a.metadata.name ?? '').localeCompare(b.metadata.name ?? ''))

const portsOf = (service: Service, pods: readonly Pod[]) =>
  (service.spec?.ports ?? []).flatMap(port => {
    const number = pods[0] ? portOf(port.targetPort, port.port, pods[0]) : undefined
    return number === undefined
      ? []
      : [{ ...(port.name ? { name: port.name } : { name: '' }), port: number, protocol: port.protocol ?? 'TCP' }]
  })

const targetOf = ({ metadata }: Pod) => ({
  kind: 'Pod',
  namespace: metadata.namespace ?? '',
  name: metadata.name ?? '',
  uid: metadata.uid ?? '',
})

/** The one slice of a service; the original splits at 100 endpoints, which changes nothing that can be seen here. */
function sliceOf(service: Service, pods: readonly Pod[]): Pick<EndpointSlice, 'addressType' | 'endpoints' | 'ports'> {
  const found = behind(service, pods)
  return {
    addressType: 'IPv4',
    endpoints: found.map(pod => ({
      addresses: [pod.status!.podIP!],
      conditions: { ready: ready(pod), serving: isReady(pod), terminating: Boolean(pod.metadata.deletionTimestamp) },
      ...(pod.spec.nodeName ? { nodeName: pod.spec.nodeName } : {}),
      targetRef: targetOf(pod),
    })),
    ports: portsOf(service, found),
  }
}

function subsetsOf(service: Service, pods: readonly Pod[]): object[] {
  const found = behind(service, pods)
  const ports = portsOf(service, found).map(({ name, ...port }) => (name ? { name, ...port } : port))
  if (found.length === 0 || ports.length === 0) return []
  const address = (pod: Pod) => ({ ip: pod.status!.podIP!, nodeName: pod.spec.nodeName, targetRef: targetOf(pod) })
  const [good, bad] = [found.filter(ready).map(address), found.filter(pod => !ready(pod)).map(address)]
  return [{ ...(good.length ? { addresses: good } : {}), ...(bad.length ? { notReadyAddresses: bad } : {}), ports }]
}

/** Calls `sync` for a service when it or a pod that it selects changes. */
function followServices(
  context: ControllerContext,
  name: string,
  sync: (service: Service | undefined, key: string) => Promise<void>,
): Controller {
  const { services, pods } = context.informers
  const queue = new WorkQueue({
    name,
    log: context.log,
    async sync(key) {
      await sync(services.get(key), key).catch(error => {
        if (!isConflict(error) && !isNotFound(error) && !isAlreadyExists(error)) throw error
      })
    },
  })
  const touch = (...of: Pod[]) => {
    for (const service of services.by('namespace', of[0]!.metadata.namespace ?? '')) {
      if (of.some(pod => selects(service, pod))) queue.add(keyOf(service))
    }
  }
  return {
    start() {
      const onService = (service: Service) => queue.add(keyOf(service))
      services.on('add', onService).on('update', onService).on('delete', onService)
      pods
        .on('add', pod => touch(pod))
        .on('update', (pod, old) => touch(pod, old))
        .on('delete', pod => touch(pod))
      services.list().forEach(onService)
    },
    stop: () => queue.stop(),
  }
}

export function createEndpointSliceController(context: ControllerContext): Controller {
  const { client, informers } = context
  return followServices(context, 'endpointslice', async service => {
    // a service without a selector has endpoints by hand; its slices go with it (they are owned)
    if (!service?.spec?.selector || service.metadata.deletionTimestamp) return
    const { name, namespace = '', uid = '' } = service.metadata
    const wanted = sliceOf(service, informers.pods.by('namespace', namespace))
    const there = informers.endpointslices
      .by('namespace', namespace)
      .find(
        ({ metadata }) => metadata.labels?.[serviceLabel] === name && metadata.labels?.[managedByLabel] === managedBy,
      )
    if (there && JSON.stringify([there.endpoints, there.ports]) === JSON.stringify([wanted.endpoints, wanted.ports]))
      return
    if (there) await client.update(resources.endpointslices, { ...there, ...wanted })
    else {
      await client.create(resources.endpointslices, {
        metadata: {
          // the original's ends in random letters; a fixed name cannot be made twice while the informer is behind
          name: `${name}-${uid.slice(0, 5)}`,
          namespace,
          labels: { [serviceLabel]: name!, [managedByLabel]: managedBy },
          ownerReferences: [
            { apiVersion: 'v1', kind: 'Service', name: name!, uid, controller: true, blockOwnerDeletion: true },
          ],
        },
        ...wanted,
      })
    }
  })
}

export function createEndpointController(context: ControllerContext): Controller {
  const { client, informers } = context
  return followServices(context, 'endpoint', async (service, key) => {
    const there = informers.endpoints.get(key)
    const [namespace = '', name = ''] = key.split('/')
    if (!service) {
      if (there) await client.delete(resources.endpoints, { namespace, name })
      return
    }
    if (!service.spec?.selector || service.metadata.deletionTimestamp) return
    const subsets = subsetsOf(service, informers.pods.by('namespace', namespace))
    if (there && JSON.stringify(there.subsets ?? []) === JSON.stringify(subsets)) return
    const endpoints: Endpoints = there ? { ...there, subsets } : { metadata: { name, namespace }, subsets }
    if (there) await client.update(resources.endpoints, endpoints)
    else await client.create(resources.endpoints, endpoints)
  })
}
