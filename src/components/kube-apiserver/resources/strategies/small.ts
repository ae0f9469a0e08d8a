/** Leases, endpoint slices, webhook configurations, APIServices. */
import type { FieldError } from '#kubernetes/status.ts'
import { at, text } from '../../columns/values.ts'
import { child, fill, list } from '../defaults.ts'
import type { Strategy } from '../types.ts'
import { keepStatus } from './core.ts'

export const leases: Strategy = {
  defaults(lease) {
    child(lease, 'spec')
  },
}

export const endpointSlices: Strategy = {
  defaults(slice) {
    if (slice.endpoints === undefined) slice.endpoints = null
    if (slice.ports === undefined) slice.ports = null
    for (const port of list(slice.ports)) fill(port, { name: '', protocol: 'TCP' })
  },
  validate: slice =>
    ['IPv4', 'IPv6', 'FQDN'].includes(text(slice, 'addressType'))
      ? []
      : [
          {
            type: 'notSupported',
            field: 'addressType',
            value: text(slice, 'addressType'),
            detail: 'supported values: "FQDN", "IPv4", "IPv6"',
          },
        ],
}

export const webhookConfigurations: Strategy = {
  generation: true,
  defaults(configuration) {
    for (const hook of list(configuration.webhooks)) {
      fill(hook, {
        failurePolicy: 'Fail',
        matchPolicy: 'Equivalent',
        namespaceSelector: {},
        objectSelector: {},
        timeoutSeconds: 10,
        ...(configuration.kind === 'MutatingWebhookConfiguration' ? { reinvocationPolicy: 'Never' } : {}),
      })
      for (const rule of list(hook.rules)) fill(rule, { scope: '*' })
      const service = at(hook, 'clientConfig', 'service') as Record<string, unknown> | undefined
      if (service) fill(service, { port: 443 })
    }
  },
  validate: configuration =>
    list(configuration.webhooks).flatMap((hook, i): FieldError[] => {
      const errors: FieldError[] = []
      const field = `webhooks[${i}]`
      if (text(hook, 'name').split('.').length < 3)
        errors.push({
          type: 'invalid',
          field: `${field}.name`,
          value: text(hook, 'name'),
          detail: 'should be a domain with at least three segments separated by dots',
        })
      if (!hook.sideEffects)
        errors.push({
          type: 'required',
          field: `${field}.sideEffects`,
          detail: 'must specify one of None, NoneOnDryRun',
        })
      if (list(hook.admissionReviewVersions).length === 0)
        errors.push({
          type: 'required',
          field: `${field}.admissionReviewVersions`,
          detail: 'must specify one of v1, v1beta1',
        })
      const client = hook.clientConfig as Record<string, unknown> | undefined
      if (!client?.url === !client?.service)
        errors.push({
          type: 'required',
          field: `${field}.clientConfig`,
          detail: 'exactly one of url or service is required',
        })
      return errors
    }),
}

export const apiServices: Strategy = {
  name: 'any',
  defaults(service) {
    const spec = child(service, 'spec')
    const hosted = spec.service as Record<string, unknown> | undefined
    if (hosted) fill(hosted, { port: 443 })
  },
  create(service) {
    service.status = {}
  },
  update: keepStatus,
  validate(service) {
    const group = text(service, 'spec', 'group')
    const version = text(service, 'spec', 'version')
    const wanted = `${version}.${group}`
    return service.metadata.name === wanted
      ? []
      : [
          {
            type: 'invalid',
            field: 'metadata.name',
            value: service.metadata.name,
            detail: `must be \`spec.version+"."+spec.group\`: ${JSON.stringify(wanted)}`,
          },
        ]
  },
}
