/** client-go's certificate manager: asks for a certificate by CSR when there is none or it nears its end, waits for it, stores and uses it. */
import { after, type Clock, sleepUntil, systemClock } from '#clock.ts'
import { messageOf } from '#errors.ts'
import { Backoff } from '#kubernetes/backoff.ts'
import type { Client } from '#kubernetes/client.ts'
import type { Metrics } from '#kubernetes/metrics.ts'
import { resources } from '#kubernetes/resources.ts'
import { isForbidden, isNotFound, isUnauthorized, StatusError } from '#kubernetes/status.ts'
import type { Log } from '#log.ts'
import { memoryIdentity } from '#tls/identity.ts'
import type { Identity, IdentitySource } from '#tls/types.ts'
import { makeRequest, type RequestTemplate, satisfies } from './request.ts'
import { waitForCertificate } from './signed.ts'
import type { CertificateStore } from './store.ts'

export interface CertificateManagerOptions {
  /** For log lines: `kubernetes.io/kube-apiserver-client-kubelet`. */
  signerName: string
  /** Besides `digital signature`. */
  usage: 'client auth' | 'server auth'
  template: () => RequestTemplate
  store: CertificateStore
  /** Used until something was stored, and when what was stored has expired. */
  initial?: Pair
  /** Who asks; `current`: there is a certificate that is good. */
  client: (current: boolean) => Client
  /** False: a certificate that is there is used to its end. */
  rotate: boolean
  /** What `current()` throws while there is none. */
  missing: string
  errorsMetric: 'kubelet_certificate_manager_client_expiration_renew_errors' | 'kubelet_server_expiration_renew_errors'
  clock: Clock
  log: Log
  metrics: Metrics
}

interface Pair {
  certificate: string
  key: string
  file?: string | undefined
}

// certificateWaitTimeout; by no clock that somebody puts forward: it is for the answer of somebody who lives
const patienceMs = 15 * 60_000
// rotateCerts' steps before PollInfinite, every 32 s
const steps = 5
const backoffMs = { maxMs: 32_000 }

export class CertificateManager implements IdentitySource {
  readonly #options: CertificateManagerOptions
  readonly #listeners = new Set<() => void>()
  readonly #stop = new AbortController()
  #identity: Identity | undefined
  #running: Promise<void> | undefined
  /** Resolves with the first certificate. */
  readonly available: Promise<void>
  readonly #isAvailable: () => void
  /** What the last answer to a request says of kube-apiserver: it is there, and knows what it says. */
  serverHealthy = false
  /** True while a certificate is being asked for. */
  isAsking = false

  /** @throws Error for a stored or initial pair that cannot be used */
  constructor(options: CertificateManagerOptions) {
    this.#options = options
    const { promise, resolve } = Promise.withResolvers<void>()
    this.available = promise
    this.#isAvailable = resolve
    const stored = options.store.current()
    if (stored) this.#identity = identityOf(stored)
    // getCurrentCertificateOrBootstrap
    if (!stored || this.ttlSeconds() <= 0) this.#identity = options.initial && identityOf(options.initial)
    if (this.#identity) this.#isAvailable()
  }

  /**
   * A serving certificate that has expired is as good as none, as in the original; a client's is still shown (see README.md).
   * @throws Error when there is none
   */
  current(): Identity {
    const { missing, usage } = this.#options
    const expired = usage === 'server auth' && this.ttlSeconds() <= 0
    if (expired) this.#info('Current certificate is expired')
    if (!this.#identity || expired) throw new Error(missing)
    return this.#identity
  }

  get leaf() {
    return this.#identity?.chain[0]
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  start(): void {
    this.#running ??= this.#run()
  }

  close(): void {
    this.#stop.abort()
  }

  async stop(): Promise<void> {
    this.close()
    await this.#running
  }

  /** Seconds left; +Inf without a certificate, as the gauge has it. */
  ttlSeconds(): number {
    const { leaf } = this
    if (!leaf) return Number.POSITIVE_INFINITY
    return (leaf.notAfter.getTime() - this.#options.clock.now().getTime()) / 1000
  }

  #info(message: string, more: Record<string, unknown> = {}): void {
    this.#options.log.info(message, { logger: this.#options.signerName, ...more }, 2)
  }

  #failed(message: string, error: unknown): void {
    const { log, metrics, errorsMetric, signerName } = this.#options
    metrics.inc(errorsMetric)
    log.error(message, messageOf(error), { logger: signerName })
  }

  async #run(): Promise<void> {
    const { clock, rotate } = this.#options
    const { signal } = this.#stop
    while (!signal.aborted) {
      const { leaf } = this
      if (leaf && !rotate) return
      if (leaf && satisfies(leaf, this.#options.template())) {
        const deadline = rotationDeadline(leaf)
        this.#info('Certificate rotation deadline determined', {
          expiration: leaf.notAfter.toISOString(),
          deadline: deadline.toISOString(),
        })
        await sleepUntil(clock, deadline, signal)
      }
      if (signal.aborted) return
      await this.#rotate(signal)
      // wait.Until's period: a certificate may be due as soon as it is signed (60 s of life, and five minutes of backdating)
      await sleepUntil(clock, new Date(clock.now().getTime() + 1000), signal)
    }
  }

  /** Until it has a new one. */
  async #rotate(signal: AbortSignal): Promise<void> {
    const { log, signerName } = this.#options
    const backoff = new Backoff(backoffMs)
    this.isAsking = true
    for (let tries = 1; !signal.aborted; tries++) {
      this.#info('Rotating certificates')
      let answered = true
      try {
        if (await this.#ask(signal)) break
      } catch (error) {
        if (signal.aborted) break
        this.#failed('Failed while requesting a signed certificate from the control plane', error)
        // updateServerError
        this.serverHealthy = isUnauthorized(error) || isNotFound(error) || isForbidden(error)
        answered = error instanceof StatusError
      }
      if (tries === steps)
        log.error('Reached backoff limit, still unable to rotate certs', 'timed out waiting for the condition', {
          logger: signerName,
        })
      await backoff.wait(signal, answered)
    }
    this.isAsking = false
  }

  /** @returns whether there is a new one @throws RequestError, StatusError when the request could not be made */
  async #ask(signal: AbortSignal): Promise<boolean> {
    const { client, template, signerName, usage, store, clock, metrics } = this.#options
    const { pem, key } = await makeRequest(template())
    const asked = client(this.ttlSeconds() > 0 && this.leaf !== undefined)
    const created = await asked.create(
      resources.csrs,
      {
        metadata: { generateName: 'csr-' },
        spec: { request: Buffer.from(pem).toString('base64'), signerName, usages: ['digital signature', usage] },
      },
      { signal },
    )
    const name = created.metadata.name ?? ''
    const patience = new AbortController()
    const cancel = after(systemClock, patienceMs, () => patience.abort())
    let certificate: string
    try {
      certificate = await waitForCertificate(asked, created, AbortSignal.any([signal, patience.signal]))
    } catch (error) {
      if (!signal.aborted) this.#failed('certificate request was not signed', error)
      return false
    } finally {
      cancel()
    }
    const before = this.leaf
    try {
      this.#identity = identityOf(
        await store.update(Buffer.from(certificate, 'base64').toString('latin1'), key, clock.now()),
      )
    } catch (error) {
      this.#failed('Unable to store the new cert/key pair', error)
      return false
    }
    this.serverHealthy = true
    this.#info('Certificate rotation: a new certificate is in use', { csr: name, file: store.currentPath })
    this.#isAvailable()
    for (const listener of [...this.#listeners]) listener()
    await store
      .forgetOld()
      .catch(error => this.#info('old certificates could not be removed', { err: messageOf(error) }))
    if (before && usage === 'server auth') {
      const lived = (clock.now().getTime() - before.notBefore.getTime()) / 1000
      metrics.observe('kubelet_certificate_manager_server_rotation_seconds', lived)
    }
    return true
  }
}

const identityOf = ({ certificate, key, file }: Pair): Identity => memoryIdentity(certificate, key, file).current()

/** jitteryDuration: between 70 and 90 % of its life. */
function rotationDeadline({ notBefore, notAfter }: { notBefore: Date; notAfter: Date }): Date {
  const life = notAfter.getTime() - notBefore.getTime()
  return new Date(notBefore.getTime() + life * (0.7 + 0.2 * Math.random()))
}
