/** Issuers and ClusterIssuers: whether they can sign, in their Ready condition (pkg/controller/issuers, pkg/issuer/ca, pkg/issuer/selfsigned). */
import { WorkQueue } from '#components/work-queue.ts'
import { messageOf } from '#errors.ts'
import type { Informer } from '#kubernetes/informer.ts'
import type { Resource } from '#kubernetes/resources.ts'
import type { Condition } from '#kubernetes/types.ts'
import { conditionOf, setCondition } from './conditions.ts'
import { clusterResourceNamespace, keyOf, type RenewalContext, referenceOf } from './context.ts'
import { signingPairIn } from './key-pairs.ts'
import { clusterIssuers, type Issuer, issuers } from './types.ts'

type Verdict = Pick<Condition, 'status' | 'reason' | 'message'>

export function createIssuerController(context: RenewalContext, isCluster: boolean): WorkQueue {
  const { informers, clock, log, client, events } = context
  const resource: Resource<Issuer> = isCluster ? clusterIssuers : issuers
  const informer: Informer<Issuer> = isCluster ? informers.clusterIssuers : informers.issuers
  const queue = new WorkQueue({ name: resource.resource, log, clock, sync })
  const add = (issuer: Issuer) => queue.add(keyOf(issuer))
  informer.on('add', add).on('update', add)
  const addUsers = (secret: { metadata: { name?: string; namespace?: string } }) => {
    for (const issuer of informer.list())
      if (issuer.spec.ca?.secretName === secret.metadata.name && placeOf(issuer) === secret.metadata.namespace)
        add(issuer)
  }
  informers.secrets.on('add', addUsers).on('update', addUsers).on('delete', addUsers)

  const placeOf = ({ metadata }: Issuer) => (isCluster ? clusterResourceNamespace : metadata.namespace)

  async function sync(key: string): Promise<void> {
    const seen = informer.get(key)
    if (!seen || seen.metadata.deletionTimestamp) return
    const verdict = judge(seen)
    const before = conditionOf(seen, 'Ready')
    const isSame =
      before?.status === verdict.status && before.reason === verdict.reason && before.message === verdict.message
    if (isSame && before.observedGeneration === seen.metadata.generation) return
    const issuer = structuredClone(seen)
    setCondition(issuer, { type: 'Ready', ...verdict }, clock.now())
    await client.updateStatus(resource, issuer)
    if (verdict.message)
      events.event(
        referenceOf(resource, issuer),
        verdict.status === 'True' ? 'Normal' : 'Warning',
        verdict.reason!,
        verdict.message,
      )
  }

  function judge(issuer: Issuer): Verdict {
    const { ca, selfSigned } = issuer.spec
    if (selfSigned) return { status: 'True', reason: 'IsReady', message: '' }
    if (!ca)
      return {
        status: 'False',
        reason: 'NotSupported',
        message: 'this controller signs with ca and selfSigned issuers',
      }
    const secret = informers.secrets.get(`${placeOf(issuer)}/${ca.secretName}`)
    const fail = (what: string): Verdict => ({
      status: 'False',
      reason: 'ErrGetKeyPair',
      message: `Error getting keypair for CA issuer: ${what}`,
    })
    if (!secret) return fail(`secrets ${JSON.stringify(ca.secretName)} not found`)
    try {
      signingPairIn(secret)
      return { status: 'True', reason: 'KeyPairVerified', message: 'Signing CA verified' }
    } catch (error) {
      return fail(messageOf(error))
    }
  }

  return queue
}
