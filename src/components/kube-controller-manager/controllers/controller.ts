/** What a controller is, and what it is given. */
import type { Clock } from '#clock.ts'
import type { Client } from '#kubernetes/client.ts'
import type { Log } from '#log.ts'
import type { EventRecorder } from '../../event-recorder.ts'
import type { Values } from '../flags.ts'
import type { Informers } from '../informers.ts'

export interface ControllerContext {
  /** Speaks as the controller. */
  client: Client
  informers: Informers
  clock: Clock
  log: Log
  events: EventRecorder
  values: Values
}

/** Its informers have synced when `start` is called. */
export interface Controller {
  start(): void
  stop(): Promise<void>
}
