/** One container of a pod, simulated: its state, its log, and its process, which is a program of shell/ or a server that just is there. */
import { createHash } from 'node:crypto'
import type { Clock } from '#clock.ts'
import { messageOf } from '#errors.ts'
import { time } from '#kubernetes/time.ts'
import type { Container as ContainerSpec, ContainerStatus } from '#kubernetes/types.ts'
import { ContainerLog } from './container-log.ts'
import { emptyInput, type Io } from './shell/io.ts'
import { isKnown, run } from './shell/run.ts'

export type ContainerState =
  | { kind: 'waiting'; reason: string; message?: string }
  | { kind: 'running'; startedAt: Date }
  | { kind: 'terminated'; exitCode: number; reason: string; startedAt: Date; finishedAt: Date; containerId: string }

/** Files and variables that a container finds. */
export interface Surroundings {
  env: ReadonlyMap<string, string>
  hostname: string
  file(path: string): Promise<string | undefined>
  folder(path: string): string[] | undefined
}

const waitingToStart = { kind: 'waiting', reason: 'ContainerCreating' } as const

export class Container {
  readonly spec: ContainerSpec
  state: ContainerState = waitingToStart
  lastState: (ContainerState & { kind: 'terminated' }) | undefined
  restartCount = 0
  log = new ContainerLog()
  previousLog: ContainerLog | undefined
  surroundings: Surroundings | undefined
  /** `trustplane://<64 hex>`: a new one each time it starts. */
  id = ''
  readonly #clock: Clock
  readonly #uid: string
  #stop = new AbortController()

  constructor(spec: ContainerSpec, podUid: string, clock: Clock) {
    this.spec = spec
    this.#uid = podUid
    this.#clock = clock
  }

  /** Starts the process. `exited` is called when it has ended, by itself or by `stop`. */
  start(surroundings: Surroundings, exited: (exitCode: number) => void, startedAt = this.#clock.now()): void {
    const { name, image = '' } = this.spec
    if (this.log.ended) {
      this.previousLog = this.log
      this.log = new ContainerLog()
    }
    this.waitFor(waitingToStart)
    this.#stop = new AbortController()
    this.surroundings = surroundings
    this.id = `trustplane://${createHash('sha256').update(`${this.#uid}/${name}/${this.restartCount}`).digest('hex')}`
    this.state = { kind: 'running', startedAt }
    const { log } = this
    const argv = [...(this.spec.command ?? []), ...(this.spec.args ?? [])]
    const end = (exitCode: number) => {
      const reason = exitCode === 0 ? 'Completed' : 'Error'
      const finishedAt = this.#clock.now()
      this.state = { kind: 'terminated', exitCode, reason, startedAt, finishedAt, containerId: this.id }
      log.end()
      exited(exitCode)
    }
    if (isKnown(argv)) {
      run(argv, this.io({ signal: this.#stop.signal })).then(end, error => {
        log.write('stderr', `${messageOf(error)}\n`, this.#clock.now())
        end(1)
      })
      return
    }
    const what = argv.length > 0 ? argv.join(' ') : image
    log.write('stdout', `${name}: ${what} started (simulated by trustplane)\n`, startedAt)
    // A server, as far as anybody can tell: there until it is stopped.
    this.#stop.signal.addEventListener('abort', () => end(0), { once: true })
  }

  /** Not running, and why; what it ended with is its last state. */
  waitFor(state: ContainerState & { kind: 'waiting' }): void {
    if (this.state.kind === 'terminated') this.lastState = this.state
    this.state = state
  }

  /** SIGTERM; simulated processes heed it at once. */
  stop(): void {
    this.#stop.abort()
  }

  /** What a process in this container sees; by default it writes to the log. */
  io(more: Partial<Io> = {}): Io {
    const { surroundings, log } = this
    return {
      out: text => log.write('stdout', text, this.#clock.now()),
      err: text => log.write('stderr', text, this.#clock.now()),
      read: emptyInput,
      env: new Map(surroundings?.env),
      hostname: surroundings?.hostname ?? '',
      file: async path => surroundings?.file(path),
      folder: path => surroundings?.folder(path),
      now: () => this.#clock.now(),
      signal: this.#stop.signal,
      ...more,
    }
  }

  status(): ContainerStatus {
    const { name, image = '' } = this.spec
    const running = this.state.kind === 'running'
    return {
      name,
      state: stateOf(this.state),
      lastState: this.lastState ? stateOf(this.lastState) : {},
      ready: running,
      started: running,
      restartCount: this.restartCount,
      image,
      imageID: this.id ? `${image}@sha256:${createHash('sha256').update(image).digest('hex')}` : '',
      ...(this.id ? { containerID: this.id } : {}),
    }
  }
}

function stateOf(state: ContainerState): Record<string, Record<string, unknown>> {
  switch (state.kind) {
    case 'waiting':
      return { waiting: { reason: state.reason, ...(state.message ? { message: state.message } : {}) } }
    case 'running':
      return { running: { startedAt: time(state.startedAt) } }
    case 'terminated': {
      const { exitCode, reason, startedAt, finishedAt, containerId } = state
      return {
        terminated: {
          exitCode,
          reason,
          startedAt: time(startedAt),
          finishedAt: time(finishedAt),
          containerID: containerId,
        },
      }
    }
  }
}

/** CrashLoopBackOff: 10 s, doubled each time, five minutes at most; forgotten after ten good minutes. */
export const restartDelayMs = (restarts: number) => Math.min(300_000, 10_000 * 2 ** Math.max(0, restarts - 1))
