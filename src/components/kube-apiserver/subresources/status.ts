/** …/status: takes the status, and leaves the rest as it is. */
import type { Unstructured } from '#kubernetes/types.ts'
import { readObject } from '../verbs/field-validation.ts'
import { matchUrl } from '../verbs/metadata.ts'
import { patchedBy } from '../verbs/patch.ts'
import type { Handler } from '../verbs/types.ts'
import { change, type Take } from '../verbs/update.ts'

/** Status alone; labels, annotations and finalizers may go along, as in the original. */
const takeStatus: Take = (object, old) => {
  for (const key of Object.keys(object))
    if (key !== 'metadata' && key !== 'status' && key !== 'kind' && key !== 'apiVersion') delete object[key]
  for (const [key, value] of Object.entries(old)) if (key !== 'metadata' && key !== 'status') object[key] = value
  if (old.metadata.ownerReferences) object.metadata.ownerReferences = old.metadata.ownerReferences
  else delete object.metadata.ownerReferences
}

export const updateWith =
  (take: Take, validate?: (object: Unstructured, old: Unstructured) => void): Handler =>
  async (api, request) => {
    const object = await readObject(request)
    matchUrl(object, request)
    return change(api, request, { make: () => structuredClone(object), take, ...(validate ? { validate } : {}) })
  }

export const patchWith =
  (take: Take, validate?: (object: Unstructured, old: Unstructured) => void): Handler =>
  async (api, request) =>
    change(api, request, { make: await patchedBy(api, request), take, ...(validate ? { validate } : {}) })

export const updateStatus = updateWith(takeStatus)
export const patchStatus = patchWith(takeStatus)
