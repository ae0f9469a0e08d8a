/** Server-side apply: PATCH with application/apply-patch+yaml. */

import { messageOf } from '#errors.ts'
import { badRequest } from '#kubernetes/status.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import { createObject } from './create.ts'
import { checkFields } from './field-validation.ts'
import { keyOfRequest } from './keys.ts'
import { matchUrl } from './metadata.ts'
import type { Answer, Api, ApiRequest } from './types.ts'
import { change } from './update.ts'

export async function apply(api: Api, request: ApiRequest): Promise<Answer> {
  const { definition, query } = request
  const manager = query.get('fieldManager')
  if (!manager)
    throw badRequest(
      'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
    )
  const applied = await parse(request)
  await checkFields(applied, request)
  matchUrl(applied, request)
  if (applied.metadata.managedFields !== undefined) throw badRequest('metadata.managedFields must be nil')
  const { applyTo } = await import('../patch/managed-fields.ts')
  const options = {
    definition,
    manager,
    force: query.get('force') === 'true',
    subresource: request.info.subresource,
    now: () => api.clock.now(),
  }
  const make = (current: Unstructured | undefined) => applyTo(current, structuredClone(applied), options)
  if (!(await api.store.get(keyOfRequest(definition, request.info))))
    return { code: 201, object: await createObject(api, request, await make(undefined)) }
  return change(api, request, { make, managed: true })
}

async function parse({ body, definition }: ApiRequest): Promise<Unstructured> {
  const { parse } = await import('yaml')
  let object: unknown
  try {
    object = parse(body.toString('utf8'))
  } catch (error) {
    throw badRequest(`error decoding YAML: ${messageOf(error)}`)
  }
  if (object === null || typeof object !== 'object' || Array.isArray(object))
    throw badRequest('error decoding YAML: not an object')
  const found = object as Unstructured
  if (!found.kind || !found.apiVersion)
    throw badRequest(`Object 'Kind' is missing in '${body.toString('utf8').slice(0, 100)}'`)
  if (found.kind !== definition.kind)
    throw badRequest(`${found.kind} cannot be applied to ${definition.resource}, which are of kind ${definition.kind}`)
  if (found.metadata === undefined || found.metadata === null) found.metadata = {}
  return found
}
