/**
 * Steady traffic on every connection while a rotation goes on, at a rate that does not wait for answers. Most requests go over
 * connections that are kept alive, every eighth over a new one: its handshake asks both ends what they believe now.
 *
 * What is retried, and what not. A connection that nobody accepts, that ends before an answer, or a 5xx while a server starts, is tried
 * again until the request's time is over, as reflectors, etcd's client and every load balancer do: with one replica it is how real
 * clients live through a restart. Such requests are counted apart. A verdict is never retried: a refused handshake, 401 or 403 fails at once.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { type Clock, systemClock } from '#clock.ts'
import { messageOf } from '#errors.ts'
import { componentOf, connectionName } from '#mesh/connections.ts'
import { newRecords } from '#mesh/records.ts'
import { refusalOf } from '#tls/errors.ts'
import type { HandshakeRecord } from '#tls/types.ts'
import type { Voice } from '#x509/types.ts'
import { type Credentials, credentialsOf, type Lane, openLane } from './lane.ts'
import type { Loaded } from './loaded.ts'
import { podRow } from './pods.ts'
import { endsOnChange } from './rereads.ts'
import { layoutFor, type TrafficRow, trafficRowsOf } from './rows.ts'

export interface Failure {
  /** The client's words, or the answer's status. */
  client: string
  /** The server's words, when it wrote any. */
  server?: string
  handshake?: string
  refusedBy?: 'client' | 'server'
}

export interface RowTraffic {
  row: TrafficRow
  requests: number
  retried: number
  failed: number
  /** The first one. */
  failure?: Failure
  /** The last new handshake that ended well, as the client saw it. */
  seen?: HandshakeRecord
  /** How the last request over a new connection ended. */
  well: boolean
}

export interface TrafficOptions {
  loaded: Loaded
  /** Where the servers' records are. */
  dir: string
  /** Requests a second, over all connections together. */
  rate: number
  timeLimitMs: number
  voice: Voice
  clock?: Clock
}

/** One in so many. */
const freshEvery = 8
/** Of one connection. */
const mostOnWire = 3

export class Traffic {
  readonly #options: Required<TrafficOptions>
  readonly #all: readonly TrafficRow[]
  readonly #rows = new Map<string, RowTraffic>()
  /** With what its component had in memory then. */
  readonly #kept = new Map<string, { lane: Lane; version: number }>()
  readonly #credentials = new Map<string, Credentials>()
  readonly #pending = new Set<Promise<void>>()
  readonly #arrived: () => HandshakeRecord[]
  #timer: NodeJS.Timeout | undefined
  readonly #waiting = new Map<TrafficRow, number>()
  readonly #onWire = new Map<TrafficRow, number>()
  #sent = 0
  #turn = 0
  #began = 0

  constructor(options: TrafficOptions) {
    this.#options = { clock: systemClock, ...options }
    this.#all = trafficRowsOf(options.loaded.layout)
    this.#arrived = newRecords(options.dir)
    this.reset()
  }

  start(): void {
    const { rate } = this.#options
    this.#began = performance.now()
    if (rate === 0) return
    // A machine that is too slow for the rate gets less of it, and the result says so: what is owed is not made up for in bursts, and
    // no row has more than a few requests on their way, besides those that are retried.
    const mostAtOnce = Math.max(1, Math.ceil(rate / 10))
    const mostWaiting = Math.max(8, Math.ceil((3 * rate) / this.#all.length))
    const isFree = (row: TrafficRow) =>
      (this.#waiting.get(row) ?? 0) < mostWaiting && (this.#onWire.get(row) ?? 0) < mostOnWire
    this.#timer = setInterval(() => {
      const due = Math.floor(((performance.now() - this.#began) / 1000) * rate)
      this.#turn = Math.max(this.#turn, due - mostAtOnce)
      for (; this.#turn < due; this.#turn++) {
        const row = this.#all[this.#sent % this.#all.length]!
        const isFresh = Math.floor(this.#sent / this.#all.length) % freshEvery === 0
        this.#sent++
        if (isFree(row)) this.#track(row, this.#request(row, isFresh))
      }
    }, 20)
  }

  /** The counters begin at 0. */
  reset(): void {
    for (const row of this.#all) {
      const before = this.#rows.get(connectionName(row))
      const seen = before?.seen
      this.#rows.set(connectionName(row), {
        row,
        requests: 0,
        retried: 0,
        failed: 0,
        well: true,
        ...(seen ? { seen } : {}),
      })
    }
    this.#arrived()
  }

  /** The component's own connections are gone with it. */
  async restarted(component: string): Promise<void> {
    for (const row of this.#all) if (componentOf(row.from) === component) await this.#drop(connectionName(row))
  }

  /** A new handshake on every connection, then the answers to everything that is under way. In the table's order. */
  async take(): Promise<RowTraffic[]> {
    const round = this.#all.map(row => this.#request(row, true))
    const before = [...this.#pending]
    await Promise.all([...round, ...before])
    const rows = [...this.#rows.values()]
    this.#addServerWords(rows)
    return rows
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all(this.#pending)
    await Promise.all([...this.#kept.keys()].map(name => this.#drop(name)))
  }

  #track(row: TrafficRow, request: Promise<void>): void {
    this.#pending.add(request)
    this.#waiting.set(row, (this.#waiting.get(row) ?? 0) + 1)
    request.finally(() => {
      this.#pending.delete(request)
      this.#waiting.set(row, this.#waiting.get(row)! - 1)
    })
  }

  async #request(row: TrafficRow, isFresh: boolean): Promise<void> {
    const { timeLimitMs } = this.#options
    const count = this.#rows.get(connectionName(row))!
    count.requests++
    const deadline = performance.now() + timeLimitMs
    const turns = isFresh ? [row] : this.#turns(row)
    for (let tries = 0; ; tries++) {
      const asked = turns[tries % turns.length]!
      this.#onWire.set(row, (this.#onWire.get(row) ?? 0) + 1)
      const failure = await this.#once(asked, isFresh, Math.max(1, deadline - performance.now()))
      this.#onWire.set(row, this.#onWire.get(row)! - 1)
      if (failure === undefined) {
        if (tries >= turns.length) count.retried++
        if (isFresh) count.well = true
        return
      }
      const delayMs = Math.min(50 * 2 ** tries, 500)
      if (failure.final || performance.now() + delayMs > deadline) {
        count.failed++
        count.failure ??= failure
        if (isFresh) count.well = false
        return
      }
      // the next member is asked at once
      if ((tries + 1) % turns.length !== 0) continue
      await pause(delayMs)
    }
  }

  /** The apiserver asks any member of etcd; this one first, then those that it would go to when this one is away. */
  #turns(row: TrafficRow): TrafficRow[] {
    if (!row.serverMember || row.from !== 'kube-apiserver') return [row]
    const all = this.#all.filter(one => one.from === row.from && one.serverMember)
    const at = all.indexOf(row)
    return [...all.slice(at), ...all.slice(0, at)]
  }

  /** Undefined: answered well. */
  async #once(row: TrafficRow, isFresh: boolean, timeMs: number): Promise<(Failure & { final: boolean }) | undefined> {
    let lane: Lane | undefined
    try {
      lane = isFresh ? this.#open(row) : this.#keptLane(row)
      lane.enter()
      const { method, path, headers, body } = row.request
      const bearer = row === podRow ? this.#options.loaded.pod?.token : undefined
      const token: Record<string, string> = bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }
      const answer = await lane.transport.request({
        method,
        path: path.replace('{node}', layoutFor(this.#options.loaded.layout, row).nodes[0]!.name),
        headers: { accept: 'application/json', 'user-agent': 'trustplane-rehearsal', ...headers, ...token },
        ...(body === undefined ? {} : { body }),
        signal: AbortSignal.timeout(Math.ceil(timeMs)),
      })
      await answer.text()
      const record = lane.last()
      if (answer.status < 400) {
        if (isFresh && record) this.#rows.get(connectionName(row))!.seen = record
        return undefined
      }
      const isVerdict = answer.status === 401 || answer.status === 403
      return {
        client: `HTTP ${answer.status}`,
        final: isVerdict,
        ...(isVerdict ? { refusedBy: 'server' as const } : {}),
        ...(record ? { handshake: record.handshake } : {}),
      }
    } catch (error) {
      const refusal = refusalOf(error)
      const record = lane?.last()
      // another request may have put a new one there already
      if (lane && this.#kept.get(connectionName(row))?.lane === lane) await this.#drop(connectionName(row))
      return {
        client: refusal?.message ?? messageOf(error),
        // closed without a word: by a server that is going, too
        final: refusal?.reason !== undefined,
        ...(refusal ? { refusedBy: refusal.refusedBy } : {}),
        ...(record ? { handshake: record.handshake } : {}),
      }
    } finally {
      if (lane) await lane.leave()
      if (isFresh) await lane?.retire()
    }
  }

  #open(row: TrafficRow): Lane {
    const { loaded, clock, voice } = this.#options
    const name = connectionName(row)
    const credentials = this.#credentials.get(name) ?? credentialsOf(loaded, row)
    this.#credentials.set(name, credentials)
    return openLane({ layout: loaded.layout, row, credentials, clock, voice })
  }

  #keptLane(row: TrafficRow): Lane {
    const name = connectionName(row)
    const version = this.#options.loaded.version(componentOf(row.from))
    const kept = this.#kept.get(name)
    if (kept && (kept.version === version || !endsOnChange(row))) return kept.lane
    const lane = this.#open(row)
    this.#kept.set(name, { lane, version })
    // requests that are under way end on it
    kept?.lane.retire()
    return lane
  }

  async #drop(name: string): Promise<void> {
    const kept = this.#kept.get(name)
    this.#kept.delete(name)
    await kept?.lane.retire()
  }

  #addServerWords(rows: readonly RowTraffic[]): void {
    if (rows.every(({ failure }) => failure === undefined)) return
    const words = new Map<string, string>()
    for (const record of this.#arrived()) {
      if (record.end === 'server' && record.outcome === 'refused' && record.message)
        words.set(record.handshake, record.message)
    }
    for (const { failure } of rows) {
      const server = failure?.handshake ? words.get(failure.handshake) : undefined
      if (failure && server) failure.server = server
    }
  }
}
