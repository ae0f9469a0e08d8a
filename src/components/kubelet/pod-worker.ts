/** One pod on this node, from Pending to its end: what the kubelet's pod worker, volume manager and status manager do for it. */
import type { Clock } from '#clock.ts'
import { messageOf } from '#errors.ts'
import { Backoff, pause } from '#kubernetes/backoff.ts'
import type { Client } from '#kubernetes/client.ts'
import { keyOf, resources } from '#kubernetes/resources.ts'
import { isConflict, isNotFound } from '#kubernetes/status.ts'
import type { ContainerStatus, Pod } from '#kubernetes/types.ts'
import type { Log } from '#log.ts'
import { type EventRecorder, referenceTo } from '../event-recorder.ts'
import { Container, restartDelayMs } from './container.ts'
import { type PodFacts, podStatus } from './pod-status.ts'
import { surroundingsOf } from './surroundings.ts'
import type { PodSources } from './volumes.ts'

export interface PodContext {
  client: Client
  clock: Clock
  log: Log
  events: EventRecorder
  sources: PodSources
  hostIp: string
  addresses: { take(): string; giveBack(address: string): void }
}

// Ten good minutes and a container's crashes are forgotten.
const forgetCrashesMs = 600_000

export class PodWorker {
  pod: Pod
  readonly containers: Container[]
  readonly initContainers: Container[]
  podIp: string | undefined
  readonly #context: PodContext
  readonly #startTime: Date
  readonly #life = new AbortController()
  readonly #crashes = new Map<string, { count: number; at: number }>()
  #terminating: Promise<void> | undefined
  #reporting: Promise<void> | undefined
  #dirty = false
  #sent = ''
  /** Gone from the API, or the kubelet stops: nothing is written any more. */
  #gone = false

  constructor(pod: Pod, context: PodContext) {
    const { uid = '' } = pod.metadata
    this.pod = pod
    this.#context = context
    this.#startTime = pod.status?.startTime ? new Date(pod.status.startTime) : context.clock.now()
    this.containers = pod.spec.containers.map(spec => new Container(spec, uid, context.clock))
    this.initContainers = (pod.spec.initContainers ?? []).map(spec => new Container(spec, uid, context.clock))
    this.podIp = pod.status?.podIP
  }

  get #finished(): boolean {
    return this.pod.status?.phase === 'Succeeded' || this.pod.status?.phase === 'Failed'
  }

  container(name: string): Container | undefined {
    return [...this.containers, ...this.initContainers].find(({ spec }) => spec.name === name)
  }

  /** The pod as the watch shows it now. */
  update(pod: Pod): void {
    this.pod = pod
    if (pod.metadata.deletionTimestamp) this.#terminating ??= this.#terminate()
  }

  begin(): void {
    if (this.pod.metadata.deletionTimestamp) this.update(this.pod)
    else if (!this.#finished) {
      void this.#live().catch(error => {
        if (!this.#life.signal.aborted)
          this.#context.log.error('Error syncing pod, skipping', messageOf(error), { pod: keyOf(this.pod) })
      })
    }
  }

  /** Everything ends here, without a word to the API. */
  async end(): Promise<void> {
    this.#gone = true
    this.#life.abort()
    for (const container of [...this.initContainers, ...this.containers]) container.stop()
    if (this.podIp && !this.pod.spec.hostNetwork) this.#context.addresses.giveBack(this.podIp)
    await Promise.allSettled([this.#reporting, this.#terminating])
  }

  async #live(): Promise<void> {
    const { addresses, hostIp } = this.#context
    const before = this.pod.status?.containerStatuses ?? []
    const adopted = before.some(({ state }) => state?.running)
    if (!adopted) this.#report()
    const surroundings = await surroundingsOf(this.pod, this.#context, this.#life.signal)
    if (this.#life.signal.aborted) return
    this.podIp ??= this.pod.spec.hostNetwork ? hostIp : addresses.take()
    const start = (container: Container, startedAt?: Date) => this.#start(container, surroundings, startedAt)
    for (const container of adopted ? [] : this.initContainers) {
      await start(container)
      if (!(await this.#initialized(container, start))) return
    }
    for (const container of this.containers) {
      const status = before.find(({ name }) => name === container.spec.name)
      container.restartCount = status?.restartCount ?? 0
      const startedAt = status?.state?.running?.startedAt
      void start(container, startedAt ? new Date(String(startedAt)) : undefined)
    }
  }

  /** Waits until an init container has ended well; false: it never will. */
  async #initialized(container: Container, start: (container: Container) => Promise<void>): Promise<boolean> {
    // an image's own program is taken to do its work and end
    if (container.state.kind === 'running' && !container.spec.command && !container.spec.args) container.stop()
    while (!this.#life.signal.aborted) {
      if (container.state.kind === 'terminated') {
        if (container.state.exitCode === 0) return true
        if (this.pod.spec.restartPolicy === 'Never') return false
      }
      await pause(20, this.#life.signal)
      if (container.state.kind === 'waiting' && container.state.reason === 'RunContainerError') await start(container)
    }
    return false
  }

  async #start(
    container: Container,
    surroundings: Awaited<ReturnType<typeof surroundingsOf>>,
    startedAt?: Date,
  ): Promise<void> {
    const { signal } = this.#life
    const found = await surroundings(container.spec, this.podIp ?? '', (reason, message) => {
      container.waitFor({ kind: 'waiting', reason, message })
      this.#event(container, 'Warning', 'Failed', `Error: ${message}`)
      this.#report()
    })
    if (signal.aborted || !found) return
    const image = container.spec.image ?? ''
    if (!startedAt) {
      this.#event(container, 'Normal', 'Pulled', `Container image "${image}" already present on machine`)
      this.#event(container, 'Normal', 'Created', `Created container: ${container.spec.name}`)
      this.#event(container, 'Normal', 'Started', `Started container ${container.spec.name}`)
    }
    container.start(
      found,
      exitCode => this.#exited(container, exitCode, () => void this.#start(container, surroundings)),
      startedAt,
    )
    this.#report()
  }

  /** The first crash is mended at once, the next ones later and later. */
  #exited(container: Container, exitCode: number, again: () => void): void {
    if (this.#gone || this.#terminating || this.#life.signal.aborted) return
    const policy = this.pod.spec.restartPolicy ?? 'Always'
    const isInit = this.initContainers.includes(container)
    const restarts = exitCode !== 0 ? policy !== 'Never' : policy === 'Always' && !isInit
    if (!restarts) {
      this.#report()
      return
    }
    const { name } = container.spec
    const known = this.#crashes.get(name)
    const count = known && performance.now() - known.at < forgetCrashesMs ? known.count + 1 : 1
    this.#crashes.set(name, { count, at: performance.now() })
    const restart = () => {
      if (this.#life.signal.aborted || this.#terminating) return
      container.restartCount++
      again()
    }
    if (count === 1) {
      restart()
      return
    }
    const delayMs = restartDelayMs(count - 1)
    const { name: podName, namespace, uid } = this.pod.metadata
    const where = `${podName}_${namespace}(${uid})`
    container.waitFor({
      kind: 'waiting',
      reason: 'CrashLoopBackOff',
      message: `back-off ${goDuration(delayMs)} restarting failed container=${name} pod=${where}`,
    })
    this.#event(container, 'Warning', 'BackOff', `Back-off restarting failed container ${name} in pod ${where}`)
    this.#report()
    void pause(delayMs, this.#life.signal).then(restart)
  }

  async #terminate(): Promise<void> {
    const { client, log } = this.#context
    const running = [...this.initContainers, ...this.containers].filter(({ state }) => state.kind === 'running')
    for (const container of running)
      this.#event(container, 'Normal', 'Killing', `Stopping container ${container.spec.name}`)
    this.#life.abort()
    for (const container of running) container.stop()
    const deadline = performance.now() + (this.pod.metadata.deletionGracePeriodSeconds ?? 30) * 1000
    while (running.some(({ state }) => state.kind === 'running') && performance.now() < deadline) await pause(5)
    this.#report()
    await this.#reporting
    const backoff = new Backoff()
    const { namespace = '', name = '', uid } = this.pod.metadata
    while (!this.#gone) {
      try {
        await client.delete(
          resources.pods,
          { namespace, name },
          { gracePeriodSeconds: 0, ...(uid ? { preconditions: { uid } } : {}) },
        )
        return
      } catch (error) {
        if (isNotFound(error) || isConflict(error)) return
        log.error('Failed to delete status for pod', messageOf(error), { pod: keyOf(this.pod) })
        await backoff.wait()
      }
    }
  }

  #event(container: Container, type: 'Normal' | 'Warning', reason: string, message: string): void {
    const kind = this.initContainers.includes(container) ? 'initContainers' : 'containers'
    const fieldPath = `spec.${kind}{${container.spec.name}}`
    this.#context.events.event({ ...referenceTo(resources.pods, this.pod), fieldPath }, type, reason, message)
  }

  /** The state of things goes to the API; what changes while it is on its way goes with the next patch. */
  #report(): void {
    this.#dirty = true
    this.#reporting ??= this.#flush().finally(() => {
      this.#reporting = undefined
    })
  }

  async #flush(): Promise<void> {
    const { client, log } = this.#context
    const backoff = new Backoff()
    const { namespace = '', name = '', uid } = this.pod.metadata
    while (this.#dirty && !this.#gone) {
      this.#dirty = false
      const status = podStatus(this.facts())
      const text = JSON.stringify(status)
      if (text === this.#sent) continue
      try {
        const body = { metadata: { ...(uid ? { uid } : {}) }, status: withoutWhatWas(status, this.pod.status) }
        const patched = await client.patch(resources.pods, { namespace, name }, body, {
          type: 'strategic',
          subresource: 'status',
        })
        this.#sent = text
        this.pod = { ...this.pod, ...(patched.status ? { status: patched.status } : {}) }
        backoff.reset()
      } catch (error) {
        if (isNotFound(error) || isConflict(error)) return
        log.error('Failed to update status for pod', messageOf(error), { pod: keyOf(this.pod) })
        this.#dirty = true
        await backoff.wait(this.#terminating ? undefined : this.#life.signal)
      }
    }
  }

  facts(): PodFacts {
    const statuses = (containers: Container[]): ContainerStatus[] => containers.map(container => container.status())
    return {
      pod: this.pod,
      containers: statuses(this.containers),
      initContainers: statuses(this.initContainers),
      hostIp: this.#context.hostIp,
      podIp: this.podIp,
      startTime: this.#startTime,
      now: this.#context.clock.now(),
    }
  }
}

/** A strategic merge patch keeps what it does not name: a reason that holds no longer has to be null. */
function withoutWhatWas(status: NonNullable<Pod['status']>, before: Pod['status']): object {
  const conditions = status.conditions?.map(condition => {
    const old = before?.conditions?.find(({ type }) => type === condition.type)
    return {
      ...(old?.reason && !condition.reason ? { reason: null } : {}),
      ...(old?.message && !condition.message ? { message: null } : {}),
      ...condition,
    }
  })
  return { ...status, conditions }
}

/** `10s`, `2m40s`, `5m0s`. */
const goDuration = (ms: number) =>
  ms < 60_000 ? `${ms / 1000}s` : `${Math.floor(ms / 60_000)}m${(ms % 60_000) / 1000}s`
