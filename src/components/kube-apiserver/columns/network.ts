/** printService, printEndpoints, printEndpointSlice, printEvent. */
import type { Unstructured } from '#kubernetes/types.ts'
import type { Column } from '../resources/types.ts'
import { age, name } from './standard.ts'
import { array, at, labelsText, number, since, text } from './values.ts'

function externalIp(service: Unstructured): string {
  const type = text(service, 'spec', 'type')
  const external = array<string>(service, 'spec', 'externalIPs')
  if (type === 'ExternalName') return text(service, 'spec', 'externalName')
  if (type !== 'LoadBalancer') return external.join(',') || '<none>'
  const balancers = array(service, 'status', 'loadBalancer', 'ingress').map(i => text(i, 'ip') || text(i, 'hostname'))
  return [...balancers, ...external].filter(Boolean).join(',') || '<pending>'
}

const ports = (service: Unstructured) =>
  array(service, 'spec', 'ports')
    .map(p => `${p.port}${p.nodePort ? `:${p.nodePort}` : ''}/${p.protocol}`)
    .join(',') || '<none>'

export const services: readonly Column[] = [
  name,
  { name: 'Type', value: service => text(service, 'spec', 'type') },
  {
    name: 'Cluster-IP',
    value: service =>
      text(service, 'spec', 'type') === 'ExternalName' ? '<none>' : text(service, 'spec', 'clusterIP') || '<none>',
  },
  { name: 'External-IP', value: externalIp },
  { name: 'Port(s)', value: ports },
  age,
  { name: 'Selector', wide: true, value: service => labelsText(at(service, 'spec', 'selector')) },
]

/** At most three, then `+ 2 more...`. */
function firstThree(all: readonly string[]): string {
  if (all.length === 0) return '<none>'
  return all.length > 3 ? `${all.slice(0, 3).join(',')} + ${all.length - 3} more...` : all.join(',')
}

const addresses = (endpoints: Unstructured) =>
  firstThree(
    array(endpoints, 'subsets').flatMap(subset => {
      const found = array(subset, 'addresses').map(a => text(a, 'ip'))
      const numbers = array(subset, 'ports').map(p => number(p, 'port'))
      return numbers.length === 0 ? found : numbers.flatMap(port => found.map(ip => `${ip}:${port}`))
    }),
  )

export const endpoints: readonly Column[] = [name, { name: 'Endpoints', value: addresses }, age]

export const endpointSlices: readonly Column[] = [
  name,
  { name: 'AddressType', value: slice => text(slice, 'addressType') },
  {
    name: 'Ports',
    value: slice => {
      const found = array(slice, 'ports')
      return found.length === 0 ? '<unset>' : firstThree(found.map(p => (p.port === undefined ? '*' : String(p.port))))
    },
  },
  {
    name: 'Endpoints',
    value: slice => {
      const found = array(slice, 'endpoints').flatMap(e => array<string>(e, 'addresses'))
      return found.length === 0 ? '<unset>' : firstThree(found)
    },
  },
  age,
]

const involved = (event: Unstructured) => at(event, 'involvedObject') ?? at(event, 'regarding')

function lastSeen(event: Unstructured): string {
  return (
    text(event, 'series', 'lastObservedTime') ||
    text(event, 'lastTimestamp') ||
    text(event, 'deprecatedLastTimestamp') ||
    firstSeen(event)
  )
}

const firstSeen = (event: Unstructured) =>
  text(event, 'firstTimestamp') || text(event, 'deprecatedFirstTimestamp') || text(event, 'eventTime')

function source(event: Unstructured): string {
  const found = at(event, 'source') ?? at(event, 'deprecatedSource')
  const component = text(found, 'component') || text(event, 'reportingComponent') || text(event, 'reportingController')
  const host = text(found, 'host') || text(event, 'reportingInstance')
  return host && text(found, 'host') ? `${component}, ${host}` : component
}

export const events: readonly Column[] = [
  { name: 'Last Seen', value: (event, now) => since(lastSeen(event), now) },
  { name: 'Type', value: event => text(event, 'type') },
  { name: 'Reason', value: event => text(event, 'reason') },
  {
    name: 'Object',
    value: event => {
      const object = involved(event)
      const kind = text(object, 'kind').toLowerCase()
      return text(object, 'name') ? `${kind}/${text(object, 'name')}` : kind
    },
  },
  { name: 'Subobject', wide: true, value: event => text(involved(event), 'fieldPath') },
  { name: 'Source', wide: true, value: source },
  { name: 'Message', value: event => (text(event, 'message') || text(event, 'note')).trim() },
  { name: 'First Seen', wide: true, value: (event, now) => since(firstSeen(event), now) },
  {
    name: 'Count',
    wide: true,
    value: event =>
      String(number(event, 'series', 'count') || number(event, 'count') || number(event, 'deprecatedCount') || 1),
  },
  { ...name, wide: true },
]
