/** Nodes, namespaces, services, secrets, service accounts, endpoints, config maps. */
import type { FieldError } from '#kubernetes/status.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import { array, at, text } from '../../columns/values.ts'
import { child, fill, list } from '../defaults.ts'
import type { Strategy } from '../types.ts'

type Fields = Record<string, unknown>

/** Status belongs to the status subresource: what an update of the object says about it is dropped. */
export const keepStatus = (object: Unstructured, old: Unstructured) => {
  if (old.status === undefined) delete object.status
  else object.status = old.status
}

export const nodes: Strategy = {
  defaults(node) {
    child(node, 'spec')
    child(node, 'status')
  },
  update: keepStatus,
}

export const namespaces: Strategy = {
  name: 'label',
  defaults(namespace) {
    child(namespace, 'spec')
    namespace.metadata.labels = {
      ...namespace.metadata.labels,
      'kubernetes.io/metadata.name': namespace.metadata.name ?? '',
    }
  },
  create(namespace) {
    const spec = child(namespace, 'spec')
    spec.finalizers = [...new Set([...list(spec.finalizers).map(String), 'kubernetes'])]
    namespace.status = { phase: 'Active' }
  },
  update(namespace, old) {
    // Finalizers are changed by …/finalize alone.
    namespace.spec = old.spec
    keepStatus(namespace, old)
  },
}

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** Data, too, may not change once `immutable` is true. */
function immutableErrors(object: Unstructured, old: Unstructured, fields: readonly string[]): FieldError[] {
  if (old.immutable !== true) return []
  const detail = 'field is immutable when `immutable` is set'
  return ['immutable', ...fields]
    .filter(field => JSON.stringify(object[field]) !== JSON.stringify(old[field]))
    .map(field => ({ type: 'forbidden', field, detail }))
}

function dataKeyErrors(data: unknown, field: string): FieldError[] {
  return Object.keys((data as Fields) ?? {})
    .filter(key => !/^[-._a-zA-Z0-9]+$/.test(key) || key === '.' || key.startsWith('..') || key.length > 253)
    .map(key => ({
      type: 'invalid',
      field: `${field}[${key}]`,
      value: key,
      detail:
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
    }))
}

/** Keys that a secret of a type must have. */
const required: Record<string, readonly string[]> = {
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/dockercfg': ['.dockercfg'],
}

export const secrets: Strategy = {
  defaults(secret) {
    fill(secret, { type: 'Opaque' })
    const clear = secret.stringData as Record<string, string> | undefined
    if (clear) {
      const data = child(secret, 'data')
      for (const [key, value] of Object.entries(clear))
        data[key] = Buffer.from(String(value), 'utf8').toString('base64')
    }
    delete secret.stringData
  },
  validate: secret => [
    ...dataKeyErrors(secret.data, 'data'),
    ...Object.entries((secret.data as Record<string, string>) ?? {})
      .filter(([, value]) => typeof value === 'string' && !base64.test(value))
      .map(([key, value]): FieldError => ({ type: 'invalid', field: `data[${key}]`, value, detail: 'must be base64' })),
    ...(required[text(secret, 'type')] ?? [])
      .filter(key => at(secret, 'data', key) === undefined)
      .map((key): FieldError => ({ type: 'required', field: `data[${key}]` })),
  ],
  validateUpdate: (secret, old) => [
    ...(secret.type === old.type
      ? []
      : [{ type: 'invalid', field: 'type', value: secret.type, detail: 'field is immutable' } as const]),
    ...immutableErrors(secret, old, ['data']),
  ],
}

export const configMaps: Strategy = {
  validate: map => [...dataKeyErrors(map.data, 'data'), ...dataKeyErrors(map.binaryData, 'binaryData')],
  validateUpdate: (map, old) => immutableErrors(map, old, ['data', 'binaryData']),
}

export const serviceAccounts: Strategy = {}

export const endpoints: Strategy = {
  defaults(object) {
    for (const subset of list(object.subsets)) for (const port of list(subset.ports)) fill(port, { protocol: 'TCP' })
  },
}

export const services: Strategy = {
  name: 'label1035',
  defaults(service) {
    const spec = child(service, 'spec')
    fill(spec, { sessionAffinity: 'None', type: 'ClusterIP' })
    if (spec.type !== 'ExternalName') fill(spec, { internalTrafficPolicy: 'Cluster' })
    if (spec.type === 'NodePort' || spec.type === 'LoadBalancer') fill(spec, { externalTrafficPolicy: 'Cluster' })
    for (const port of list(spec.ports)) {
      fill(port, { protocol: 'TCP' })
      fill(port, { targetPort: port.port })
    }
  },
  create(service) {
    service.status = { loadBalancer: {} }
  },
  update(service, old) {
    keepStatus(service, old)
    const spec = child(service, 'spec')
    for (const field of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy'])
      if (spec.type !== 'ExternalName' && spec[field] === undefined && at(old, 'spec', field) !== undefined)
        spec[field] = at(old, 'spec', field)
    for (const port of list(spec.ports)) {
      const before = array(old, 'spec', 'ports').find(p => p.port === port.port && p.protocol === port.protocol)
      if (spec.type !== 'ClusterIP' && before?.nodePort) fill(port, { nodePort: before.nodePort })
    }
  },
  validate(service) {
    const ports = array(service, 'spec', 'ports')
    if (
      ports.length === 0 &&
      text(service, 'spec', 'clusterIP') !== 'None' &&
      text(service, 'spec', 'type') !== 'ExternalName'
    )
      return [{ type: 'required', field: 'spec.ports' }]
    return ports.flatMap((port, i): FieldError[] => {
      const value = port.port
      return Number.isInteger(value) && (value as number) > 0 && (value as number) < 65536
        ? []
        : [{ type: 'invalid', field: `spec.ports[${i}].port`, value, detail: 'must be between 1 and 65535, inclusive' }]
    })
  },
  validateUpdate: (service, old) =>
    text(old, 'spec', 'type') !== 'ExternalName' &&
    text(service, 'spec', 'type') !== 'ExternalName' &&
    text(old, 'spec', 'clusterIP') &&
    text(service, 'spec', 'clusterIP') !== text(old, 'spec', 'clusterIP')
      ? [
          {
            type: 'invalid',
            field: 'spec.clusterIPs[0]',
            value: [text(service, 'spec', 'clusterIP')],
            detail: 'may not change once set',
          },
        ]
      : [],
}
