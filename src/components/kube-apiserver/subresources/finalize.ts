/** …/finalize of namespaces: takes `spec.finalizers`; without any left, a deleted namespace goes. */
import { updateWith } from './status.ts'

export const finalize = updateWith((object, old) => {
  const finalizers = (object.spec as { finalizers?: string[] } | undefined)?.finalizers ?? []
  object.spec = { ...(old.spec as object), finalizers: [...finalizers] }
  if (finalizers.length === 0) object.spec = {}
  object.status = old.status
})
