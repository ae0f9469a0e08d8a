/** client-go's csr.WaitForCertificate: by list and watch, until it is signed or refused. */
import { Backoff } from '#kubernetes/backoff.ts'
import type { Client } from '#kubernetes/client.ts'
import { resources } from '#kubernetes/resources.ts'
import type { CertificateSigningRequest } from '#kubernetes/types.ts'

class Refused extends Error {}

/**
 * The certificate as status.certificate has it.
 * @throws Error in the original's words when it is denied, fails, is deleted, or `signal` aborts
 */
export async function waitForCertificate(
  client: Client,
  created: CertificateSigningRequest,
  signal: AbortSignal,
): Promise<string> {
  const { name = '' } = created.metadata
  const fieldSelector = `metadata.name=${name}`
  const backoff = new Backoff()
  // what was just created needs no list: the watch begins there
  let from = created.metadata.resourceVersion
  while (!signal.aborted) {
    try {
      if (from === undefined) {
        const { items, metadata } = await client.list(resources.csrs, { fieldSelector, signal })
        const found = items[0] && outcome(items[0])
        if (found !== undefined) return found
        if (!items[0]) throw new Refused(`csr "${name}" was deleted`)
        from = metadata.resourceVersion ?? ''
      }
      for await (const { type, object } of client.watch(resources.csrs, {
        fieldSelector,
        resourceVersion: from,
        signal,
      })) {
        if (type === 'DELETED') throw new Refused(`csr "${name}" was deleted`)
        const certificate = type === 'BOOKMARK' ? undefined : outcome(object)
        if (certificate !== undefined) return certificate
      }
    } catch (error) {
      if (error instanceof Refused) throw error
      await backoff.wait(signal)
    }
    from = undefined
  }
  throw new Error('timed out waiting for the condition')
}

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
