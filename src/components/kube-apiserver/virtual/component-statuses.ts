/** componentstatuses: how scheduler, controller-manager and etcd are, asked now. Deprecated since 1.19, and still there. */
import { notFound } from '#kubernetes/status.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import type { Api, Handler } from '../verbs/types.ts'

async function all(api: Api): Promise<Unstructured[]> {
  return (await api.health()).map(({ name, healthy, message }) => ({
    kind: 'ComponentStatus',
    apiVersion: 'v1',
    metadata: { name, creationTimestamp: null },
    conditions: [
      {
        type: 'Healthy',
        status: healthy ? 'True' : 'False',
        message,
      },
    ],
  }))
}

const deprecated = 'v1 ComponentStatus is deprecated in v1.19+'

export const listComponentStatuses: Handler = async (api, { warnings }) => {
  warnings.push(deprecated)
  return {
    code: 200,
    object: {
      kind: 'ComponentStatusList',
      apiVersion: 'v1',
      metadata: {},
      items: await all(api),
    } as unknown as Unstructured,
  }
}

export const getComponentStatus: Handler = async (api, { definition, info, warnings }) => {
  warnings.push(deprecated)
  const found = (await all(api)).find(({ metadata }) => metadata.name === info.name)
  if (!found) throw notFound(definition, info.name)
  return { code: 200, object: found }
}
