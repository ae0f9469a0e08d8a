/** certificatesigningrequest-cleaner-controller: decided ones go after an hour, undecided ones after a day (pkg/controller/certificates/cleaner). */
import { resources } from '#kubernetes/resources.ts'
import { isNotFound } from '#kubernetes/status.ts'
import type { CertificateSigningRequest } from '#kubernetes/types.ts'
import { parseCertificate } from '#x509/certificate.ts'
import { WorkQueue } from '../../work-queue.ts'
import type { Controller, ControllerContext } from './controller.ts'

const hourMs = 3_600_000
const decidedMs = hourMs
const pendingMs = 24 * hourMs

/** When it may go, in epoch milliseconds. */
function expiryOf({ metadata, status }: CertificateSigningRequest): number {
  const created = Date.parse(metadata.creationTimestamp ?? '')
  const decided = status?.conditions?.map(condition => Date.parse(condition.lastUpdateTime ?? '') || created) ?? []
  const byDecision = decided.length > 0 ? Math.max(...decided) + decidedMs : created + pendingMs
  return Math.min(byDecision, issuedUntil(status?.certificate) ?? Number.POSITIVE_INFINITY)
}

function issuedUntil(certificate: string | undefined): number | undefined {
  if (!certificate) return undefined
  const pem = Buffer.from(certificate, 'base64').toString('latin1')
  try {
    return parseCertificate(Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64')).notAfter.getTime()
  } catch {
    return undefined
  }
}

export function createCsrCleaner({ client, informers, log, clock }: ControllerContext): Controller {
  const { csrs } = informers
  const queue = new WorkQueue({
    name: 'certificatesigningrequest',
    log,
    async sync(name) {
      const csr = csrs.get(name)
      if (!csr) return
      const leftMs = expiryOf(csr) - clock.now().getTime()
      if (leftMs > 0) return queue.addAfter(name, leftMs)
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
      for (const { metadata } of csrs.list()) queue.add(metadata.name!)
    },
    stop: () => queue.stop(),
  }
}
