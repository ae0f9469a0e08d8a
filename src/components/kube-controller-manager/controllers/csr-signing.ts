/** certificatesigningrequest-signing-controller: signs what was approved, with the cluster's CA (pkg/controller/certificates/signer). */
import { messageOf } from '#errors.ts'
import { resources } from '#kubernetes/resources.ts'
import { isConflict, isNotFound } from '#kubernetes/status.ts'
import { time } from '#kubernetes/time.ts'
import type { CertificateSigningRequest } from '#kubernetes/types.ts'
import { WorkQueue } from '../../work-queue.ts'
import { loadAuthority } from '../signing/authority.ts'
import { readRequest } from '../signing/request.ts'
import { signers } from '../signing/signers.ts'
import type { Controller, ControllerContext } from './controller.ts'

/** @throws Error in the original's words when the CA's files cannot be used; without the flags it does not run */
export function createCsrSigningController(context: ControllerContext): Controller {
  const { client, informers, log, clock, values } = context
  const { csrs } = informers
  const { 'cluster-signing-cert-file': certFile, 'cluster-signing-key-file': keyFile } = values
  if (!certFile || !keyFile) return { start() {}, stop: async () => {} }
  const authority = loadAuthority(certFile, keyFile, clock, values['cluster-signing-duration'])
  const queue = new WorkQueue({ name: 'certificatesigningrequest', log, sync })

  async function sync(name: string): Promise<void> {
    const csr = csrs.get(name)
    const rule = csr && signers[csr.spec.signerName]
    const has = (type: string) =>
      csr?.status?.conditions?.some(condition => condition.type === type && condition.status === 'True')
    if (!rule || csr.status?.certificate || !has('Approved') || has('Denied') || has('Failed')) return
    let objection: string | undefined
    let certificate: string | undefined
    try {
      const request = await readRequest(csr.spec.request)
      objection = rule(request, csr)
      if (!objection) certificate = await authority.sign(request, csr)
    } catch (error) {
      objection = `unable to parse csr "${name}": ${messageOf(error)}`
    }
    await update(
      csr,
      objection === undefined ? { certificate: Buffer.from(certificate!).toString('base64') } : failed(csr, objection),
    )
  }

  function failed({ status }: CertificateSigningRequest, message: string) {
    const now = time(clock.now())
    const condition = {
      type: 'Failed',
      status: 'True' as const,
      reason: 'SignerValidationFailure',
      message,
      lastUpdateTime: now,
      lastTransitionTime: now,
    }
    return { conditions: [...(status?.conditions ?? []), condition] }
  }

  async function update(csr: CertificateSigningRequest, status: object): Promise<void> {
    try {
      await client.updateStatus(resources.csrs, { ...csr, status: { ...csr.status, ...status } })
    } catch (error) {
      if (!isConflict(error) && !isNotFound(error)) throw error
    }
  }

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
