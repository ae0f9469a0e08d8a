/** certificatesigningrequest-approving-controller: kubelets' client certificates, for those who may (pkg/controller/certificates/approver/sarapprove.go). */
import { messageOf } from '#errors.ts'
import { resources } from '#kubernetes/resources.ts'
import { isConflict, isNotFound } from '#kubernetes/status.ts'
import { time } from '#kubernetes/time.ts'
import type { CertificateSigningRequest, SubjectAccessReview } from '#kubernetes/types.ts'
import { WorkQueue } from '../../work-queue.ts'
import { type Request, readRequest } from '../signing/request.ts'
import { isKubeletClientRequest, signers } from '../signing/signers.ts'
import type { Controller, ControllerContext } from './controller.ts'

const signerName = 'kubernetes.io/kube-apiserver-client-kubelet'
const servingSigner = 'kubernetes.io/kubelet-serving'

interface Recognizer {
  subresource: 'selfnodeclient' | 'nodeclient'
  recognizes(request: Request, csr: CertificateSigningRequest): boolean
  message: string
}

const recognizers: readonly Recognizer[] = [
  {
    subresource: 'selfnodeclient',
    recognizes: (request, csr) =>
      isKubeletClientRequest(request, csr) && csr.spec.username === request.subject.commonName,
    message: 'Auto approving self kubelet client certificate after SubjectAccessReview.',
  },
  {
    subresource: 'nodeclient',
    recognizes: isKubeletClientRequest,
    message: 'Auto approving kubelet client certificate after SubjectAccessReview.',
  },
]

const isDecided = ({ status }: CertificateSigningRequest) =>
  status?.conditions?.some(({ type }) => type === 'Approved' || type === 'Denied') ?? false

export function createCsrApprovingController({ client, informers, log, clock, values }: ControllerContext): Controller {
  const { csrs, nodes } = informers
  const queue = new WorkQueue({ name: 'certificatesigningrequest', log, sync })

  async function sync(name: string): Promise<void> {
    const csr = csrs.get(name)
    if (!csr || csr.status?.certificate || isDecided(csr)) return
    const isServing = csr.spec.signerName === servingSigner && values['approve-kubelet-serving']
    if (csr.spec.signerName !== signerName && !isServing) return
    let request: Request
    try {
      request = readRequest(csr.spec.request)
    } catch (error) {
      throw new Error(`unable to parse csr "${name}": ${messageOf(error)}`)
    }
    if (isServing) return approveServing(csr, request)
    const tried: string[] = []
    for (const { recognizes, subresource, message } of recognizers) {
      if (!recognizes(request, csr)) continue
      tried.push(subresource)
      if (!(await mayAsk(csr, subresource))) continue
      await approve(csr, message)
      return
    }
    if (tried.length > 0)
      throw new Error(`recognized csr "${name}" as [${tried.join(' ')}] but subject access review was not approved`)
  }

  /** Ours: what a person would look at, and what kubelet-csr-approvers do. */
  async function approveServing(csr: CertificateSigningRequest, request: Request): Promise<void> {
    const objection = signers[servingSigner]?.(request, csr)
    if (objection !== undefined || csr.spec.username !== request.subject.commonName) return
    const node = nodes.get(request.subject.commonName.replace('system:node:', ''))
    const known = new Set(node?.status?.addresses?.map(({ address }) => address) ?? [])
    const strange = [...request.dnsNames, ...request.ipAddresses].find(name => !known.has(name))
    // a node that is not there yet has no addresses: it is looked at again
    if (strange !== undefined)
      throw new Error(`csr "${csr.metadata.name}" asks for ${strange}, which is not its node's`)
    await approve(csr, 'Auto approving kubelet serving certificate: every name in it is an address of its node.')
  }

  async function mayAsk({ spec }: CertificateSigningRequest, subresource: string): Promise<boolean> {
    const resourceAttributes = {
      group: 'certificates.k8s.io',
      resource: 'certificatesigningrequests',
      verb: 'create',
      version: '*',
      subresource,
    }
    const { username = '', groups = [], uid = '', extra = {} } = spec
    const review = await client.create(resources.subjectaccessreviews, {
      metadata: {},
      spec: { user: username, groups, uid, extra, resourceAttributes },
    } as SubjectAccessReview)
    return review.status?.allowed ?? false
  }

  async function approve(csr: CertificateSigningRequest, message: string): Promise<void> {
    const now = time(clock.now())
    const approved = {
      type: 'Approved',
      status: 'True' as const,
      reason: 'AutoApproved',
      message,
      lastUpdateTime: now,
      lastTransitionTime: now,
    }
    const conditions = [...(csr.status?.conditions ?? []), approved]
    const changed = { ...csr, status: { ...csr.status, conditions } }
    try {
      await client.updateSubresource(resources.csrs, { name: csr.metadata.name! }, 'approval', changed)
    } catch (error) {
      if (!isConflict(error) && !isNotFound(error)) throw error
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
    stop: () => queue.stop(),
  }
}
