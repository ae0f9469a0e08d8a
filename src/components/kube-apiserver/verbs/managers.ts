/** `metadata.managedFields`: who set which field. Kept for writes that name a field manager, and for objects that have been applied. */
import type { Unstructured } from '#kubernetes/types.ts'
import type { ApiRequest } from './types.ts'

const applied = (object: Unstructured | undefined) =>
  (object?.metadata.managedFields as { operation?: string }[] | undefined)?.some(
    ({ operation }) => operation === 'Apply',
  ) === true

/** The name in the query, or the user agent's up to its slash. */
const managerOf = ({ query, userAgent }: ApiRequest) =>
  query.get('fieldManager') || userAgent.split('/', 1)[0]!.slice(0, 128)

/** A write that is not an apply: what it changed is its manager's now. */
export async function trackUpdate(
  object: Unstructured,
  old: Unstructured | undefined,
  request: ApiRequest,
  now: Date,
): Promise<void> {
  if (!request.query.get('fieldManager') && !applied(old)) return
  const { recordUpdate } = await import('../patch/managed-fields.ts')
  await recordUpdate({
    object,
    old,
    definition: request.definition,
    manager: managerOf(request),
    subresource: request.info.subresource,
    now,
  })
}
