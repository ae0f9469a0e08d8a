/** CustomResourceDefinitions themselves: registry/customresourcedefinition/strategy.go and validation.go. */
import type { FieldError } from '#kubernetes/status.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import { array, at, text } from '../columns/values.ts'
import { keepStatus } from '../resources/strategies/core.ts'
import type { Strategy } from '../resources/types.ts'
import { parseJsonPath } from './json-path.ts'

type Fields = Record<string, unknown>

function defaults(definition: Unstructured): void {
  const names = at(definition, 'spec', 'names') as Fields | undefined
  const kind = text(names, 'kind')
  if (names && kind) {
    names.singular ||= kind.toLowerCase()
    names.listKind ||= `${kind}List`
  }
  const spec = definition.spec as Fields | undefined
  if (spec) spec.conversion ??= { strategy: 'None' }
}

function validate(definition: Unstructured): FieldError[] {
  const errors: FieldError[] = []
  const required = (...path: string[]) => {
    if (text(definition, ...path) === '') errors.push({ type: 'required', field: path.join('.') })
  }
  required('spec', 'group')
  required('spec', 'names', 'plural')
  required('spec', 'names', 'kind')
  const scope = text(definition, 'spec', 'scope')
  if (scope === '') errors.push({ type: 'required', field: 'spec.scope' })
  else if (scope !== 'Namespaced' && scope !== 'Cluster')
    errors.push({
      type: 'notSupported',
      field: 'spec.scope',
      value: scope,
      detail: 'supported values: "Cluster", "Namespaced"',
    })
  const wanted = `${text(definition, 'spec', 'names', 'plural')}.${text(definition, 'spec', 'group')}`
  if (definition.metadata.name !== wanted)
    errors.push({
      type: 'invalid',
      field: 'metadata.name',
      value: definition.metadata.name,
      detail: 'must be spec.names.plural+"."+spec.group',
    })
  const strategy = text(definition, 'spec', 'conversion', 'strategy')
  if (strategy === 'Webhook')
    errors.push({
      type: 'notSupported',
      field: 'spec.conversion.strategy',
      value: strategy,
      detail: 'supported values: "None" (this apiserver is a stand-in that calls no conversion webhooks)',
    })
  const versions = array(definition, 'spec', 'versions')
  if (versions.length === 0) errors.push({ type: 'required', field: 'spec.versions' })
  else if (versions.filter(version => version.storage === true).length !== 1)
    errors.push({
      type: 'invalid',
      field: 'spec.versions',
      value: versions.map(version => version.name),
      detail: 'must have exactly one version marked as storage version',
    })
  for (const [i, version] of versions.entries()) errors.push(...versionErrors(version, `spec.versions[${i}]`))
  return errors
}

function versionErrors(version: Fields, field: string): FieldError[] {
  const errors: FieldError[] = []
  if (!/^[a-z]([-a-z0-9]*[a-z0-9])?$/.test(text(version, 'name')))
    errors.push({
      type: 'invalid',
      field: `${field}.name`,
      value: version.name,
      detail: "a DNS-1035 label must consist of lower case alphanumeric characters or '-'",
    })
  const schema = at(version, 'schema', 'openAPIV3Schema')
  if (!schema)
    errors.push({ type: 'required', field: `${field}.schema.openAPIV3Schema`, detail: 'schemas are required' })
  else if (text(schema, 'type') !== 'object')
    errors.push({
      type: 'invalid',
      field: `${field}.schema.openAPIV3Schema.type`,
      value: text(schema, 'type'),
      detail: 'must be object at the root',
    })
  for (const [i, column] of array(version, 'additionalPrinterColumns').entries()) {
    const path = text(column, 'jsonPath')
    if (!path.startsWith('.') || !parseJsonPath(path))
      errors.push({
        type: 'invalid',
        field: `${field}.additionalPrinterColumns[${i}].jsonPath`,
        value: path,
        detail: 'must be a simple json path starting with .',
      })
  }
  return errors
}

/** What the objects in etcd depend on. */
const immutable = ['spec.group', 'spec.scope', 'spec.names.plural', 'spec.names.kind']

export const customResourceDefinitions: Strategy = {
  generation: true,
  defaults,
  create(definition) {
    definition.status = { conditions: [], acceptedNames: { plural: '', kind: '' }, storedVersions: [] }
  },
  update: keepStatus,
  validate,
  validateUpdate: (definition, old) =>
    immutable.flatMap((field): FieldError[] => {
      const value = at(definition, ...field.split('.'))
      return value === at(old, ...field.split('.'))
        ? []
        : [{ type: 'invalid', field, value, detail: 'field is immutable' }]
    }),
}
