/** The CustomResourceDefinitions of this apiserver: each becomes resources that are served, says so in its status, and takes its objects along when it goes. */
import { messageOf } from '#errors.ts'
import { time } from '#kubernetes/time.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import type { ComponentContext } from '../../component.ts'
import { array, at, text } from '../columns/values.ts'
import { findResource, resourceOf } from '../resources/table.ts'
import { StoreInformer } from '../storage/informer.ts'
import type { Store } from '../storage/store.ts'
import { keyFor } from '../verbs/keys.ts'
import { type CustomResource, resourcesOf } from './resource.ts'
import type { DefinitionSpec } from './types.ts'

export interface CustomResources {
  informer: StoreInformer
  find(group: string, version: string, resource: string): CustomResource | undefined
  all(): readonly CustomResource[]
  /** Another one whenever what is served has changed. */
  readonly generation: number
}

export function watchDefinitions(store: Store, { log, clock }: ComponentContext): CustomResources {
  const definition = resourceOf('apiextensions.k8s.io', 'customresourcedefinitions')
  const served = new Map<string, { resources: CustomResource[]; spec: string }>()
  const byPath = new Map<string, CustomResource>()
  let generation = 0

  const index = () => {
    generation++
    byPath.clear()
    for (const { resources } of served.values())
      for (const row of resources) byPath.set(`${row.group}/${row.version}/${row.resource}`, row)
  }

  const report = (name: string, problem: string | undefined) => {
    const write = store.update(keyFor(definition, '', name), current => {
      if (!current) throw new Error(`customresourcedefinition ${name} is gone`)
      return withStatus(current, problem, time(clock.now()))
    })
    write.catch(error => log.error('Error updating CustomResourceDefinition', messageOf(error), { name }))
  }

  const informer = new StoreInformer(store, definition, {
    put(object) {
      const { name = '' } = object.metadata
      const spec = JSON.stringify(object.spec)
      if (served.get(name)?.spec === spec) return
      const wanted = object.spec as unknown as DefinitionSpec
      const problem = conflictOf(wanted, name, served)
      if (problem) served.delete(name)
      else served.set(name, { resources: resourcesOf(wanted), spec })
      index()
      report(name, problem)
    },
    remove(object) {
      const { name = '' } = object.metadata
      const gone = served.get(name)
      served.delete(name)
      index()
      if (gone)
        removeObjects(store, gone.resources[0]?.registry).catch(error =>
          log.error('Error deleting custom resources', messageOf(error), { name }),
        )
    },
  })
  return {
    informer,
    find: (group, version, resource) => byPath.get(`${group}/${version}/${resource}`),
    all: () => [...byPath.values()],
    get generation() {
      return generation
    },
  }
}

/** naming_controller.go: names that another definition, or the server itself, has in this group. */
function conflictOf(
  { group, names }: DefinitionSpec,
  name: string,
  served: ReadonlyMap<string, { resources: CustomResource[] }>,
): string | undefined {
  if (findResource(group, 'v1', names.plural)) return `${JSON.stringify(names.plural)} is already in use`
  for (const [other, { resources }] of served) {
    const [row] = resources
    if (other === name || row?.group !== group) continue
    if (row.kind === names.kind) return `${JSON.stringify(names.kind)} is already in use`
    const short = names.shortNames?.find(word => row.shortNames.includes(word))
    if (short) return `${JSON.stringify(short)} is already in use`
  }
  return undefined
}

function withStatus(object: Unstructured, problem: string | undefined, now: string): Unstructured {
  const { names, versions } = object.spec as unknown as DefinitionSpec
  const before = array(object, 'status', 'conditions')
  const condition = (type: string, isTrue: boolean, reason: string, message: string) => {
    const status = isTrue ? 'True' : 'False'
    const old = before.find(each => each.type === type)
    const lastTransitionTime = old?.status === status ? text(old, 'lastTransitionTime') : now
    return { type, status, lastTransitionTime, reason, message }
  }
  const storage = versions.find(version => version.storage)?.name
  const stored = array<string>(object, 'status', 'storedVersions')
  return {
    ...object,
    status: {
      conditions: problem
        ? [
            condition('NamesAccepted', false, 'NameConflict', problem),
            condition('Established', false, 'NotAccepted', 'not all names are accepted'),
          ]
        : [
            condition('NamesAccepted', true, 'NoConflicts', 'no conflicts found'),
            condition('Established', true, 'InitialNamesAccepted', 'the initial names have been accepted'),
          ],
      acceptedNames: problem ? (at(object, 'status', 'acceptedNames') ?? { plural: '', kind: '' }) : names,
      storedVersions: storage && !stored.includes(storage) ? [...stored, storage] : stored,
    },
  }
}

/** What the finalizer customresourcecleanup.apiextensions.k8s.io is for. */
async function removeObjects(store: Store, registry: string | undefined): Promise<void> {
  if (!registry) return
  const { kvs } = await store.list({ prefix: `${registry}/` })
  await Promise.all(kvs.map(({ key, modRevision }) => store.remove(key, modRevision)))
}
