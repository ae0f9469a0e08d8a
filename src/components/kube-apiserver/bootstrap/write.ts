/** Puts what is missing into etcd, in few transactions, and leaves alone what is there. */
import { randomUUID } from 'node:crypto'
import { time } from '#kubernetes/time.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import { resourceOf } from '../resources/table.ts'
import { encode } from '../storage/codec.ts'
import { prefixEnd } from '../storage/etcd.ts'
import type { Store } from '../storage/store.ts'
import { keyFor } from '../verbs/keys.ts'
import type { Wanted } from './objects.ts'

/** etcd's --max-txn-ops. */
const operationsPerTransaction = 128

export interface Missing {
  key: string
  object: Unstructured
}

/** @param known keys that are there already */
export function missingOf(wanted: readonly Wanted[], known: ReadonlySet<string>, now: Date): Missing[] {
  return wanted.flatMap(({ group, resource, objects }) => {
    const definition = resourceOf(group, resource)
    return objects.flatMap(object => {
      const key = keyFor(definition, object.metadata.namespace ?? '', object.metadata.name!)
      if (known.has(key)) return []
      const metadata = { ...object.metadata, uid: randomUUID(), creationTimestamp: time(now) }
      return [{ key, object: { ...object, metadata } }]
    })
  })
}

/** Names of what is there, one range each prefix. */
export async function knownKeys(store: Store, wanted: readonly Wanted[]): Promise<Set<string>> {
  const answers = await Promise.all(
    wanted.map(({ group, resource }) => {
      const prefix = `${resourceOf(group, resource).registry}/`
      return store.etcd.range({ key: prefix, rangeEnd: prefixEnd(prefix), keysOnly: true })
    }),
  )
  return new Set(answers.flatMap(({ kvs }) => kvs.map(({ key }) => key)))
}

/** @returns the revision of the last write; 0 when nothing was missing */
export async function writeMissing(store: Store, missing: readonly Missing[]): Promise<number> {
  const batches: Missing[][] = []
  for (let i = 0; i < missing.length; i += operationsPerTransaction)
    batches.push(missing.slice(i, i + operationsPerTransaction))
  const revisions = await Promise.all(
    batches.map(async batch => {
      const { succeeded, revision } = await store.etcd.txn(
        batch.map(({ key }) => ({ key, modRevision: 0 })),
        batch.map(({ key, object }) => ({ put: { key, value: encode(object) } })),
      )
      if (succeeded) return revision
      // Another apiserver is starting, too: one by one, whoever is first.
      for (const { key, object } of batch) await store.create(key, object)
      return store.etcd.range({ key: '/' }).then(answer => answer.revision)
    }),
  )
  return Math.max(0, ...revisions)
}
