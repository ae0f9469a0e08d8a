/** The kubelet's side of a node: it registers it, keeps its Lease alive and its status true. */
import type { Clock } from '#clock.ts'
import { messageOf } from '#errors.ts'
import { Backoff, pause } from '#kubernetes/backoff.ts'
import type { Client } from '#kubernetes/client.ts'
import { resources } from '#kubernetes/resources.ts'
import { isAlreadyExists, isNotFound } from '#kubernetes/status.ts'
import { microTime } from '#kubernetes/time.ts'
import type { Lease, Node } from '#kubernetes/types.ts'
import type { Log } from '#log.ts'
import type { EventRecorder } from '../event-recorder.ts'
import type { Settings } from './configuration.ts'
import { conditionsOf, nodeObject } from './node-object.ts'

const leaseNamespace = 'kube-node-lease'

export interface NodeReporter {
  start(): void
  /** Resolves when the node is there. */
  registered: Promise<void>
  stop(): Promise<void>
}

export function createNodeReporter(options: {
  client: Client
  clock: Clock
  log: Log
  settings: Settings
  events: EventRecorder
  /** Where this kubelet serves. */
  port: () => number
}): NodeReporter {
  const { client, clock, log, settings, events } = options
  const { nodeName: name } = settings
  const stop = new AbortController()
  const { signal } = stop
  const { promise: registered, resolve } = Promise.withResolvers<void>()
  const running: Promise<void>[] = []
  let node: Node | undefined
  let lease: Lease | undefined
  let reportedAt = 0
  // as the original: its uid is its name, which is what `kubectl describe node` looks for
  const about = { kind: 'Node', name, uid: name }

  async function register(): Promise<void> {
    const backoff = new Backoff({ maxMs: 7000 })
    log.info('Attempting to register node', { node: name })
    while (!signal.aborted) {
      const wanted = nodeObject(settings, options.port(), clock.now())
      try {
        try {
          node = await client.create(resources.nodes, wanted, { signal })
        } catch (error) {
          if (!isAlreadyExists(error)) throw error
          node = await client.get(resources.nodes, { name, signal })
          await reportStatus(wanted)
          log.info('Node was previously registered', { node: name })
        }
        reportedAt = performance.now()
        log.info('Successfully registered node', { node: name })
        events.event(about, 'Normal', 'NodeReady', `Node ${name} status is now: NodeReady`)
        resolve()
        return
      } catch (error) {
        if (signal.aborted) return
        log.error('Unable to register node with API server', messageOf(error), { node: name })
        await backoff.wait(signal)
      }
    }
  }

  async function reportStatus(wanted: Node): Promise<void> {
    const conditions = conditionsOf(clock.now(), node?.status?.conditions)
    // Labels and annotations of a node that was there already are brought up to date, too (kubelet.updateDefaultLabels).
    const { labels = {}, annotations = {} } = wanted.metadata
    const drifted = Object.entries(labels).some(([key, value]) => node?.metadata.labels?.[key] !== value)
    if (drifted) node = await client.patch(resources.nodes, { name }, { metadata: { labels, annotations } }, { signal })
    const status = { ...wanted.status, conditions }
    node = await client.patch(
      resources.nodes,
      { name },
      { status },
      { type: 'strategic', subresource: 'status', signal },
    )
    reportedAt = performance.now()
  }

  /** syncNodeStatus: when something changed, and every nodeStatusReportFrequency. */
  async function syncStatus(): Promise<void> {
    const due = performance.now() - reportedAt >= settings.statusReportMs
    const wanted = nodeObject(settings, options.port(), clock.now())
    try {
      const now = await client.get(resources.nodes, { name, signal })
      node = now
      if (due || !isHealthy(now) || differs(now, wanted)) await reportStatus(wanted)
    } catch (error) {
      if (!signal.aborted)
        log.error('Error updating node status, will retry', `error getting node "${name}": ${messageOf(error)}`)
    }
  }

  async function statusLoop(): Promise<void> {
    while (!signal.aborted) {
      await pause(settings.statusUpdateMs, signal)
      if (!signal.aborted) await syncStatus()
    }
  }

  /** component-helpers/apimachinery/lease: renewed four times in its life. */
  async function leaseLoop(): Promise<void> {
    const backoff = new Backoff({ maxMs: 7000 })
    const intervalMs = (settings.leaseSeconds * 1000) / 4
    let failing = false
    while (!signal.aborted) {
      try {
        await renew()
        // back again: what was said of us meanwhile (Ready=Unknown) is put right at once
        if (failing) await syncStatus()
        failing = false
        backoff.reset()
        await pause(intervalMs * (1 + 0.04 * Math.random()), signal)
      } catch (error) {
        if (signal.aborted) return
        const what = lease ? 'Failed to update lease' : 'Failed to ensure lease exists, will retry'
        log.error(what, messageOf(error))
        lease = undefined
        failing = true
        await backoff.wait(signal)
      }
    }
  }

  async function renew(): Promise<void> {
    const spec = {
      holderIdentity: name,
      leaseDurationSeconds: settings.leaseSeconds,
      renewTime: microTime(clock.now()),
    }
    lease ??= await client.get(resources.leases, { namespace: leaseNamespace, name, signal }).catch(error => {
      if (isNotFound(error)) return undefined
      throw error
    })
    if (lease) {
      lease = await client.update(resources.leases, { ...lease, spec: { ...lease.spec, ...spec } }, { signal })
      return
    }
    const owner = node?.metadata.uid
      ? { ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name, uid: node.metadata.uid }] }
      : {}
    lease = await client.create(
      resources.leases,
      { metadata: { name, namespace: leaseNamespace, ...owner }, spec },
      { signal },
    )
  }

  return {
    start() {
      if (!settings.registerNode) {
        resolve()
        return
      }
      const registering = register()
      running.push(registering, registering.then(leaseLoop), registering.then(statusLoop))
    },
    registered,
    async stop() {
      stop.abort()
      await Promise.all(running)
    },
  }
}

const isHealthy = ({ status }: Node) =>
  status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')

const differs = (a: Node, b: Node) =>
  (['addresses', 'capacity', 'allocatable', 'daemonEndpoints', 'nodeInfo'] as const).some(
    field => sorted(a.status?.[field]) !== sorted(b.status?.[field]),
  )

const sorted = (value: unknown) =>
  JSON.stringify(value, (_, inner) =>
    inner && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(
          Object.entries(inner)
            .filter(([, v]) => v !== '')
            .sort(([a], [b]) => (a < b ? -1 : 1)),
        )
      : inner,
  )
