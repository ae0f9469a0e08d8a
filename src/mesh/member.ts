/** One component under watch: started, seen to serve or to die, and started again when that was asked for. */
import { EventEmitter } from 'node:events'
import type { Member as MemberPlace } from './layout.ts'
import { type Addresses, type Exit, lastWords, type Running } from './process.ts'
import { beginningOf, type ComponentState } from './state.ts'

export interface MemberOptions extends MemberPlace {
  logFile: string
  /** Makes a component that waits for its command line. */
  launch(): Running
  /** Start it again when it dies. */
  restart: boolean
}

/** kubelet's CrashLoopBackOff begins at 10 s; people who watch would rather not wait that long. */
const backoffMs = { first: 250, most: 30_000, forgottenAfter: 10_000 }

export class Member extends EventEmitter<{ change: [] }> {
  readonly id: string
  readonly component: MemberPlace['component']
  readonly node: MemberPlace['node']
  state: ComponentState['state'] = 'starting'
  addresses: Addresses = {}
  argv: readonly string[] = []
  restarts = 0
  /** How it ended, in its own words. */
  words: string | undefined
  #options: MemberOptions
  #running: Running
  #began: string | undefined
  #startedAt = 0
  #retry: NodeJS.Timeout | undefined
  #delayMs = backoffMs.first

  constructor(options: MemberOptions) {
    super()
    this.#options = options
    this.id = options.id
    this.component = options.component
    this.node = options.node
    this.#running = options.launch()
    this.#watch(this.#running)
  }

  get pid(): number | undefined {
    return this.state === 'dead' || this.state === 'stopped' ? undefined : this.#running.pid
  }

  /** Gives it its command line. */
  start(argv: readonly string[]): void {
    this.argv = argv
    this.#startedAt = performance.now()
    this.#running.start(argv)
  }

  /** Resolves when it serves or has died; at the latest after `timeoutMs`, or when the signal is aborted. */
  async settled(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const timeout = AbortSignal.timeout(timeoutMs)
    const deadline = signal ? AbortSignal.any([timeout, signal]) : timeout
    while (this.state === 'starting' && !deadline.aborted) {
      await new Promise<void>(resolve => {
        const done = () => {
          this.off('change', done)
          deadline.removeEventListener('abort', done)
          resolve()
        }
        this.on('change', done)
        deadline.addEventListener('abort', done)
      })
    }
  }

  /** Stops it and starts it again, with another command line if one is given. */
  async restart(argv: readonly string[] = this.argv): Promise<void> {
    await this.stop()
    this.#relaunch(argv)
  }

  /** Puts its clock at this offset from the system's, while it runs. */
  setClock(offsetMs: number): void {
    this.#running.setClock?.(offsetMs)
  }

  async stop(): Promise<void> {
    clearTimeout(this.#retry)
    const wasDead = this.state === 'dead'
    this.state = 'stopped'
    await this.#running.stop()
    if (!wasDead) this.emit('change')
  }

  /** As mesh.json has it. */
  toState(): ComponentState {
    const { id, component, node, argv, addresses, state, restarts, words, pid } = this
    return {
      id,
      component,
      node: node.name,
      ...(pid === undefined ? {} : { pid, began: this.#began }),
      argv,
      addresses,
      state,
      restarts,
      ...(words ? { lastWords: words } : {}),
    }
  }

  #relaunch(argv: readonly string[]): void {
    this.state = 'starting'
    this.words = undefined
    this.#running = this.#options.launch()
    this.#watch(this.#running)
    this.start(argv)
    this.emit('change')
  }

  #watch(running: Running): void {
    this.#began = running.pid === undefined ? undefined : beginningOf(running.pid)
    running.ready.then(addresses => {
      if (running !== this.#running || this.state !== 'starting') return
      this.addresses = addresses
      this.state = 'running'
      this.emit('change')
    })
    running.exited.then(exit => {
      if (running === this.#running && this.state !== 'stopped') this.#died(exit)
    })
  }

  #died(exit: Exit): void {
    this.state = 'dead'
    const how = exit.signal ? `killed by ${exit.signal}` : `ended with status ${exit.code ?? 'unknown'}`
    this.words = [exit.failure ?? lastWords(this.#options.logFile), how].filter(Boolean).join('\n')
    if (this.#options.restart) {
      const ranMs = performance.now() - this.#startedAt
      if (ranMs > backoffMs.forgottenAfter) this.#delayMs = backoffMs.first
      this.#retry = setTimeout(() => {
        this.restarts++
        this.#relaunch(this.argv)
      }, this.#delayMs)
      this.#delayMs = Math.min(this.#delayMs * 2, backoffMs.most)
    }
    this.emit('change')
  }
}

/** Clients first: they say goodbye (leases, last status) to servers that still answer. etcd is last. */
export async function stopInOrder(members: readonly Member[]): Promise<void> {
  const servers = ['kube-apiserver', 'etcd']
  await Promise.all(members.filter(member => !servers.includes(member.component)).map(member => member.stop()))
  for (const server of servers)
    await Promise.all(members.filter(member => member.component === server).map(member => member.stop()))
}
