/**
 * etcd's members as its Go client goes about them (clientv3 3.4 and newer, grpc-go's round_robin): every request to the next that
 * is not known to be away; one that failed is left alone for a while that grows (grpc-go's backoff.DefaultConfig).
 */
const firstPauseMs = 1000
const factor = 1.6
const longestPauseMs = 20_000

interface State {
  failures: number
  /** By performance.now(). */
  awayUntil: number
}

export class Endpoints {
  readonly #all: readonly string[]
  readonly #states: Map<string, State>
  #turn = -1
  current: string

  constructor(all: readonly string[]) {
    this.#all = all
    this.#states = new Map(all.map(endpoint => [endpoint, { failures: 0, awayUntil: 0 }]))
    this.current = all[0]!
  }

  /** In which order to try them: those that are well by turns, then those that are away. */
  turns(): readonly string[] {
    if (this.#all.length === 1) return this.#all
    this.#turn = (this.#turn + 1) % this.#all.length
    const turned = [...this.#all.slice(this.#turn), ...this.#all.slice(0, this.#turn)]
    const now = performance.now()
    const isAway = (endpoint: string) => this.#states.get(endpoint)!.awayUntil > now
    const order = [...turned.filter(endpoint => !isAway(endpoint)), ...turned.filter(isAway)]
    this.current = order[0]!
    return order
  }

  answered(endpoint: string): void {
    const state = this.#states.get(endpoint)!
    state.failures = 0
    state.awayUntil = 0
  }

  failed(endpoint: string): void {
    const state = this.#states.get(endpoint)!
    state.awayUntil = performance.now() + Math.min(firstPauseMs * factor ** state.failures, longestPauseMs)
    state.failures++
  }
}
