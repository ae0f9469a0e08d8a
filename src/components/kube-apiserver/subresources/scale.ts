/** …/scale: autoscaling/v1 Scale of what has `spec.replicas`. */
import { badRequest, notFound } from '#kubernetes/status.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import { at, number, selectorText } from '../columns/values.ts'
import { child } from '../resources/defaults.ts'
import { readBody } from '../verbs/body.ts'
import { keyOfRequest } from '../verbs/keys.ts'
import { patcherFor } from '../verbs/patch.ts'
import { shown } from '../verbs/read.ts'
import type { Answer, Handler } from '../verbs/types.ts'
import { change } from '../verbs/update.ts'

const kind = { kind: 'Scale', group: 'autoscaling', version: 'v1' }

function scaleOf(object: Unstructured): Unstructured {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp } as Unstructured['metadata'],
    spec: { replicas: number(object, 'spec', 'replicas') },
    status: { replicas: number(object, 'status', 'replicas'), selector: selectorText(at(object, 'spec', 'selector')) },
  }
}

function setReplicas(object: Unstructured, scale: Unstructured): Unstructured {
  const replicas = at(scale, 'spec', 'replicas') ?? 0
  if (typeof replicas !== 'number' || !Number.isInteger(replicas))
    throw badRequest('spec.replicas must be a whole number')
  child(object, 'spec').replicas = replicas
  if (scale.metadata.resourceVersion) object.metadata.resourceVersion = scale.metadata.resourceVersion
  return object
}

const asScale = (answer: Answer): Answer =>
  'object' in answer ? { code: answer.code, object: scaleOf(answer.object) } : answer

export const getScale: Handler = async (api, { definition, info }) => {
  const found = await api.store.get(keyOfRequest(definition, info))
  if (!found) throw notFound(definition, info.name)
  return { code: 200, object: scaleOf(shown(definition, found)) }
}

export const updateScale: Handler = async (api, request) => {
  const scale = await readBody(request.body, request.contentType, kind)
  return asScale(await change(api, request, { make: current => setReplicas(current, scale) }))
}

export const patchScale: Handler = async (api, request) => {
  const patch = await patcherFor(request)
  return asScale(
    await change(api, request, { make: async current => setReplicas(current, await patch(scaleOf(current))) }),
  )
}
