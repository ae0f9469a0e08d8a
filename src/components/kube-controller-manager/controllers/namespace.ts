/** namespace-controller: empties a namespace that is being deleted, then lets it go (pkg/controller/namespace/deletion). */
import { messageOf } from '#errors.ts'
import { resources } from '#kubernetes/resources.ts'
import { isConflict, isNotFound } from '#kubernetes/status.ts'
import type { Namespace } from '#kubernetes/types.ts'
import { WorkQueue } from '../../work-queue.ts'
import type { Controller, ControllerContext } from './controller.ts'

interface APIResource {
  name: string
  namespaced: boolean
  verbs: string[]
}

/** How soon an unfinished one is looked at again: pods may still be ending. */
const againMs = 250

export function createNamespaceController({ client, informers, log }: ControllerContext): Controller {
  const { namespaces } = informers
  const queue = new WorkQueue({ name: 'namespace', log, sync, maxDelayMs: 2000 })

  async function sync(name: string): Promise<void> {
    const namespace = namespaces.get(name)
    if (!namespace?.metadata.deletionTimestamp) return
    const remaining = await empty(name)
    if (remaining > 0) {
      queue.addAfter(name, againMs)
      return
    }
    await finalize(namespace)
  }

  /** @returns how many objects are still there */
  async function empty(namespace: string): Promise<number> {
    let remaining = 0
    for (const path of await collections()) {
      const place = path.replace('{namespace}', encodeURIComponent(namespace))
      const listed = await json<{ items?: unknown[] }>('GET', place)
      if (!listed?.items?.length) continue
      await json('DELETE', place)
      remaining += (await json<{ items?: unknown[] }>('GET', place))?.items?.length ?? 0
    }
    return remaining
  }

  /** The paths of all collections in a namespace whose objects can be listed and deleted, by discovery. */
  async function collections(): Promise<string[]> {
    const groups = await json<{ groups: { preferredVersion: { groupVersion: string } }[] }>('GET', '/apis')
    const bases = ['/api/v1', ...(groups?.groups ?? []).map(group => `/apis/${group.preferredVersion.groupVersion}`)]
    const lists = await Promise.all(
      bases.map(async base => {
        try {
          const list = await json<{ resources: APIResource[] }>('GET', base)
          return (list?.resources ?? [])
            .filter(
              ({ namespaced, verbs }) => namespaced && verbs.includes('list') && verbs.includes('deletecollection'),
            )
            .map(({ name }) => `${base}/namespaces/{namespace}/${name}`)
        } catch (error) {
          // an aggregated API that does not answer must not keep namespaces for ever when it holds nothing that can be deleted
          log.error('unable to retrieve the complete list of server APIs', messageOf(error), { groupVersion: base })
          return []
        }
      }),
    )
    return lists.flat()
  }

  /** Undefined for 404 and 405: nothing of that kind to delete. */
  async function json<T>(method: string, path: string): Promise<T | undefined> {
    const answer = await client.raw({ method, path, headers: { accept: 'application/json' } })
    const text = await answer.text()
    if (answer.status === 404 || answer.status === 405) return undefined
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 300)}`)
    return JSON.parse(text) as T
  }

  async function finalize(namespace: Namespace): Promise<void> {
    const finalizers = (namespace.spec?.finalizers ?? []).filter(finalizer => finalizer !== 'kubernetes')
    const emptied = { ...namespace, spec: { ...namespace.spec, finalizers } }
    try {
      await client.updateSubresource(resources.namespaces, { name: namespace.metadata.name! }, 'finalize', emptied)
    } catch (error) {
      if (isConflict(error)) queue.addAfter(namespace.metadata.name!, againMs)
      else if (!isNotFound(error)) throw error
    }
  }

  return {
    start() {
      const look = (namespace: Namespace) => {
        if (namespace.metadata.deletionTimestamp) queue.add(namespace.metadata.name!)
      }
      namespaces.on('add', look).on('update', look)
      namespaces.list().forEach(look)
    },
    stop: () => queue.stop(),
  }
}
