/**
 * The aggregated API: metrics.k8s.io/v1beta1, as metrics-server serves it. No figure is made up: what was not read twice from a
 * kubelet is not in the lists, and `kubectl top` says `metrics not available yet`.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { resources } from '#kubernetes/resources.ts'
import { labelsMatch, parseFieldSelector, parseLabelSelector } from '#kubernetes/selectors.ts'
import { badRequest, notFound } from '#kubernetes/status.ts'
import { time } from '#kubernetes/time.ts'
import type { KubeObject, Node, Pod } from '#kubernetes/types.ts'
import type { Usage } from './samples.ts'
import type { Scraper } from './scraper.ts'

const groupVersion = 'metrics.k8s.io/v1beta1'
const base = `/apis/${groupVersion}`

const kinds = [
  { name: 'nodes', singularName: '', namespaced: false, kind: 'NodeMetrics', verbs: ['get', 'list'] },
  { name: 'pods', singularName: '', namespaced: true, kind: 'PodMetrics', verbs: ['get', 'list'] },
] as const

const version = { groupVersion, version: 'v1beta1' }
const group = { name: 'metrics.k8s.io', versions: [version], preferredVersion: version }

const metadataOf = ({ metadata: { name, namespace, labels } }: KubeObject, at: Date) => ({
  name,
  ...(namespace ? { namespace } : {}),
  creationTimestamp: time(at),
  ...(labels ? { labels } : {}),
})
const figures = ({ cpu, memory }: Usage) => ({ cpu, memory })
const windowOf = ({ windowSeconds }: Usage) => `${windowSeconds.toFixed(3)}s`

/** @param scraper left out: nothing is known */
export function metricsApi(app: FastifyInstance, scraper: Scraper | undefined): void {
  const nodeMetrics = (node: Node) => {
    const usage = scraper?.nodeUsage(node.metadata.name ?? '')
    if (!usage) return []
    const at = { metadata: metadataOf(node, usage.at), timestamp: time(usage.at), window: windowOf(usage) }
    return [{ kind: 'NodeMetrics', apiVersion: groupVersion, ...at, usage: figures(usage) }]
  }
  const podMetrics = (pod: Pod) => {
    const usages = scraper?.podUsage(pod)
    const [first] = usages?.values() ?? []
    if (!usages || !first) return []
    const containers = [...usages].map(([name, usage]) => ({ name, usage: figures(usage) }))
    const at = { metadata: metadataOf(pod, first.at), timestamp: time(first.at), window: windowOf(first) }
    return [{ kind: 'PodMetrics', apiVersion: groupVersion, ...at, containers }]
  }
  const nodes = () => scraper?.nodes() ?? []
  const pods = (namespace?: string) =>
    (scraper?.pods() ?? []).filter(({ metadata }) => namespace === undefined || metadata.namespace === namespace)
  const list = (kind: string, items: object[]) => ({
    kind: `${kind}List`,
    apiVersion: groupVersion,
    metadata: {},
    items,
  })
  const missing = (resource: 'nodes' | 'pods', name: string) =>
    notFound({ ...resources[resource], group: 'metrics.k8s.io' }, name)

  app.get('/apis', () => ({ kind: 'APIGroupList', apiVersion: 'v1', groups: [group] }))
  app.get('/apis/metrics.k8s.io', () => ({ kind: 'APIGroup', apiVersion: 'v1', ...group }))
  app.get(base, () => ({ kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources: kinds }))
  app.get(`${base}/nodes`, request => list('NodeMetrics', selected(request, nodes()).flatMap(nodeMetrics)))
  app.get(`${base}/pods`, request => list('PodMetrics', selected(request, pods()).flatMap(podMetrics)))
  app.get<{ Params: { namespace: string } }>(`${base}/namespaces/:namespace/pods`, request =>
    list('PodMetrics', selected(request, pods(request.params.namespace)).flatMap(podMetrics)),
  )
  app.get<{ Params: { name: string } }>(`${base}/nodes/:name`, ({ params: { name } }) => {
    const [found] = nodes()
      .filter(({ metadata }) => metadata.name === name)
      .flatMap(nodeMetrics)
    if (!found) throw missing('nodes', name)
    return found
  })
  app.get<{ Params: { namespace: string; name: string } }>(
    `${base}/namespaces/:namespace/pods/:name`,
    ({ params: { namespace, name } }) => {
      const [found] = pods(namespace)
        .filter(({ metadata }) => metadata.name === name)
        .flatMap(podMetrics)
      if (!found) throw missing('pods', `${namespace}/${name}`)
      return found
    },
  )
}

/** `labelSelector` and `fieldSelector=metadata.name=…` of the query. */
function selected<T extends KubeObject>(request: FastifyRequest, objects: readonly T[]): T[] {
  const { labelSelector = '', fieldSelector = '' } = request.query as Record<string, string>
  try {
    const labels = parseLabelSelector(labelSelector)
    const fields = parseFieldSelector(fieldSelector)
    return objects.filter(
      ({ metadata }) =>
        labelsMatch(labels, metadata.labels) &&
        fields.every(({ field, equal, value }) => {
          const actual =
            field === 'metadata.name' ? metadata.name : field === 'metadata.namespace' ? metadata.namespace : undefined
          return (actual === value) === equal
        }),
    )
  } catch (error) {
    throw badRequest((error as Error).message)
  }
}
