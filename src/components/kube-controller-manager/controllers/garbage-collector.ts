/**
 * generic-garbage-collector: what is owned goes when its last owner has gone; `foreground` and `orphan` deletions
 * (pkg/controller/garbagecollector). It follows the kinds that have dependents here.
 */
import type { Informer } from '#kubernetes/informer.ts'
import { apiVersionOf, type Resource } from '#kubernetes/resources.ts'
import { isConflict, isNotFound } from '#kubernetes/status.ts'
import type { KubeObject, OwnerReference } from '#kubernetes/types.ts'
import { WorkQueue } from '../../work-queue.ts'
import type { Controller, ControllerContext } from './controller.ts'

const foreground = 'foregroundDeletion'
const orphan = 'orphan'

export function createGarbageCollector({ client, informers, log }: ControllerContext): Controller {
  const dependents = [
    informers.replicasets,
    informers.pods,
    informers.endpointslices,
    informers.leases,
  ] as unknown as Informer<KubeObject>[]
  const owners = [
    informers.deployments,
    informers.replicasets,
    informers.services,
    informers.nodes,
    informers.pods,
  ] as unknown as Informer<KubeObject>[]
  const byKind = new Map(
    owners.map(informer => [`${apiVersionOf(informer.resource)}/${informer.resource.kind}`, informer]),
  )
  /** Keys: `d|resource|namespace/name` for a dependent, `o|…` for an owner that waits for its dependents. */
  const queue = new WorkQueue({ name: 'garbage', log, sync, workers: 20 })
  const informerOf = (name: string) => [...owners, ...dependents].find(({ resource }) => resource.resource === name)
  const keyed = (kind: 'd' | 'o', { resource }: Informer<KubeObject>, { metadata }: KubeObject) =>
    `${kind}|${resource.resource}|${metadata.namespace ? `${metadata.namespace}/` : ''}${metadata.name}`
  const dependentsOf = (uid: string) =>
    dependents.flatMap(informer => informer.by('owner', uid).map(object => ({ informer, object })))

  async function sync(key: string): Promise<void> {
    const [kind, name, place] = key.split('|') as [string, string, string]
    const informer = informerOf(name)
    const object = informer?.get(place)
    if (!informer || !object) return
    if (kind === 'd') await judge(informer, object)
    else await release(informer, object)
  }

  /** Deletes a dependent none of whose owners is there any more. */
  async function judge({ resource }: Informer<KubeObject>, object: KubeObject): Promise<void> {
    const references = object.metadata.ownerReferences ?? []
    if (references.length === 0 || object.metadata.deletionTimestamp) return
    const states = await Promise.all(references.map(reference => stateOf(reference, object.metadata.namespace)))
    if (states.includes('there')) return
    const propagationPolicy = states.includes('waiting') ? 'Foreground' : 'Background'
    await ignoring(
      client.delete(resource, at(object), { propagationPolicy, preconditions: { uid: object.metadata.uid ?? '' } }),
    )
  }

  /** `waiting`: it is being deleted, and waits for its dependents to go first. */
  async function stateOf(
    reference: OwnerReference,
    namespace: string | undefined,
  ): Promise<'there' | 'waiting' | 'gone'> {
    const informer = byKind.get(`${reference.apiVersion}/${reference.kind}`)
    // a kind that nobody here follows: not ours to judge
    if (!informer) return 'there'
    const place = informer.resource.namespaced ? `${namespace}/${reference.name}` : reference.name
    let owner: KubeObject | undefined = informer.get(place)
    if (owner?.metadata.uid !== reference.uid) owner = await live(informer.resource, reference.name, namespace)
    if (owner?.metadata.uid !== reference.uid) return 'gone'
    return owner.metadata.deletionTimestamp && owner.metadata.finalizers?.includes(foreground) ? 'waiting' : 'there'
  }

  /** The informer may be behind: only the server's word counts. */
  async function live(
    resource: Resource,
    name: string,
    namespace: string | undefined,
  ): Promise<KubeObject | undefined> {
    try {
      return await client.get(resource, { name, ...(resource.namespaced && namespace ? { namespace } : {}) })
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  }

  /** An owner that is being deleted, with one of our finalizers. */
  async function release(informer: Informer<KubeObject>, object: KubeObject): Promise<void> {
    const { metadata } = object
    if (!metadata.deletionTimestamp) return
    const owned = dependentsOf(metadata.uid ?? '')
    if (metadata.finalizers?.includes(orphan)) {
      for (const { informer: of, object: dependent } of owned) {
        const ownerReferences = dependent.metadata.ownerReferences?.filter(reference => reference.uid !== metadata.uid)
        await ignoring(
          client.patch(of.resource, at(dependent), {
            metadata: { ownerReferences, resourceVersion: dependent.metadata.resourceVersion },
          }),
        )
      }
      await dropFinalizer(informer.resource, object, orphan)
    } else if (metadata.finalizers?.includes(foreground)) {
      const blocking = owned.filter(({ object: dependent }) =>
        dependent.metadata.ownerReferences?.some(
          reference => reference.uid === metadata.uid && reference.blockOwnerDeletion,
        ),
      )
      for (const { informer: of, object: dependent } of owned) queue.add(keyed('d', of, dependent))
      if (blocking.length === 0) await dropFinalizer(informer.resource, object, foreground)
    }
  }

  async function dropFinalizer(resource: Resource, { metadata }: KubeObject, finalizer: string): Promise<void> {
    const finalizers = metadata.finalizers?.filter(name => name !== finalizer) ?? []
    await ignoring(
      client.patch(resource, at({ metadata }), { metadata: { finalizers, resourceVersion: metadata.resourceVersion } }),
    )
  }

  const at = ({ metadata }: KubeObject) => ({
    name: metadata.name ?? '',
    ...(metadata.namespace ? { namespace: metadata.namespace } : {}),
  })

  /** Gone or changed meanwhile: the watch tells. */
  async function ignoring(action: Promise<unknown>): Promise<void> {
    await action.catch(error => {
      if (!isNotFound(error) && !isConflict(error)) throw error
    })
  }

  return {
    start() {
      for (const informer of dependents) {
        const look = (object: KubeObject) => {
          if (object.metadata.ownerReferences?.length) queue.add(keyed('d', informer, object))
        }
        informer.on('add', look)
        for (const object of informer.list()) look(object)
      }
      for (const informer of owners) {
        const look = (object: KubeObject) => {
          const { finalizers = [], deletionTimestamp } = object.metadata
          if (deletionTimestamp && (finalizers.includes(foreground) || finalizers.includes(orphan)))
            queue.add(keyed('o', informer, object))
        }
        informer.on('add', look).on('update', look)
        informer.on('delete', object => {
          for (const { informer: of, object: dependent } of dependentsOf(object.metadata.uid ?? ''))
            queue.add(keyed('d', of, dependent))
        })
        for (const object of informer.list()) look(object)
      }
      // an owner in the foreground waits for these
      for (const informer of dependents) {
        informer.on('delete', ({ metadata }) => {
          for (const reference of metadata.ownerReferences ?? []) {
            const of = byKind.get(`${reference.apiVersion}/${reference.kind}`)
            const owner = of?.get(of.resource.namespaced ? `${metadata.namespace}/${reference.name}` : reference.name)
            if (of && owner?.metadata.deletionTimestamp) queue.add(keyed('o', of, owner))
          }
        })
      }
    },
    stop: () => queue.stop(),
  }
}
