/** CertificateRequests: approved as cert-manager's own approver does, then signed by what their issuer names (pkg/controller/certificaterequests). */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { parseDuration } from '#clock.ts'
import { readRequest } from '#components/kube-controller-manager/signing/request.ts'
import { WorkQueue } from '#components/work-queue.ts'
import { messageOf } from '#errors.ts'
import { time } from '#kubernetes/time.ts'
import { issueCertificate } from '#pki/certificates.ts'
import { conditionOf, isTrue, setCondition } from './conditions.ts'
import { issuerOf, keyOf, type RenewalContext, referenceOf } from './context.ts'
import { signingPairIn } from './key-pairs.ts'
import { dataOf } from './policies.ts'
import { annotation, type CertificateRequest, certificateRequests, type Issuer, issuerKind } from './types.ts'
import { parseUsages } from './usages.ts'

const defaultDuration = '2160h'

/** It cannot be signed yet; what is missing may come. */
class Pending extends Error {
  readonly reason: string
  constructor(reason: string, message: string) {
    super(message)
    this.reason = reason
  }
}

export function createRequestController(context: RenewalContext): WorkQueue {
  const { informers, clock, log, client, events } = context
  const queue = new WorkQueue({ name: 'certificaterequests', log, clock, sync })
  const add = (request: CertificateRequest) => queue.add(keyOf(request))
  informers.requests.on('add', add).on('update', add)
  // what a request waits for may have come: an issuer, its secret
  const addAll = () => {
    for (const request of informers.requests.list()) if (!isDone(request)) add(request)
  }
  for (const informer of [informers.issuers, informers.clusterIssuers] as const)
    informer.on('add', addAll).on('update', addAll)
  informers.secrets.on('add', addAll).on('update', addAll)

  const save = (request: CertificateRequest) => client.updateStatus(certificateRequests, request)
  const say = (request: CertificateRequest, type: 'Normal' | 'Warning', reason: string, message: string) =>
    events.event(referenceOf(certificateRequests, request), type, reason, message)

  async function sync(key: string): Promise<void> {
    const seen = informers.requests.get(key)
    if (!seen || seen.metadata.deletionTimestamp || isDone(seen)) return
    const request = structuredClone(seen)
    if (isTrue(request, 'Denied')) return
    if (!isTrue(request, 'Approved')) {
      const message = 'Certificate request has been approved by cert-manager.io'
      setCondition(request, { type: 'Approved', status: 'True', reason: 'cert-manager.io', message }, clock.now())
      await save(request)
      say(request, 'Normal', 'cert-manager.io', message)
      return
    }
    try {
      const { certificate, ca } = await sign(request)
      const message = 'Certificate fetched from issuer successfully'
      setCondition(request, { type: 'Ready', status: 'True', reason: 'Issued', message }, clock.now())
      request.status = { ...request.status, certificate: base64(certificate), ...(ca ? { ca: base64(ca) } : {}) }
      await save(request)
      say(request, 'Normal', 'CertificateIssued', message)
    } catch (error) {
      await refuse(request, error)
    }
  }

  async function refuse(request: CertificateRequest, error: unknown): Promise<void> {
    const pending = error instanceof Pending
    const message = messageOf(error)
    const reason = pending ? 'Pending' : 'Failed'
    const before = conditionOf(request, 'Ready')
    if (before?.reason === reason && before.message === message) return
    setCondition(request, { type: 'Ready', status: 'False', reason, message }, clock.now())
    if (!pending) request.status = { ...request.status, failureTime: time(clock.now()) }
    await save(request)
    say(request, pending ? 'Normal' : 'Warning', pending ? error.reason : 'SigningError', message)
  }

  async function sign(request: CertificateRequest): Promise<{ certificate: string; ca: string | undefined }> {
    const { spec, metadata } = request
    const { issuer, secretNamespace } = issuerOf(context, spec.issuerRef, metadata.namespace ?? '')
    const { name } = spec.issuerRef
    const kind = issuerKind(spec.issuerRef)
    if (!issuer)
      throw new Pending(
        'IssuerNotFound',
        `Referenced ${JSON.stringify(kind)} not found: ${kind.toLowerCase()}.cert-manager.io ${JSON.stringify(name)} not found`,
      )
    if (!isTrue(issuer, 'Ready'))
      throw new Pending('IssuerNotReady', 'Referenced issuer does not have a Ready status condition')
    const asked = readRequest(spec.request)
    const now = clock.now()
    const content = {
      ...asked,
      ...parseUsages(spec.usages ?? []),
      isCa: spec.isCA ?? false,
      notBefore: seconds(now),
      notAfter: seconds(new Date(now.getTime() + parseDuration(spec.duration ?? defaultDuration))),
    }
    if (issuer.spec.selfSigned) {
      const self = privateKeyOf(request)
      if (!asked.publicKey.equals(createPublicKey(self)))
        throw new Error('Error generating certificate template: CSR not signed by referenced private key')
      const certificate = await issueCertificate(content, asked.publicKey, { self })
      return { certificate, ca: certificate }
    }
    const pair = pairOf(issuer, secretNamespace)
    const leaf = await issueCertificate(content, asked.publicKey, { certificate: pair.certificate, key: pair.key })
    // a root stays out of the chain, and is the CA; an intermediate goes along (pki.ParseSingleCertificateChain)
    const [, ...behind] = pair.chain
    const isRoot = behind.length === 0
    return { certificate: [leaf, ...(isRoot ? [] : pair.chain.slice(0, -1))].join(''), ca: pair.chain.at(-1) }
  }

  function pairOf(issuer: Issuer, namespace: string) {
    const { secretName } = issuer.spec.ca ?? { secretName: '' }
    const secret = informers.secrets.get(`${namespace}/${secretName}`)
    if (!secret)
      throw new Pending(
        'SecretMissing',
        `Referenced secret ${namespace}/${secretName} not found: secret ${JSON.stringify(secretName)} not found`,
      )
    try {
      return signingPairIn(secret)
    } catch (error) {
      throw new Pending(
        'SecretInvalidData',
        `Failed to parse signing CA keypair from secret ${namespace}/${secretName}: ${messageOf(error)}`,
      )
    }
  }

  /** A self-signed certificate is signed by the key that it is about: the request says in which secret that is. */
  function privateKeyOf({ metadata }: CertificateRequest): KeyObject {
    const name = metadata.annotations?.[annotation.privateKeySecret]
    if (!name)
      throw new Error(
        `Annotation ${JSON.stringify(annotation.privateKeySecret)} missing or reference empty: secret name missing`,
      )
    const secret = informers.secrets.get(`${metadata.namespace}/${name}`)
    if (!secret) throw new Pending('MissingSecret', `Referenced secret ${metadata.namespace}/${name} not found`)
    try {
      return createPrivateKey(dataOf(secret, 'tls.key'))
    } catch (error) {
      throw new Pending(
        'ErrorParsingKey',
        `Failed to get key ${JSON.stringify(name)} referenced in annotation: ${messageOf(error)}`,
      )
    }
  }

  return queue
}

const isDone = (request: CertificateRequest) => {
  const ready = conditionOf(request, 'Ready')
  return ready?.status === 'True' || ready?.reason === 'Failed' || ready?.reason === 'Denied'
}

const base64 = (text: string) => Buffer.from(text).toString('base64')
/** Certificates know no fractions. */
const seconds = (date: Date) => new Date(Math.floor(date.getTime() / 1000) * 1000)
