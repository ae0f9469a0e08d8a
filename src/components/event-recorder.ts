/** Events about objects, as client-go's recorder writes them: one object for what is said again, with a count. */

import type { Clock } from '#clock.ts'
import { messageOf } from '#errors.ts'
import type { Client } from '#kubernetes/client.ts'
import { apiVersionOf, type Resource, resources } from '#kubernetes/resources.ts'
import { isNotFound } from '#kubernetes/status.ts'
import { time } from '#kubernetes/time.ts'
import type { Event, KubeObject, ObjectReference } from '#kubernetes/types.ts'
import type { Log } from '#log.ts'

export interface EventRecorder {
  /** Returns at once; an event that cannot be written is logged, and lost. */
  event(about: ObjectReference, type: 'Normal' | 'Warning', reason: string, message: string): void
  /** Waits for what is on its way. */
  close(): Promise<void>
}

export const referenceTo = <T extends KubeObject>(resource: Resource<T>, { metadata }: T): ObjectReference => ({
  kind: resource.kind,
  apiVersion: apiVersionOf(resource),
  ...(metadata.namespace ? { namespace: metadata.namespace } : {}),
  name: metadata.name ?? '',
  ...(metadata.uid ? { uid: metadata.uid } : {}),
  ...(metadata.resourceVersion ? { resourceVersion: metadata.resourceVersion } : {}),
})

const remembered = 4096
/** So many at once: a burst of pods must not open a connection for each of its events. */
const atOnce = 4

export function createEventRecorder(options: {
  client: Client
  clock: Clock
  log: Log
  /** `default-scheduler`, `kubelet`, `deployment-controller`. */
  component: string
  host?: string
}): EventRecorder {
  const { client, clock, log, component, host } = options
  const known = new Map<string, { name: string; namespace: string; count: number }>()
  /** One after the other for each key, so that a count follows its creation. */
  const chains = new Map<string, Promise<void>>()
  const stop = new AbortController()
  // Nanoseconds in the original: what keeps two events of one millisecond apart.
  let sequence = 0

  async function write(key: string, about: ObjectReference, type: string, reason: string, message: string) {
    const now = time(clock.now())
    const { signal } = stop
    const seen = known.get(key)
    if (seen) {
      seen.count++
      try {
        await client.patch(resources.events, seen, { count: seen.count, lastTimestamp: now }, { signal })
        return
      } catch (error) {
        if (!isNotFound(error)) throw error
      }
    }
    const namespace = about.namespace ?? 'default'
    const stamp = BigInt(clock.now().getTime()) * 1_000_000n + BigInt(sequence++ % 1_000_000)
    const name = `${about.name}.${stamp.toString(16)}`
    const event: Event = {
      metadata: { name, namespace },
      involvedObject: about,
      reason,
      message,
      source: { component, ...(host ? { host } : {}) },
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
      type,
      eventTime: null,
      reportingComponent: component,
      reportingInstance: host ?? '',
    }
    await client.create(resources.events, event, { signal })
    if (known.size >= remembered) known.delete(known.keys().next().value!)
    known.set(key, { name, namespace, count: 1 })
  }

  let free = atOnce
  const waiting: (() => void)[] = []
  const turn = async () => {
    if (free > 0) free--
    else await new Promise<void>(resolve => waiting.push(resolve))
  }
  const done = () => {
    const next = waiting.shift()
    if (next) next()
    else free++
  }

  return {
    event(about, type, reason, message) {
      if (stop.signal.aborted) return
      const { kind, namespace, name, uid, fieldPath } = about
      const key = [kind, namespace, name, uid, fieldPath, type, reason, message].join('\0')
      const chain = (chains.get(key) ?? Promise.resolve())
        .then(turn)
        .then(() => (stop.signal.aborted ? undefined : write(key, about, type, reason, message)))
        .catch(error => {
          if (!stop.signal.aborted)
            log.error('Unable to write event (will not retry!)', messageOf(error), { event: `${reason}: ${message}` })
        })
        .then(() => {
          done()
          if (chains.get(key) === chain) chains.delete(key)
        })
      chains.set(key, chain)
    },
    async close() {
      stop.abort()
      await Promise.all(chains.values())
    },
  }
}
