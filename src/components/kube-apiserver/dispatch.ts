/** From a request to the handler of its resource, subresource and verb. */

import type { RequestInfo } from '#kubernetes/attributes.ts'
import { methodNotAllowed } from '#kubernetes/status.ts'
import type { ResourceDefinition } from './resources/types.ts'
import { subresourceHandler } from './subresources/index.ts'
import { create } from './verbs/create.ts'
import { deleteCollection, remove } from './verbs/delete.ts'
import { patch } from './verbs/patch.ts'
import { get, list } from './verbs/read.ts'
import type { Handler } from './verbs/types.ts'
import { update } from './verbs/update.ts'
import { watch } from './verbs/watch.ts'
import { virtualHandler } from './virtual/index.ts'

const handlers: Record<string, Handler> = {
  get,
  list,
  watch,
  create,
  update,
  patch,
  delete: remove,
  deletecollection: deleteCollection,
}

/** Of a path with a name, and of one without. A list and a watch may be of every namespace, and of one name by a selector. */
const ofOne = new Set(['get', 'update', 'patch', 'delete'])
const ofAll = new Set(['create', 'deletecollection'])

/**
 * Undefined: there is no such path.
 * @throws StatusError 405 for a verb that the resource does not have
 */
export function handlerFor(
  definition: ResourceDefinition,
  { verb, subresource, namespace, name }: RequestInfo,
): Handler | undefined {
  const { group, resource } = definition
  if (subresource !== '') {
    const known = definition.subresources.find(({ name }) => name === subresource)
    if (!known) return undefined
    const handler = subresourceHandler(group, resource, subresource, verb)
    if (!handler) throw methodNotAllowed()
    return handler
  }
  const named = name !== ''
  const placed = !definition.namespaced || namespace !== ''
  if (ofOne.has(verb) ? !(named && placed) : ofAll.has(verb) && (named || !placed)) throw methodNotAllowed()
  if (!definition.verbs.includes(verb as ResourceDefinition['verbs'][number])) throw methodNotAllowed()
  return definition.virtual ? virtualHandler(group, resource, verb) : handlers[verb]
}
