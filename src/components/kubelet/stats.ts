/** /metrics/resource, /metrics/cadvisor and /stats/summary: what metrics-server and dashboards read. Usage is this process's own, shared out. */
import type { FastifyInstance } from 'fastify'
import type { Clock } from '#clock.ts'
import { time } from '#kubernetes/time.ts'
import type { Settings } from './configuration.ts'
import type { Container } from './container.ts'
import type { PodWorker } from './pod-worker.ts'
import type { Pods } from './pods.ts'

const prometheus = 'text/plain; version=0.0.4; charset=utf-8'
const containerBytes = 4 * 1024 * 1024

/** A simulated process uses next to nothing: a thousandth of a core since it started, and 4 MiB. */
function usageOf({ state }: Container, now: Date) {
  if (state.kind !== 'running') return undefined
  return {
    cpuSeconds: Math.max(0, (now.getTime() - state.startedAt.getTime()) / 1e6),
    memoryBytes: containerBytes,
    startedAt: state.startedAt,
  }
}

function nodeUsage() {
  const { user, system } = process.cpuUsage()
  return { cpuSeconds: (user + system) / 1e6, memoryBytes: process.memoryUsage.rss() }
}

export function addStats(app: FastifyInstance, pods: Pods, settings: Settings, clock: Clock): void {
  app.get('/metrics/resource', async (_request, reply) =>
    reply.header('content-type', prometheus).send(resourceMetrics(pods.workers(), clock.now())),
  )
  app.get('/metrics/cadvisor', async (_request, reply) =>
    reply.header('content-type', prometheus).send(cadvisorMetrics(pods.workers(), clock.now())),
  )
  app.get('/metrics/probes', async (_request, reply) => reply.header('content-type', prometheus).send(''))
  app.get('/stats/summary', async () => summary(pods.workers(), settings.nodeName, clock.now()))
}

const labels = (pairs: Record<string, string>) =>
  Object.entries(pairs)
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join(',')

/** One family: HELP, TYPE and its samples. */
const family = (name: string, type: string, help: string, samples: readonly string[]) =>
  `# HELP ${name} [STABLE] ${help}\n# TYPE ${name} ${type}\n${samples.map(sample => `${name}${sample}\n`).join('')}`

interface Sampled {
  labels: string
  podLabels: string
  usage: NonNullable<ReturnType<typeof usageOf>>
}

const sampled = (workers: readonly PodWorker[], now: Date): Sampled[] =>
  workers.flatMap(({ pod, containers }) =>
    containers.flatMap(container => {
      const usage = usageOf(container, now)
      const { namespace = '', name = '' } = pod.metadata
      if (!usage) return []
      return [
        {
          usage,
          labels: labels({ container: container.spec.name, namespace, pod: name }),
          podLabels: labels({ namespace, pod: name }),
        },
      ]
    }),
  )

function resourceMetrics(workers: readonly PodWorker[], now: Date): string {
  const at = now.getTime()
  const containers = sampled(workers, now)
  const node = nodeUsage()
  const byPod = Map.groupBy(containers, ({ podLabels }) => podLabels)
  const sum = (list: readonly Sampled[], field: 'cpuSeconds' | 'memoryBytes') =>
    list.reduce((total, { usage }) => total + usage[field], 0)
  return [
    family(
      'container_cpu_usage_seconds_total',
      'counter',
      'Cumulative cpu time consumed by the container in core-seconds',
      containers.map(c => `{${c.labels}} ${c.usage.cpuSeconds} ${at}`),
    ),
    family(
      'container_memory_working_set_bytes',
      'gauge',
      'Current working set of the container in bytes',
      containers.map(c => `{${c.labels}} ${c.usage.memoryBytes} ${at}`),
    ),
    family(
      'container_start_time_seconds',
      'gauge',
      'Start time of the container since unix epoch in seconds',
      containers.map(c => `{${c.labels}} ${c.usage.startedAt.getTime() / 1000}`),
    ),
    family('node_cpu_usage_seconds_total', 'counter', 'Cumulative cpu time consumed by the node in core-seconds', [
      ` ${node.cpuSeconds} ${at}`,
    ]),
    family('node_memory_working_set_bytes', 'gauge', 'Current working set of the node in bytes', [
      ` ${node.memoryBytes} ${at}`,
    ]),
    family(
      'pod_cpu_usage_seconds_total',
      'counter',
      'Cumulative cpu time consumed by the pod in core-seconds',
      [...byPod].map(([pod, list]) => `{${pod}} ${sum(list, 'cpuSeconds')} ${at}`),
    ),
    family(
      'pod_memory_working_set_bytes',
      'gauge',
      'Current working set of the pod in bytes',
      [...byPod].map(([pod, list]) => `{${pod}} ${sum(list, 'memoryBytes')} ${at}`),
    ),
    family('resource_scrape_error', 'gauge', '1 if there was an error while getting container metrics, 0 otherwise', [
      ' 0',
    ]),
  ].join('')
}

function cadvisorMetrics(workers: readonly PodWorker[], now: Date): string {
  const containers = sampled(workers, now)
  const at = now.getTime()
  return [
    family(
      'container_cpu_usage_seconds_total',
      'counter',
      'Cumulative cpu time consumed in seconds.',
      containers.map(c => `{${c.labels},cpu="total"} ${c.usage.cpuSeconds} ${at}`),
    ),
    family(
      'container_memory_working_set_bytes',
      'gauge',
      'Current working set in bytes.',
      containers.map(c => `{${c.labels}} ${c.usage.memoryBytes} ${at}`),
    ),
    family(
      'container_start_time_seconds',
      'gauge',
      'Start time of the container since unix epoch in seconds.',
      containers.map(c => `{${c.labels}} ${c.usage.startedAt.getTime() / 1000} ${at}`),
    ),
  ].join('')
}

function summary(workers: readonly PodWorker[], nodeName: string, now: Date) {
  const at = time(now)
  const node = nodeUsage()
  const figures = ({ cpuSeconds, memoryBytes }: { cpuSeconds: number; memoryBytes: number }) => ({
    cpu: { time: at, usageCoreNanoSeconds: Math.round(cpuSeconds * 1e9) },
    memory: { time: at, workingSetBytes: memoryBytes, usageBytes: memoryBytes, rssBytes: memoryBytes },
  })
  return {
    node: { nodeName, startTime: time(new Date(now.getTime() - process.uptime() * 1000)), ...figures(node) },
    pods: workers.map(({ pod, containers }) => {
      const { name, namespace, uid } = pod.metadata
      return {
        podRef: { name, namespace, uid },
        startTime: pod.status?.startTime ?? at,
        containers: containers.flatMap(container => {
          const usage = usageOf(container, now)
          return usage ? [{ name: container.spec.name, startTime: time(usage.startedAt), ...figures(usage) }] : []
        }),
      }
    }),
  }
}
