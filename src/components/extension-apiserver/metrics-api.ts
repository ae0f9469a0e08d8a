/**
 * The aggregated API: metrics.k8s.io/v1beta1, as metrics-server serves it before it has scraped anything. No figure is made up:
 * the lists are empty, and `kubectl top` says `metrics not available yet`.
 */
import type { FastifyInstance } from 'fastify'
import { resources } from '#kubernetes/resources.ts'
import { notFound } from '#kubernetes/status.ts'

const groupVersion = 'metrics.k8s.io/v1beta1'
const base = `/apis/${groupVersion}`

const kinds = [
  { name: 'nodes', singularName: '', namespaced: false, kind: 'NodeMetrics', verbs: ['get', 'list'] },
  { name: 'pods', singularName: '', namespaced: true, kind: 'PodMetrics', verbs: ['get', 'list'] },
] as const

const version = { groupVersion, version: 'v1beta1' }
const group = { name: 'metrics.k8s.io', versions: [version], preferredVersion: version }

export function metricsApi(app: FastifyInstance): void {
  app.get('/apis', () => ({ kind: 'APIGroupList', apiVersion: 'v1', groups: [group] }))
  app.get('/apis/metrics.k8s.io', () => ({ kind: 'APIGroup', apiVersion: 'v1', ...group }))
  app.get(base, () => ({ kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources: kinds }))
  const list = (kind: string) => () => ({ kind: `${kind}List`, apiVersion: groupVersion, metadata: {}, items: [] })
  app.get(`${base}/nodes`, list('NodeMetrics'))
  app.get(`${base}/pods`, list('PodMetrics'))
  app.get(`${base}/namespaces/:namespace/pods`, list('PodMetrics'))
  const missing = (resource: 'nodes' | 'pods') => (request: { params: unknown }) => {
    const { name } = request.params as { name: string }
    throw notFound({ ...resources[resource], group: 'metrics.k8s.io' }, name)
  }
  app.get(`${base}/nodes/:name`, missing('nodes'))
  app.get(`${base}/namespaces/:namespace/pods/:name`, missing('pods'))
}
