/** Columns of kinds that have few. */
import type { Column } from '../resources/types.ts'
import { age, name } from './standard.ts'
import { array, at, text } from './values.ts'

const size = (map: unknown) => (map && typeof map === 'object' ? Object.keys(map).length : 0)

export const namespaces: readonly Column[] = [
  name,
  { name: 'Status', description: 'The status of the namespace', value: ns => text(ns, 'status', 'phase') },
  age,
]

export const secrets: readonly Column[] = [
  name,
  { name: 'Type', value: secret => text(secret, 'type') },
  { name: 'Data', value: secret => size(at(secret, 'data')) },
  age,
]

export const configMaps: readonly Column[] = [
  name,
  { name: 'Data', value: map => size(at(map, 'data')) + size(at(map, 'binaryData')) },
  age,
]

export const serviceAccounts: readonly Column[] = [
  name,
  { name: 'Secrets', value: account => array(account, 'secrets').length },
  age,
]

export const leases: readonly Column[] = [
  name,
  { name: 'Holder', value: lease => text(lease, 'spec', 'holderIdentity') },
  age,
]

export const webhooks: readonly Column[] = [
  name,
  {
    name: 'Webhooks',
    type: 'integer',
    description: 'Webhooks indicates the number of webhooks registered in this configuration',
    value: configuration => array(configuration, 'webhooks').length,
  },
  age,
]

const healthy = (status: unknown, field: string) =>
  text(
    array(status, 'conditions').find(c => c.type === 'Healthy'),
    field,
  )

export const componentStatuses: readonly Column[] = [
  name,
  {
    name: 'Status',
    value: status => ({ True: 'Healthy', False: 'Unhealthy' })[healthy(status, 'status')] ?? 'Unknown',
  },
  { name: 'Message', value: status => healthy(status, 'message') },
  { name: 'Error', value: status => healthy(status, 'error') },
]
