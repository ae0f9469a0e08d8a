/** certificatesigningrequest-cleaner-controller: decided ones go after an hour, undecided ones after a day (pkg/controller/certificates/cleaner). */
import { resources } from '#kubernetes/resources.ts'
import { isNotFound } from '#kubernetes/status.ts'
import type { CertificateSigningRequest } from '#kubernetes/types.ts'
import { parseCertificate } from '#x509/certificate.ts'
import { certificateBlocks } from '#x509/pem.ts'
import { WorkQueue } from '../../work-queue.ts'
import type { Controller, ControllerContext } from './controller.ts'

const hourMs = 3_600_000
/** Approved and issued, Denied, Failed: since the condition; Pending: since it was created. */
const ageMs = { decided: hourMs, pending: 24 * hourMs }

/**
 * When it may go, in epoch milliseconds; never: one that is approved and that nobody signs, as in the original.
 * The original looks every hour; here it goes when its time has come.
 */
export function expiryOf({ metadata, status }: CertificateSigningRequest): number {
  const conditions = status?.conditions ?? []
  if (conditions.length === 0) return Date.parse(metadata.creationTimestamp ?? '') + ageMs.pending
  const isIssued = Boolean(status?.certificate)
  const ends = conditions
    .filter(({ type }) => type === 'Denied' || type === 'Failed' || (type === 'Approved' && isIssued))
    .map(({ lastUpdateTime }) => Date.parse(lastUpdateTime ?? '') + ageMs.decided)
    .filter(end => !Number.isNaN(end))
  const isApproved = conditions.some(({ type }) => type === 'Approved')
  return Math.min(...ends, (isApproved && issuedUntil(status?.certificate)) || Number.POSITIVE_INFINITY)
}

function issuedUntil(certificate: string | undefined): number | undefined {
  const [der] = certificate ? certificateBlocks(Buffer.from(certificate, 'base64').toString('latin1')) : []
  try {
    return der && parseCertificate(der).notAfter.getTime()
  } catch {
    return undefined
  }
}

export function createCsrCleaner({ client, informers, log, clock }: ControllerContext): Controller {
  const { csrs } = informers
  const queue = new WorkQueue({
    name: 'certificatesigningrequest',
    log,
    clock,
    async sync(name) {
      const csr = csrs.get(name)
      if (!csr) return
      const leftMs = expiryOf(csr) - clock.now().getTime()
      if (leftMs > 0) {
        if (Number.isFinite(leftMs)) queue.addAfter(name, leftMs)
        return
      }
      await client.delete(resources.csrs, { name }).catch(error => {
        if (!isNotFound(error)) throw error
      })
    },
  })
  return {
    start() {
      csrs
        .on('add', ({ metadata }) => queue.add(metadata.name!))
        .on('update', ({ metadata }) => queue.add(metadata.name!))
        .on('delete', ({ metadata }) => queue.forget(metadata.name!))
      for (const { metadata } of csrs.list()) queue.add(metadata.name!)
    },
    stop: () => queue.stop(),
  }
}
