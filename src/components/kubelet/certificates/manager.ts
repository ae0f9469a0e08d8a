/** client-go's certificate manager: asks for a certificate by CSR when there is none or it nears its end, waits for it, stores and uses it. */
import type { Clock } from '#clock.ts'
import { messageOf } from '#errors.ts'
import { Backoff, pause } from '#kubernetes/backoff.ts'
import type { Client } from '#kubernetes/client.ts'
import type { Metrics } from '#kubernetes/metrics.ts'
import { resources } from '#kubernetes/resources.ts'
import type { CertificateSigningRequest } from '#kubernetes/types.ts'
import type { Log } from '#log.ts'
import { memoryIdentity } from '#tls/identity.ts'
import type { Identity, IdentitySource } from '#tls/types.ts'
import { makeRequest, type RequestTemplate } from './request.ts'
import type { CertificateStore } from './store.ts'

export interface CertificateManagerOptions {
  /** For log lines: `kubelet client`, `kubelet server`. */
  what: string
  signerName: string
  /** Besides `digital signature`. */
  usage: 'client auth' | 'server auth'
  template: () => RequestTemplate
  store: CertificateStore
  /** Used until something was stored. */
  initial?: { certificate: string; key: string; file?: string | undefined }
  /** Who asks. */
  client: () => Client
  /** False: a certificate that is there is used to its end. */
  rotate: boolean
  /** What `current()` throws while there is none. */
  missing: string
  errorsMetric: 'kubelet_certificate_manager_client_expiration_renew_errors' | 'kubelet_server_expiration_renew_errors'
  clock: Clock
  log: Log
  metrics: Metrics
}

// requestAndWait's limit.
const patienceMs = 15 * 60_000

export class CertificateManager implements IdentitySource {
  readonly #options: CertificateManagerOptions
  readonly #listeners = new Set<() => void>()
  readonly #stop = new AbortController()
  #identity: Identity | undefined
  #running: Promise<void> | undefined
  /** Resolves with the first certificate. */
  readonly available: Promise<void>
  readonly #isAvailable: () => void

  /** @throws Error for a stored or initial pair that cannot be used */
  constructor(options: CertificateManagerOptions) {
    this.#options = options
    const { promise, resolve } = Promise.withResolvers<void>()
    this.available = promise
    this.#isAvailable = resolve
    const pair = options.store.current() ?? options.initial
    if (pair) this.#use(pair)
  }

  current(): Identity {
    if (!this.#identity) throw new Error(this.#options.missing)
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

  #use(pair: { certificate: string; key: string; file?: string | undefined }): void {
    this.#identity = memoryIdentity(pair.certificate, pair.key, pair.file).current()
    this.#isAvailable()
    for (const listener of this.#listeners) listener()
  }

  async #run(): Promise<void> {
    const { clock, log, rotate, what, metrics, errorsMetric } = this.#options
    const { signal } = this.#stop
    const backoff = new Backoff({ maxMs: 300_000 })
    while (!signal.aborted) {
      const { leaf } = this
      if (leaf) {
        if (!rotate) return
        // jitteryDuration: between 70 and 90 % of its life
        const life = leaf.notAfter.getTime() - leaf.notBefore.getTime()
        const deadline = new Date(leaf.notBefore.getTime() + life * (0.7 + 0.2 * Math.random()))
        const expiration = leaf.notAfter.toISOString()
        log.info(
          'Certificate rotation deadline determined',
          { logger: what, expiration, deadline: deadline.toISOString() },
          2,
        )
        await waitUntil(deadline, clock, signal)
        if (signal.aborted) return
      }
      log.info('Rotating certificates', { logger: what }, 2)
      while (!signal.aborted) {
        try {
          await this.#rotateOnce(signal)
          backoff.reset()
          break
        } catch (error) {
          if (signal.aborted) return
          metrics.inc(errorsMetric)
          log.error('Failed while requesting a signed certificate from the control plane', messageOf(error), {
            logger: what,
          })
          if (this.ttlSeconds() < 0)
            log.error(
              'The currently active client certificate has expired, but the server is not responsive. A restart may be necessary to retrieve new initial credentials.',
            )
          await backoff.wait(signal)
        }
      }
    }
  }

  async #rotateOnce(signal: AbortSignal): Promise<void> {
    const { client, template, signerName, usage, store, clock, log, metrics, what } = this.#options
    const { pem, key } = await makeRequest(template())
    const created = await client().create(
      resources.csrs,
      {
        metadata: { generateName: 'csr-' },
        spec: {
          request: Buffer.from(pem).toString('base64'),
          signerName,
          usages: ['digital signature', usage],
        },
      },
      { signal },
    )
    const name = created.metadata.name ?? ''
    const certificate = await this.#signed(name, AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]))
    const before = this.leaf
    this.#use(await store.update(Buffer.from(certificate, 'base64').toString('latin1'), key, clock.now()))
    log.info('Certificate rotation: a new certificate is in use', { logger: what, csr: name, file: store.currentPath })
    if (before && usage === 'server auth') {
      const lived = (clock.now().getTime() - before.notBefore.getTime()) / 1000
      metrics.observe('kubelet_certificate_manager_server_rotation_seconds', lived)
    }
  }

  /** csr.WaitForCertificate: by watch. */
  async #signed(name: string, signal: AbortSignal): Promise<string> {
    const fieldSelector = `metadata.name=${name}`
    const backoff = new Backoff()
    while (!signal.aborted) {
      try {
        const list = await this.#options.client().list(resources.csrs, { fieldSelector, signal })
        const found = list.items[0] && outcome(list.items[0])
        if (found !== undefined) return found
        const { resourceVersion = '' } = list.metadata
        for await (const { type, object } of this.#options
          .client()
          .watch(resources.csrs, { fieldSelector, resourceVersion, signal })) {
          if (type === 'DELETED') throw new Refused(`csr "${name}" was deleted`)
          const certificate = type === 'BOOKMARK' ? undefined : outcome(object)
          if (certificate !== undefined) return certificate
        }
      } catch (error) {
        if (error instanceof Refused || signal.aborted) throw error
        await backoff.wait(signal)
      }
    }
    throw new Error('timed out waiting for the condition')
  }
}

class Refused extends Error {}

/** @throws Refused */
function outcome({ status }: CertificateSigningRequest): string | undefined {
  for (const { type, reason, message } of status?.conditions ?? []) {
    if (type === 'Denied')
      throw new Refused(`certificate signing request is denied, reason: ${reason}, message: ${message}`)
    if (type === 'Failed')
      throw new Refused(`certificate signing request failed, reason: ${reason}, message: ${message}`)
  }
  const isApproved = status?.conditions?.some(({ type }) => type === 'Approved')
  return isApproved && status?.certificate ? status.certificate : undefined
}

async function waitUntil(deadline: Date, clock: Clock, signal: AbortSignal): Promise<void> {
  for (;;) {
    const left = deadline.getTime() - clock.now().getTime()
    if (left <= 0 || signal.aborted) return
    // not for long at once: setTimeout's most is 2^31 - 1 ms, and a test's clock may jump
    await pause(Math.min(left, 3_600_000), signal)
  }
}
