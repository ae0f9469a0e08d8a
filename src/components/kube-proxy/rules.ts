/** What kube-proxy would program: for every port of every service, the ready endpoints behind it. Pure. */
import type { EndpointSlice, Service } from '#kubernetes/types.ts'

export interface Rule {
  /** `default/web:http`, as the original names a service port. */
  name: string
  clusterIP: string
  port: number
  protocol: string
  /** `ip:port`, ready ones only, sorted; none: the original rejects the connection. */
  endpoints: string[]
}

const serviceLabel = 'kubernetes.io/service-name'

/** proxy/iptables syncProxyRules' input (pkg/proxy/servicechangetracker.go, endpointslicecache.go). Headless and external services have no rules. */
export function rulesOf(services: readonly Service[], slices: readonly EndpointSlice[]): Rule[] {
  const byService = Map.groupBy(slices, ({ metadata }) => `${metadata.namespace}/${metadata.labels?.[serviceLabel]}`)
  return services.flatMap(({ metadata, spec }) => {
    const { clusterIP, type, ports = [] } = spec ?? {}
    if (!clusterIP || clusterIP === 'None' || type === 'ExternalName') return []
    const key = `${metadata.namespace}/${metadata.name}`
    return ports.map(port => ({
      name: port.name ? `${key}:${port.name}` : key,
      clusterIP,
      port: port.port,
      protocol: port.protocol ?? 'TCP',
      endpoints: [...new Set((byService.get(key) ?? []).flatMap(slice => addresses(slice, port.name)))].sort(),
    }))
  })
}

function addresses(slice: EndpointSlice, portName: string | undefined): string[] {
  const port = slice.ports?.find(candidate => (candidate.name ?? '') === (portName ?? ''))?.port
  if (port === undefined) return []
  return slice.endpoints
    .filter(({ conditions }) => conditions?.ready !== false)
    .flatMap(endpoint => endpoint.addresses.map(address => `${address}:${port}`))
}
