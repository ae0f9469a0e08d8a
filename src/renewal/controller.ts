/** The renewing controller: its kinds are defined, then followed until it is stopped. */
import type { Clock } from '#clock.ts'
import { createEventRecorder, type EventRecorder } from '#components/event-recorder.ts'
import type { WorkQueue } from '#components/work-queue.ts'
import type { Client } from '#kubernetes/client.ts'
import { createInformer, type Informer } from '#kubernetes/informer.ts'
import { type Resource, resources } from '#kubernetes/resources.ts'
import { isAlreadyExists, isConflict, isNotFound } from '#kubernetes/status.ts'
import type { Condition, KubeObject } from '#kubernetes/types.ts'
import type { Log } from '#log.ts'
import { createCertificateController, type Issued } from './certificates.ts'
import type { RenewalContext } from './context.ts'
import { customResourceDefinitions, definitions } from './definitions.ts'
import { createIssuerController } from './issuers.ts'
import { createRequestController } from './requests.ts'
import { certificateRequests, certificates, clusterIssuers, issuers } from './types.ts'

export interface RenewalOptions {
  /** Of somebody who may write CustomResourceDefinitions, Secrets and Events; closed by its owner. */
  client: Client
  clock: Clock
  log: Log
  /** Called whenever a certificate and its secret fit together: after each issuance, and at start. */
  onSecret?: (issued: Issued, events: EventRecorder) => Promise<void>
  /** Hears every event that is written about an object. */
  onEvent?: EventRecorder['event']
}

export interface Renewal {
  context: RenewalContext
  /** Nothing new is begun; what runs comes to its end. */
  stop(): Promise<void>
}

/** Resolves when every kind is served and known. */
export async function startRenewal(options: RenewalOptions): Promise<Renewal> {
  const { client, clock, log } = options
  await ensureDefinitions(options)
  const recorder = createEventRecorder({ client, clock, log, component: 'cert-manager' })
  const events: EventRecorder = {
    event(...what) {
      options.onEvent?.(...what)
      recorder.event(...what)
    },
    close: () => recorder.close(),
  }
  const informer = <T extends KubeObject>(resource: Resource<T>): Informer<T> =>
    createInformer({ client, resource, log })
  const context: RenewalContext = {
    client,
    clock,
    log,
    events,
    informers: {
      certificates: informer(certificates),
      requests: informer(certificateRequests),
      issuers: informer(issuers),
      clusterIssuers: informer(clusterIssuers),
      secrets: informer(resources.secrets),
    },
  }
  const { informers } = context
  removeOwned(context)
  const queues: WorkQueue[] = [
    createIssuerController(context, false),
    createIssuerController(context, true),
    createRequestController(context),
    createCertificateController(context, async issued => options.onSecret?.(issued, events)),
  ]
  // secrets first: an issuer without its secret would be told of at start, and a certificate issued anew
  const all: Informer<never>[] = [
    informers.secrets,
    informers.requests,
    informers.issuers,
    informers.clusterIssuers,
    informers.certificates,
  ] as unknown as Informer<never>[]
  for (const each of all) await each.start().synced
  return {
    context,
    async stop() {
      await Promise.all(queues.map(queue => queue.stop()))
      await Promise.all(all.map(each => each.stop()))
      await events.close()
    },
  }
}

/** Requests, and a key that waits for its certificate, go with it: the garbage collector of our controller-manager does not follow custom kinds. */
function removeOwned({ informers, client, log }: RenewalContext): void {
  informers.certificates.on('delete', ({ metadata }) => {
    const isOwned = (object: KubeObject) => object.metadata.ownerReferences?.some(({ uid }) => uid === metadata.uid)
    const remove = <T extends KubeObject>(resource: Resource<T>, { metadata: { name = '', namespace = '' } }: T) =>
      client.delete(resource, { namespace, name }).catch(error => {
        if (!isNotFound(error)) log.error(`Unable to delete ${resource.kind}`, error, { name })
      })
    for (const request of informers.requests.list().filter(isOwned)) void remove(certificateRequests, request)
    for (const secret of informers.secrets.list().filter(isOwned)) void remove(resources.secrets, secret)
  })
}

/** Those that are not ours (a real cert-manager's) are left alone. */
async function ensureDefinitions({ client, log }: RenewalOptions): Promise<void> {
  for (const wanted of definitions) await ensure(client, wanted)
  const names = new Set(definitions.map(({ metadata }) => metadata.name))
  const known = createInformer({ client, resource: customResourceDefinitions as Resource, log })
  const established = new Promise<void>(resolve => {
    const look = () => {
      const served = known.list().filter(each => names.has(each.metadata.name) && isEstablished(each))
      if (served.length === names.size) resolve()
    }
    known.on('add', look).on('update', look)
  })
  known.start()
  try {
    await established
  } finally {
    await known.stop()
  }
}

const isEstablished = (object: KubeObject & { status?: { conditions?: Condition[] } }) =>
  object.status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True') === true

const managedBy = 'app.kubernetes.io/managed-by'

async function ensure(client: Client, wanted: KubeObject): Promise<void> {
  const resource = customResourceDefinitions as Resource
  const name = wanted.metadata.name!
  for (;;) {
    try {
      await client.create(resource, wanted)
      return
    } catch (error) {
      if (!isAlreadyExists(error)) throw error
    }
    try {
      const there = await client.get(resource, { name })
      if (there.metadata.labels?.[managedBy] !== wanted.metadata.labels?.[managedBy]) return
      await client.update(resource, { ...there, ...wanted, metadata: { ...there.metadata, ...wanted.metadata } })
      return
    } catch (error) {
      if (!isConflict(error) && !isNotFound(error)) throw error
    }
  }
}
