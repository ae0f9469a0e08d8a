/** Starts the controllers that `--controllers` names, each as soon as it has its credentials and the informers have synced. */
import { messageOf } from '#errors.ts'
import { Backoff } from '#kubernetes/backoff.ts'
import type { Client } from '#kubernetes/client.ts'
import type { ComponentContext } from '../component.ts'
import { createEventRecorder, type EventRecorder } from '../event-recorder.ts'
import type { ControllerClients } from './controller-clients.ts'
import type { Controller } from './controllers/controller.ts'
import { type ControllerRow, controllers, isEnabled } from './controllers/index.ts'
import type { Values } from './flags.ts'
import type { Informers } from './informers.ts'

export function createControllerSet(options: {
  context: ComponentContext
  values: Values
  informers: Informers
  clients: ControllerClients
}) {
  const { context, values, informers, clients } = options
  const { log, clock } = context
  const running: Controller[] = []
  const recorders = new Map<string, EventRecorder>()
  const stopped = new AbortController()
  const { promise: failed, resolve: fail } = Promise.withResolvers<Error>()

  async function startOne(row: ControllerRow): Promise<void> {
    const client = await credentials(row.serviceAccount)
    if (!client || stopped.signal.aborted) return
    let events = recorders.get(row.serviceAccount)
    if (!events) {
      events = createEventRecorder({ client, clock, log, component: row.serviceAccount })
      recorders.set(row.serviceAccount, events)
    }
    let controller: Controller
    try {
      controller = row.create({ client, informers, clock, log, events, values })
    } catch (error) {
      // the original ends: "error starting controllers"
      log.error(`Error starting "${row.name}"`, messageOf(error))
      fail(new Error(messageOf(error)))
      return
    }
    running.push(controller)
    controller.start()
    log.info('Started controller', { controller: row.name })
  }

  /** kube-apiserver may not be ready, or its authorizer not yet know the bootstrap roles. */
  async function credentials(serviceAccount: string): Promise<Client | undefined> {
    const backoff = new Backoff({ maxMs: 5000 })
    for (let tries = 1; !stopped.signal.aborted; tries++) {
      try {
        return await clients.clientFor(serviceAccount)
      } catch (error) {
        if (tries % 10 === 0) log.error('unable to get a token for a controller', messageOf(error), { serviceAccount })
        await backoff.wait(stopped.signal)
      }
    }
    return undefined
  }

  return {
    /** Resolves with what ends the component: a signing CA that cannot be used. */
    failed,
    async start() {
      await Promise.all(Object.values(informers).map(informer => informer.synced))
      await Promise.all(controllers.filter(row => isEnabled(row, values.controllers)).map(startOne))
    },
    async stop() {
      stopped.abort()
      await Promise.all(running.map(controller => controller.stop()))
      await Promise.all([...recorders.values()].map(recorder => recorder.close()))
    },
  }
}
