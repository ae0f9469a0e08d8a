/** certificatesigningrequest-signing-controller: signs what was approved, each signer with its CA (pkg/controller/certificates/signer). */
import { messageOf } from '#errors.ts'
import { resources } from '#kubernetes/resources.ts'
import { isConflict, isNotFound } from '#kubernetes/status.ts'
import { time } from '#kubernetes/time.ts'
import type { CertificateSigningRequest } from '#kubernetes/types.ts'
import { WorkQueue } from '../../work-queue.ts'
import type { Values } from '../flags.ts'
import { type Authority, loadAuthority } from '../signing/authority.ts'
import { type Request, readRequest } from '../signing/request.ts'
import { signers } from '../signing/signers.ts'
import type { Controller, ControllerContext } from './controller.ts'

/** By which of the flags a signer gets its CA, when it is not the one for all. */
const flagOf = {
  'kubernetes.io/kubelet-serving': 'kubelet-serving',
  'kubernetes.io/kube-apiserver-client-kubelet': 'kubelet-client',
  'kubernetes.io/kube-apiserver-client': 'kube-apiserver-client',
  'kubernetes.io/legacy-unknown': 'legacy-unknown',
} as const

/** @throws Error in the original's words when a CA's files cannot be used; a signer without the flags does not run */
export function createCsrSigningController({ client, informers, log, clock, values }: ControllerContext): Controller {
  const { csrs } = informers
  const authorities = authoritiesOf(values, (certFile, keyFile) =>
    loadAuthority({
      certFile,
      keyFile,
      clock,
      log,
      longestMs: values['cluster-signing-duration'],
      backdateMs: values['cluster-signing-backdate'],
    }),
  )
  const queue = new WorkQueue({ name: 'certificatesigningrequest', log, sync })

  async function sync(name: string): Promise<void> {
    const csr = csrs.get(name)
    const authority = csr && authorities.get(csr.spec.signerName)
    const has = (type: string) =>
      csr?.status?.conditions?.some(condition => condition.type === type && condition.status === 'True')
    if (!authority || csr.status?.certificate || !has('Approved') || has('Denied') || has('Failed')) return
    let request: Request
    try {
      request = readRequest(csr.spec.request)
    } catch (error) {
      throw new Error(`unable to parse csr "${name}": ${messageOf(error)}`)
    }
    const objection = signers[csr.spec.signerName]?.(request, csr)
    if (objection !== undefined) return update(csr, failed(csr, objection), 'error adding failure condition for csr')
    let certificate: string
    try {
      certificate = await authority.sign(request, csr)
    } catch (error) {
      throw new Error(`error auto signing csr: ${messageOf(error)}`)
    }
    await update(csr, { certificate: Buffer.from(certificate).toString('base64') }, 'error updating signature for csr')
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

  async function update(csr: CertificateSigningRequest, status: object, words: string): Promise<void> {
    try {
      await client.updateStatus(resources.csrs, { ...csr, status: { ...csr.status, ...status } })
    } catch (error) {
      // somebody else was quicker: their change is on its way here
      if (!isConflict(error) && !isNotFound(error)) throw new Error(`${words}: ${messageOf(error)}`)
    }
  }

  return {
    start() {
      csrs
        .on('add', ({ metadata }) => queue.add(metadata.name!))
        .on('update', ({ metadata }) => queue.add(metadata.name!))
        .on('delete', ({ metadata }) => queue.forget(metadata.name!))
      for (const { metadata } of csrs.list()) queue.add(metadata.name!)
    },
    async stop() {
      await queue.stop()
      for (const authority of new Set(authorities.values())) authority.close()
    },
  }
}

/** startCSRSigningController: a signer's own flags, or those for all; the same files are loaded once. */
function authoritiesOf(values: Values, load: (certFile: string, keyFile: string) => Authority): Map<string, Authority> {
  const shared = { cert: values['cluster-signing-cert-file'], key: values['cluster-signing-key-file'] }
  const rows = Object.entries(flagOf).map(([signer, flag]) => {
    const own = { cert: values[`cluster-signing-${flag}-cert-file`], key: values[`cluster-signing-${flag}-key-file`] }
    const hasOwn = own.cert !== undefined || own.key !== undefined
    return { signer, hasOwn, ...(hasOwn ? own : shared) }
  })
  if ((shared.cert ?? shared.key) !== undefined && rows.some(({ hasOwn }) => hasOwn))
    throw new Error(
      'cannot specify --cluster-signing-{cert,key}-file and other --cluster-signing-*-file flags at the same time',
    )
  const loaded = new Map<string, Authority>()
  const authorities = new Map<string, Authority>()
  for (const { signer, cert, key } of rows) {
    if (!cert && !key) continue
    const files = `${cert}::${key}`
    try {
      if (!cert) throw new Error('cannot specify key without cert')
      if (!key) throw new Error('cannot specify cert without key')
      const authority = loaded.get(files) ?? load(cert, key)
      loaded.set(files, authority)
      authorities.set(signer, authority)
    } catch (error) {
      for (const authority of loaded.values()) authority.close()
      throw new Error(`failed to start ${signer} certificate controller: ${messageOf(error)}`)
    }
  }
  return authorities
}
