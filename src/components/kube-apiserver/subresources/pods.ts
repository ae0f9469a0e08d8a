/** …/binding and …/eviction of pods. */
import { conflict, success } from '#kubernetes/status.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import { text } from '../columns/values.ts'
import { bind } from '../resources/strategies/pods.ts'
import { resourceOf } from '../resources/table.ts'
import { readBody } from '../verbs/body.ts'
import { type DeleteOptions, deleteObject } from '../verbs/delete.ts'
import { check } from '../verbs/metadata.ts'
import type { Answer, Handler } from '../verbs/types.ts'
import { change } from '../verbs/update.ts'

const done = (): Answer => ({ code: 201, object: { ...success(), code: 201 } as unknown as Unstructured })

/** The scheduler's word: once, and only for a pod without a node. */
export const binding: Handler = async (api, request) => {
  const sent = await readBody(request.body, request.contentType, { kind: 'Binding', group: '', version: 'v1' })
  const node = text(sent, 'target', 'name')
  const kind = text(sent, 'target', 'kind')
  if (kind !== '' && kind !== 'Node')
    check(sent, request.definition, [
      { type: 'notSupported', field: 'target.kind', value: kind, detail: 'supported values: "Node", "<empty>"' },
    ])
  if (node === '') check(sent, request.definition, [{ type: 'required', field: 'target.name' }])
  const name = request.info.name
  await change(api, request, {
    make(pod) {
      const pods = { group: '', resource: 'pods/binding' }
      if (sent.metadata.uid && sent.metadata.uid !== pod.metadata.uid)
        throw conflict(
          pods,
          name,
          `Precondition failed: UID in precondition: ${sent.metadata.uid}, UID in object meta: ${pod.metadata.uid}`,
        )
      if (pod.metadata.deletionTimestamp)
        throw conflict(pods, name, `pod ${name} is being deleted, cannot be assigned to a host`)
      if (text(pod, 'spec', 'nodeName'))
        throw conflict(
          pods,
          name,
          `pod ${name} is already assigned to node ${JSON.stringify(text(pod, 'spec', 'nodeName'))}`,
        )
      bind(pod, node, sent.metadata.annotations, api.clock.now())
      return pod
    },
    take: () => {},
    subresource: 'binding',
  })
  return done()
}

/** Without disruption budgets, an eviction is a delete. */
export const eviction: Handler = async (api, request) => {
  const sent = JSON.parse(request.body.toString('utf8') || '{}') as { deleteOptions?: DeleteOptions }
  await deleteObject(api, { ...request, definition: resourceOf('', 'pods') }, sent.deleteOptions ?? {})
  return done()
}
