/** The service `kubernetes` in default, and its endpoints: how pods find the apiserver. */
import { randomUUID } from 'node:crypto'
import { time } from '#kubernetes/time.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import { nthAddress } from '../resources/addresses.ts'
import { resourceOf } from '../resources/table.ts'
import type { Store } from '../storage/store.ts'
import { keyFor } from '../verbs/keys.ts'

interface Options {
  store: Store
  now: Date
  serviceRange: string
  address: string
  port: number
}

export async function publishKubernetesService({ store, now, serviceRange, address, port }: Options): Promise<void> {
  const clusterIP = nthAddress(serviceRange, 1)
  const labels = { component: 'apiserver', provider: 'kubernetes' }
  const base = (): Unstructured['metadata'] => ({
    name: 'kubernetes',
    namespace: 'default',
    uid: randomUUID(),
    creationTimestamp: time(now),
  })
  const family = address.includes(':') ? 'IPv6' : 'IPv4'
  const service = (current: Unstructured | undefined): Unstructured => ({
    kind: 'Service',
    apiVersion: 'v1',
    metadata: current?.metadata ?? { ...base(), labels },
    spec: {
      clusterIP,
      clusterIPs: [clusterIP],
      internalTrafficPolicy: 'Cluster',
      ipFamilies: [clusterIP.includes(':') ? 'IPv6' : 'IPv4'],
      ipFamilyPolicy: 'SingleStack',
      ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: port }],
      sessionAffinity: 'None',
      type: 'ClusterIP',
    },
    status: { loadBalancer: {} },
  })
  const endpoints = (current: Unstructured | undefined): Unstructured => ({
    kind: 'Endpoints',
    apiVersion: 'v1',
    metadata: current?.metadata ?? { ...base(), labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } },
    subsets: [{ addresses: [{ ip: address }], ports: [{ name: 'https', port, protocol: 'TCP' }] }],
  })
  const slice = (current: Unstructured | undefined): Unstructured => ({
    kind: 'EndpointSlice',
    apiVersion: 'discovery.k8s.io/v1',
    metadata: current?.metadata ?? { ...base(), labels: { 'kubernetes.io/service-name': 'kubernetes' } },
    addressType: family,
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
    ports: [{ name: 'https', port, protocol: 'TCP' }],
  })
  const write = (group: string, resource: string, make: (current: Unstructured | undefined) => Unstructured) =>
    store.update(keyFor(resourceOf(group, resource), 'default', 'kubernetes'), make)
  await Promise.all([
    write('', 'services', service),
    write('', 'endpoints', endpoints),
    write('discovery.k8s.io', 'endpointslices', slice),
  ])
}
