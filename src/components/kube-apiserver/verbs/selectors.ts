/** labelSelector and fieldSelector of a request, as one test of an object. */

import { messageOf } from '#errors.ts'
import { labelsMatch, parseFieldSelector, parseLabelSelector } from '#kubernetes/selectors.ts'
import { badRequest } from '#kubernetes/status.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import type { ResourceDefinition } from '../resources/types.ts'

type Selector = (object: Unstructured) => boolean

export interface Selection {
  /** Undefined: everything. */
  matches?: Selector
  /** `metadata.name=x` is asked for. */
  name?: string
}

/** @throws StatusError 400 with the original's words */
export function selectionOf(definition: ResourceDefinition, query: URLSearchParams): Selection {
  const labels = query.get('labelSelector')
  const fields = query.get('fieldSelector')
  if (!labels && !fields) return {}
  const tests: Selector[] = []
  let name: string | undefined
  if (labels) {
    const requirements = parsed(() => parseLabelSelector(labels))
    tests.push(object => labelsMatch(requirements, object.metadata.labels))
  }
  if (fields) {
    for (const { field, equal, value } of parsed(() => parseFieldSelector(fields))) {
      const read = fieldOf(definition, field)
      if (field === 'metadata.name' && equal) name = value
      tests.push(object => (read(object) === value) === equal)
    }
  }
  return {
    matches: object => tests.every(test => test(object)),
    ...(name === undefined ? {} : { name }),
  }
}

function parsed<T>(parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    throw badRequest(messageOf(error))
  }
}

function fieldOf(definition: ResourceDefinition, field: string): (object: Unstructured) => string {
  if (field === 'metadata.name') return object => object.metadata.name ?? ''
  if (field === 'metadata.namespace' && definition.namespaced) return object => object.metadata.namespace ?? ''
  const read = definition.fields[field]
  if (read) return read
  const words =
    definition.group === ''
      ? `field label not supported: ${field}`
      : `${JSON.stringify(field)} is not a known field selector: only "metadata.name", "metadata.namespace"`
  throw badRequest(words)
}
