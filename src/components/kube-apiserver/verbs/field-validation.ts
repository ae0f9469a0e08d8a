/** `?fieldValidation=`: fields that the kind does not have are refused (Strict), warned about (Warn) or ignored. */
import { badRequest } from '#kubernetes/status.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import type { ApiRequest } from './types.ts'

/** The schema is large, so it is loaded when somebody asks for Strict or Warn, not by every write. */
export async function checkFields(object: Unstructured, { definition, query, warnings }: ApiRequest): Promise<void> {
  const mode = query.get('fieldValidation')
  if (mode !== 'Strict' && mode !== 'Warn') return
  const { unknownFields } = await import('../schema/unknown-fields.ts')
  const found = await unknownFields(object, definition)
  if (found.length === 0) return
  const texts = found.map(field => `unknown field ${JSON.stringify(field)}`)
  if (mode === 'Warn') warnings.push(...texts)
  else
    throw badRequest(
      `${definition.kind} in version ${JSON.stringify(definition.version)} cannot be handled as a ${definition.kind}: strict decoding error: ${texts.join(', ')}`,
    )
}
