/** `?fieldValidation=`: what becomes of fields that a kind does not have: refused (Strict), warned about (Warn), dropped silently (Ignore). */
import { badRequest } from '#kubernetes/status.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import { conformTo, readBody } from './body.ts'
import type { ApiRequest } from './types.ts'

/** @throws StatusError 400 */
function report(unknown: readonly string[], { definition, query, warnings }: ApiRequest): void {
  if (unknown.length === 0) return
  const texts = unknown.map(field => `unknown field ${JSON.stringify(field)}`)
  const mode = query.get('fieldValidation')
  if (mode === 'Warn') warnings.push(...texts)
  else if (mode === 'Strict')
    throw badRequest(
      `${definition.kind} in version ${JSON.stringify(definition.version)} cannot be handled as a ${definition.kind}: strict decoding error: ${texts.join(', ')}`,
    )
}

/** The body as an object of the request's resource. @throws StatusError 400, 415 */
export async function readObject(request: ApiRequest): Promise<Unstructured> {
  const unknown: string[] = []
  const object = await readBody(request.body, request.contentType, request.definition, unknown)
  report(unknown, request)
  return object
}

/** What a patch has made of an object. Changes it. @throws StatusError 400 */
export async function checkFields(object: Unstructured, request: ApiRequest): Promise<void> {
  report(await conformTo(object, request.definition), request)
  object.metadata ??= {}
}
