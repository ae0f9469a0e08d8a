/** patch: the four kinds of patch, as a function from the object that is there to the one that is wanted. */

import { messageOf } from '#errors.ts'
import { badRequest, unsupportedMediaType } from '#kubernetes/status.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import { apply } from './apply.ts'
import { goJsonError, mediaType } from './body.ts'
import { checkFields } from './field-validation.ts'
import type { Api, ApiRequest, Handler } from './types.ts'
import { change } from './update.ts'

const patchTypes = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
  'application/apply-patch+cbor',
]

type Patcher = (object: Unstructured) => Promise<Unstructured>

/** @throws StatusError 400, 415 */
export async function patcherFor(request: ApiRequest): Promise<Patcher> {
  const type = mediaType(request.contentType)
  switch (type) {
    case 'application/json-patch+json': {
      const { applyJsonPatch } = await import('../patch/json.ts')
      const operations = parsed(request.body)
      return async object => applyJsonPatch(object, operations)
    }
    case 'application/merge-patch+json': {
      const { applyMergePatch } = await import('../patch/merge.ts')
      const patch = parsed(request.body)
      return async object => applyMergePatch(object, patch) as Unstructured
    }
    case 'application/strategic-merge-patch+json': {
      const { applyStrategicPatch } = await import('../patch/strategic.ts')
      const patch = parsed(request.body)
      const { definition, info } = request
      // customresource_handler.go: nothing says how its lists are merged
      if (definition.conform) throw unsupportedMediaType(patchTypes.filter(each => each !== type).slice(0, 3))
      const kind = info.subresource === 'scale' ? { group: 'autoscaling', version: 'v1', kind: 'Scale' } : definition
      return async object => applyStrategicPatch(object, patch, kind)
    }
    default:
      throw unsupportedMediaType(patchTypes.slice(0, 4))
  }
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch (error) {
    throw badRequest(`error decoding patch: ${goJsonError(error)}`)
  }
}

/** The patcher, with the checks that every patch of an object has. */
export async function patchedBy(_api: Api, request: ApiRequest): Promise<Patcher> {
  const patch = await patcherFor(request)
  return async object => {
    let next: Unstructured
    try {
      next = await patch(object)
    } catch (error) {
      if ((error as Error).name === 'StatusError') throw error
      throw badRequest(messageOf(error))
    }
    if (next === null || typeof next !== 'object' || typeof next.metadata !== 'object' || next.metadata === null)
      throw badRequest('the patch leaves no object with metadata')
    if (next.kind !== object.kind || next.apiVersion !== object.apiVersion)
      throw badRequest(
        `the patch may not change kind or apiVersion: expected ${object.apiVersion} ${object.kind}, found ${next.apiVersion} ${next.kind}`,
      )
    await checkFields(next, request)
    return next
  }
}

export const patch: Handler = async (api, request) => {
  const type = mediaType(request.contentType)
  if (type === 'application/apply-patch+yaml') return apply(api, request)
  return change(api, request, { make: await patchedBy(api, request) })
}
