/** metrics-server's half that dials: nodes and pods by watch, /metrics/resource of every kubelet again and again. */
import { messageOf } from '#errors.ts'
import { pause } from '#kubernetes/backoff.ts'
import type { Client } from '#kubernetes/client.ts'
import { createClient } from '#kubernetes/from-kubeconfig.ts'
import { createInformer } from '#kubernetes/informer.ts'
import { keyOf, resources } from '#kubernetes/resources.ts'
import type { Node, Pod } from '#kubernetes/types.ts'
import { fileBundle, memoryBundle } from '#tls/bundle.ts'
import { createDialer } from '#tls/dial.ts'
import { fileIdentity } from '#tls/identity.ts'
import type { ComponentContext } from '../component.ts'
import type { Values } from './flags.ts'
import { type NodeReadings, parseReadings, readingBefore, type Usage, usageOf } from './samples.ts'

const names = { component: 'extension-apiserver', from: 'extension-apiserver', to: 'kubelet' }

export interface Scraper {
  nodes(): Node[]
  pods(): Pod[]
  nodeUsage(name: string): Usage | undefined
  /** By container. Undefined before there are two readings. */
  podUsage(pod: Pod): Map<string, Usage> | undefined
  start(): void
  stop(): Promise<void>
}

// Not in the first seconds of a mesh, when everybody is busy with starting.
const startAfterMs = 3000
// The first figures need two readings: they are not put off for a whole --metric-resolution.
const secondReadingMs = 1000
const scrapeTimeoutMs = 10_000

export function createScraper(client: Client, values: Values, context: ComponentContext): Scraper {
  const { log, clock } = context
  const nodes = createInformer({ client, resource: resources.nodes, log })
  const pods = createInformer({ client, resource: resources.pods, log })
  const kubelets = kubeletClients(values, context)
  const readings = new Map<string, { before?: NodeReadings; now: NodeReadings }>()
  const stop = new AbortController()
  let running: Promise<void> | undefined

  async function scrape(node: Node): Promise<void> {
    const name = node.metadata.name ?? ''
    try {
      const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(scrapeTimeoutMs)])
      const answer = await kubelets.clientOf(node).raw({ path: '/metrics/resource', signal })
      const text = await answer.text()
      if (answer.status !== 200) throw new Error(`request failed, status: "${answer.status} ${text.trim()}"`)
      const known = readings.get(name)
      readings.set(name, { ...(known ? { before: known.now } : {}), now: parseReadings(text, clock.now()) })
    } catch (error) {
      if (!stop.signal.aborted) log.error('Failed to scrape node', messageOf(error), { node: name })
    }
  }

  async function loop(): Promise<void> {
    await pause(Math.min(startAfterMs, values['metric-resolution']), stop.signal)
    if (stop.signal.aborted) return
    nodes.start()
    pods.start()
    await Promise.all([nodes.synced, pods.synced])
    while (!stop.signal.aborted) {
      const all = nodes.list()
      await Promise.all(all.map(scrape))
      for (const name of readings.keys()) if (!nodes.get(name)) readings.delete(name)
      const early = all.some(({ metadata }) => !readings.get(metadata.name ?? '')?.before) || all.length === 0
      await pause(
        early ? Math.min(secondReadingMs, values['metric-resolution']) : values['metric-resolution'],
        stop.signal,
      )
    }
  }

  return {
    nodes: () => nodes.list(),
    pods: () => pods.list(),
    nodeUsage(name) {
      const known = readings.get(name)
      return known?.now.node && usageOf(known.before?.node, known.now.node)
    },
    podUsage(pod) {
      const known = readings.get(pod.spec.nodeName ?? '')
      const now = known?.now.pods.get(keyOf(pod))
      const before = known?.before?.pods.get(keyOf(pod))
      if (!now) return undefined
      const usages = [...now].flatMap(([name, reading]): [string, Usage][] => {
        const usage = usageOf(readingBefore(before?.get(name), reading), reading)
        return usage ? [[name, usage]] : []
      })
      return usages.length === now.size && usages.length > 0 ? new Map(usages) : undefined
    },
    start() {
      running = loop()
    },
    async stop() {
      stop.abort()
      await Promise.all([nodes.stop(), pods.stop()])
      // a loop that still waits for its first list ends with the process
      await Promise.race([running, Promise.resolve()])
      await kubelets.close()
    },
  }
}

/** One client an address. */
function kubeletClients(values: Values, context: ComponentContext) {
  const { log } = context
  const certFile = values['kubelet-client-certificate']
  const keyFile = values['kubelet-client-key']
  const caFile = values['kubelet-certificate-authority']
  const identity = certFile && keyFile ? fileIdentity({ certFile, keyFile, reload: 'client-go', log }) : undefined
  const roots = caFile ? fileBundle({ file: caFile, reader: 'client-go', reload: 'start', log }) : memoryBundle([])
  const insecureSkipVerify = values['kubelet-insecure-tls']
  const dialer = createDialer({ ...context, ...names, roots, insecureSkipVerify, ...(identity ? { identity } : {}) })
  const clients = new Map<string, Client>()
  return {
    clientOf(node: Node): Client {
      const server = `https://${addressOf(node, values)}`
      let client = clients.get(server)
      if (!client) {
        client = createClient({ ...context, ...names, dialer, server })
        clients.set(server, client)
      }
      return client
    },
    async close() {
      await Promise.all([...clients.values()].map(client => client.close()))
      await dialer.close()
      identity?.close()
      roots.close()
    },
  }
}

function addressOf({ status, metadata }: Node, values: Values): string {
  const types = values['kubelet-preferred-address-types']
  const host = types.map(type => status?.addresses?.find(address => address.type === type)?.address).find(Boolean)
  const port = values['kubelet-use-node-status-port']
    ? (status?.daemonEndpoints?.kubeletEndpoint?.Port ?? values['kubelet-port'])
    : values['kubelet-port']
  return `${host ?? metadata.name}:${port}`
}
