/** The pods bound to this node, followed by watch: a worker each. */
import type { Client } from '#kubernetes/client.ts'
import { createInformer } from '#kubernetes/informer.ts'
import { resources } from '#kubernetes/resources.ts'
import type { Pod } from '#kubernetes/types.ts'
import { podAddresses } from './pod-addresses.ts'
import { type PodContext, PodWorker } from './pod-worker.ts'
import { PodSources } from './volumes.ts'

export interface Pods {
  start(): void
  readonly hasSynced: boolean
  /** As the API has them. */
  list(): Pod[]
  workers(): PodWorker[]
  find(namespace: string, name: string): PodWorker | undefined
  stop(): Promise<void>
}

export function createPods(
  options: Omit<PodContext, 'addresses' | 'sources'> & {
    client: Client
    nodeName: string
    podCidr: string | undefined
  },
): Pods {
  const { client, log, nodeName } = options
  const context: PodContext = {
    ...options,
    addresses: podAddresses(nodeName, options.podCidr),
    sources: new PodSources(client),
  }
  const pods = createInformer({ client, resource: resources.pods, log, fieldSelector: `spec.nodeName=${nodeName}` })
  const workers = new Map<string, PodWorker>()
  const ending = new Set<Promise<void>>()

  const end = (uid: string) => {
    const worker = workers.get(uid)
    if (!worker) return
    workers.delete(uid)
    const ended = worker.end().finally(() => ending.delete(ended))
    ending.add(ended)
  }
  const add = (pod: Pod) => {
    const { uid = '' } = pod.metadata
    if (workers.has(uid)) return
    const worker = new PodWorker(pod, context)
    workers.set(uid, worker)
    log.info('SyncLoop ADD', { source: 'api', pod: `${pod.metadata.namespace}/${pod.metadata.name}` }, 2)
    worker.begin()
  }
  pods
    .on('add', add)
    .on('update', (pod, old) => {
      // a name that was taken again while we were not looking
      if (old.metadata.uid !== pod.metadata.uid) end(old.metadata.uid ?? '')
      const worker = workers.get(pod.metadata.uid ?? '')
      if (worker) worker.update(pod)
      else add(pod)
    })
    .on('delete', pod => end(pod.metadata.uid ?? ''))

  return {
    start: () => void pods.start(),
    get hasSynced() {
      return pods.hasSynced
    },
    list: () => pods.list(),
    workers: () => [...workers.values()],
    find(namespace, name) {
      const pod = pods.get(`${namespace}/${name}`)
      return pod && workers.get(pod.metadata.uid ?? '')
    },
    async stop() {
      await pods.stop()
      for (const uid of [...workers.keys()]) end(uid)
      await Promise.all(ending)
    },
  }
}
