/**
 * Certificates: kept as their spec wants them. What cert-manager divides among its trigger, key manager, request manager, issuing,
 * readiness and revision manager controllers, in their order and with their words.
 */
import { createPrivateKey, type KeyObject, randomInt, X509Certificate } from 'node:crypto'
import { WorkQueue } from '#components/work-queue.ts'
import { messageOf } from '#errors.ts'
import { resources } from '#kubernetes/resources.ts'
import { isAlreadyExists, isNotFound } from '#kubernetes/status.ts'
import { time } from '#kubernetes/time.ts'
import type { Condition, OwnerReference, Secret } from '#kubernetes/types.ts'
import { privateKeyPem } from '#pki/keys.ts'
import { createSigningRequest } from '#pki/signing-request.ts'
import { conditionOf, isTrue, removeCondition, setCondition } from './conditions.ts'
import { keyOf, type RenewalContext, referenceOf } from './context.ts'
import { encodedKey, keyFits, newKeyFor } from './key-pairs.ts'
import { dataOf, type Input, mismatchOf, renewalTime, whyIssue, whyNotReady } from './policies.ts'
import { secretFor } from './secrets.ts'
import { annotation, type Certificate, type CertificateRequest, certificateRequests, certificates } from './types.ts'
import { usagesOf } from './usages.ts'

/** certificates.RevisionHistoryLimit since 1.18. */
const defaultHistory = 1

/** trigger_controller.go: an hour after a failure, doubled with each that follows, at most 32 hours. */
const firstRetryMs = 3_600_000
const longestRetryMs = 32 * firstRetryMs

export interface Issued {
  certificate: Certificate
  secret: Secret
}

/** @param onSecret called whenever a certificate and its secret were looked at and fit together */
export function createCertificateController(
  context: RenewalContext,
  onSecret: (issued: Issued) => Promise<void>,
): WorkQueue {
  const { informers, clock, log, client, events } = context
  const queue = new WorkQueue({ name: 'certificates', log, clock, sync })
  const add = (certificate: Certificate) => queue.add(keyOf(certificate))
  informers.certificates
    .on('add', add)
    .on('update', add)
    .on('delete', certificate => {
      queue.forget(keyOf(certificate))
      written.delete(keyOf(certificate))
    })
  const addOwner = ({ metadata }: CertificateRequest) => {
    const owner = metadata.ownerReferences?.find(({ kind }) => kind === certificates.kind)
    if (owner) queue.add(`${metadata.namespace}/${owner.name}`)
  }
  informers.requests.on('add', addOwner).on('update', addOwner).on('delete', addOwner)
  const addUsers = ({ metadata }: Secret) => {
    for (const certificate of informers.certificates.list())
      if (certificate.metadata.namespace === metadata.namespace && certificate.spec.secretName === metadata.name)
        add(certificate)
  }
  informers.secrets.on('add', addUsers).on('update', addUsers).on('delete', addUsers)

  /** The resourceVersion of our last write, by key. */
  const written = new Map<string, number>()
  const save = async (certificate: Certificate): Promise<Certificate> => {
    const saved = await client.updateStatus(certificates, certificate)
    written.set(keyOf(saved), versionOf(saved))
    return saved
  }
  const say = (certificate: Certificate, type: 'Normal' | 'Warning', reason: string, message: string) =>
    events.event(referenceOf(certificates, certificate), type, reason, message)

  async function sync(key: string): Promise<void> {
    const seen = informers.certificates.get(key)
    if (!seen || seen.metadata.deletionTimestamp) return
    // what we wrote is not in the informer yet: it will bring us here again
    if (versionOf(seen) < (written.get(key) ?? 0)) return
    // a conflict: somebody was faster, and the queue tries again
    await reconcile(structuredClone(seen))
  }

  async function reconcile(certificate: Certificate): Promise<void> {
    const { namespace = '' } = certificate.metadata
    const secret = informers.secrets.get(`${namespace}/${certificate.spec.secretName}`)
    const input: Input = {
      certificate,
      secret,
      request: requestOf(certificate, revisionOf(certificate)),
      now: clock.now(),
    }
    const before = JSON.stringify(certificate.status)
    showReadiness(input)
    if (!isTrue(certificate, 'Issuing')) trigger(input)
    let current = JSON.stringify(certificate.status) === before ? certificate : await save(certificate)
    if (isTrue(current, 'Issuing')) current = await issue(current, secret)
    else if (secret && isTrue(current, 'Ready')) await onSecret({ certificate: current, secret })
    await forgetOldRequests(current)
    wakeLater(current)
  }

  /** readiness_controller.go. */
  function showReadiness(input: Input): void {
    const { certificate, secret, now } = input
    const violation = whyNotReady(input)
    const verdict: Pick<Condition, 'status' | 'reason' | 'message'> = violation
      ? { status: 'False', ...violation }
      : { status: 'True', reason: 'Ready', message: 'Certificate is up to date and has not expired' }
    const old = conditionOf(certificate, 'Ready')
    if (
      old?.status !== verdict.status ||
      old.reason !== verdict.reason ||
      old.message !== verdict.message ||
      old.observedGeneration !== certificate.metadata.generation
    )
      setCondition(certificate, { type: 'Ready', ...verdict }, now)
    const { notBefore: _, notAfter: __, renewalTime: ___, ...rest } = certificate.status ?? {}
    certificate.status = { ...rest, ...validityOf(certificate, secret) }
  }

  /** trigger_controller.go. */
  function trigger(input: Input): void {
    const { certificate, now } = input
    const violation = whyIssue(input)
    if (!violation || retryAt(certificate, now)) return
    setCondition(certificate, { type: 'Issuing', status: 'True', ...violation }, now)
    say(certificate, 'Normal', 'Issuing', violation.message)
  }

  /** When a failed issuance may be tried again; undefined: now. A spec that has changed since does not wait. */
  function retryAt(certificate: Certificate, now: Date): Date | undefined {
    const { lastFailureTime, failedIssuanceAttempts = 1 } = certificate.status ?? {}
    if (!lastFailureTime) return undefined
    const failed = requestOf(certificate, revisionOf(certificate) + 1)
    if (failed && mismatchOf(failed, certificate.spec).length > 0) return undefined
    const delay = Math.min(firstRetryMs * 2 ** (failedIssuanceAttempts - 1), longestRetryMs)
    const at = new Date(Date.parse(lastFailureTime) + delay)
    return at > now ? at : undefined
  }

  async function issue(certificate: Certificate, secret: Secret | undefined): Promise<Certificate> {
    const next = await nextKey(certificate, secret)
    const request = await nextRequest(next.certificate, next.key, next.secretName)
    const ready = request && conditionOf(request, 'Ready')
    const denied = request && conditionOf(request, 'Denied')
    if (ready?.status === 'True') return complete(next.certificate, request!, next.key, next.secretName)
    if (ready?.reason === 'Failed') return fail(next.certificate, ready)
    if (denied?.status === 'True') return fail(next.certificate, denied)
    return next.certificate
  }

  /** keymanager_controller.go: the key that the next certificate is for, kept in a secret of its own until then. */
  async function nextKey(certificate: Certificate, secret: Secret | undefined) {
    const { namespace = '', name = '' } = certificate.metadata
    const known = certificate.status?.nextPrivateKeySecretName
    const there = known && (informers.secrets.get(`${namespace}/${known}`) ?? (await readSecret(namespace, known)))
    const kept = there && keyIn(there)
    if (known && kept && keyFits(kept, certificate.spec)) return { certificate, key: kept, secretName: known }
    const old = secret && keyIn(secret)
    const reused = certificate.spec.privateKey?.rotationPolicy === 'Never' && old && keyFits(old, certificate.spec)
    const key = reused ? old : await newKeyFor(certificate.spec)
    const secretName = `${name}-${suffix()}`
    await client.create(resources.secrets, {
      metadata: {
        name: secretName,
        namespace,
        labels: { 'cert-manager.io/next-private-key': 'true', 'controller.cert-manager.io/fao': 'true' },
        ownerReferences: [ownerOf(certificate)],
      },
      type: 'Opaque',
      data: { 'tls.key': base64(privateKeyPem(key)) },
    })
    if (reused)
      say(
        certificate,
        'Normal',
        'Reused',
        `Reusing private key stored in existing Secret resource ${JSON.stringify(certificate.spec.secretName)}`,
      )
    else
      say(
        certificate,
        'Normal',
        'Generated',
        `Stored new private key in temporary Secret resource ${JSON.stringify(secretName)}`,
      )
    const wanted = { ...certificate, status: { ...certificate.status, nextPrivateKeySecretName: secretName } }
    return { certificate: await save(wanted), key, secretName }
  }

  /** requestmanager_controller.go. Undefined: a request of another key or spec was in the way, and is gone now. */
  async function nextRequest(
    certificate: Certificate,
    key: KeyObject,
    secretName: string,
  ): Promise<CertificateRequest | undefined> {
    const revision = revisionOf(certificate) + 1
    const { spec } = certificate
    const { namespace = '', name = '' } = certificate.metadata
    const there = requestOf(certificate, revision)
    if (there) {
      const issuingSince = conditionOf(certificate, 'Issuing')?.lastTransitionTime ?? ''
      const isOld = there.status?.failureTime !== undefined && there.status.failureTime < issuingSince
      const isOurs = there.metadata.annotations?.[annotation.privateKeySecret] === secretName
      if (isOurs && !isOld && mismatchOf(there, spec).length === 0) return there
      await client.delete(certificateRequests, { namespace, name: there.metadata.name! })
      return undefined
    }
    const pem = await createSigningRequest(
      {
        subject: { commonName: spec.commonName ?? '', organizations: spec.subject?.organizations ?? [] },
        dnsNames: spec.dnsNames ?? [],
        ipAddresses: spec.ipAddresses ?? [],
        uris: spec.uris ?? [],
        emailAddresses: spec.emailAddresses ?? [],
      },
      key,
    )
    const requestName = `${name}-${revision}`
    const request: CertificateRequest = {
      metadata: {
        name: requestName,
        namespace,
        annotations: {
          [annotation.certificateName]: name,
          [annotation.revision]: String(revision),
          [annotation.privateKeySecret]: secretName,
        },
        ownerReferences: [ownerOf(certificate)],
      },
      spec: {
        request: base64(pem),
        issuerRef: spec.issuerRef,
        usages: usagesOf(spec),
        username: 'system:serviceaccount:cert-manager:cert-manager',
        ...(spec.duration ? { duration: spec.duration } : {}),
        ...(spec.isCA ? { isCA: true } : {}),
      },
    }
    try {
      const made = await client.create(certificateRequests, request)
      say(certificate, 'Normal', 'Requested', `Created new CertificateRequest resource ${JSON.stringify(requestName)}`)
      return made
    } catch (error) {
      // our own, of a moment ago: the informer brings it
      if (isAlreadyExists(error)) return undefined
      throw error
    }
  }

  /** issuing_controller.go. */
  async function complete(
    certificate: Certificate,
    request: CertificateRequest,
    key: KeyObject,
    keySecret: string,
  ): Promise<Certificate> {
    const { namespace = '' } = certificate.metadata
    const wanted = secretFor(certificate, request, encodedKey(key, certificate.spec))
    const there = await readSecret(namespace, certificate.spec.secretName)
    const secret = there
      ? await client.update(resources.secrets, {
          ...there,
          ...wanted,
          metadata: { ...there.metadata, ...mergedMetadata(there, wanted) },
        })
      : await client.create(resources.secrets, wanted)
    const done = structuredClone(certificate)
    removeCondition(done, 'Issuing')
    const { nextPrivateKeySecretName: _, lastFailureTime: __, failedIssuanceAttempts: ___, ...rest } = done.status ?? {}
    done.status = { ...rest, revision: revisionOf(certificate) + 1 }
    showReadiness({ certificate: done, secret, request, now: clock.now() })
    const saved = await save(done)
    await client.delete(resources.secrets, { namespace, name: keySecret }).catch(error => {
      if (!isNotFound(error)) throw error
    })
    say(saved, 'Normal', 'Issuing', 'The certificate has been successfully issued')
    await onSecret({ certificate: saved, secret })
    return saved
  }

  async function fail(certificate: Certificate, condition: Condition): Promise<Certificate> {
    const { reason = '', message: why = '' } = condition
    const message = `The certificate request has failed to complete and will be retried: ${why}`
    const failed = structuredClone(certificate)
    setCondition(failed, { type: 'Issuing', status: 'False', reason, message }, clock.now())
    failed.status = {
      ...failed.status,
      lastFailureTime: time(clock.now()),
      failedIssuanceAttempts: (failed.status?.failedIssuanceAttempts ?? 0) + 1,
    }
    const saved = await save(failed)
    say(saved, 'Warning', reason, message)
    return saved
  }

  /** revisionmanager_controller.go. */
  async function forgetOldRequests(certificate: Certificate): Promise<void> {
    const limit = certificate.spec.revisionHistoryLimit ?? defaultHistory
    const { namespace = '' } = certificate.metadata
    const old = requestsOf(certificate)
      .filter(request => revisionIn(request) <= revisionOf(certificate))
      .sort((a, b) => revisionIn(b) - revisionIn(a))
      .slice(limit)
    for (const { metadata } of old) {
      await client.delete(certificateRequests, { namespace, name: metadata.name! }).catch(error => {
        if (!isNotFound(error)) throw error
      })
    }
  }

  /** At its renewal, at its end, and when a failure may be tried again. */
  function wakeLater(certificate: Certificate): void {
    const now = clock.now()
    const { renewalTime: renewal, notAfter } = certificate.status ?? {}
    const times = [renewal, notAfter].map(text => (text ? Date.parse(text) + 1000 : Number.NaN))
    const retry = retryAt(certificate, now)
    const next = [...times, retry?.getTime() ?? Number.NaN].filter(at => at > now.getTime())
    if (next.length > 0) queue.addAfter(keyOf(certificate), Math.min(...next) - now.getTime())
  }

  const readSecret = (namespace: string, name: string): Promise<Secret | undefined> =>
    client.get(resources.secrets, { namespace, name }).catch(error => {
      if (isNotFound(error)) return undefined
      throw error
    })

  const requestsOf = ({ metadata }: Certificate): CertificateRequest[] =>
    informers.requests
      .list()
      .filter(request => request.metadata.ownerReferences?.some(({ uid }) => uid === metadata.uid))
  const requestOf = (certificate: Certificate, revision: number) =>
    requestsOf(certificate).find(request => revisionIn(request) === revision)

  function keyIn(secret: Secret): KeyObject | undefined {
    try {
      return createPrivateKey(dataOf(secret, 'tls.key'))
    } catch (error) {
      log.info('Secret holds no private key that can be read', { secret: keyOf(secret), err: messageOf(error) }, 2)
      return undefined
    }
  }

  return queue
}

const versionOf = ({ metadata }: Certificate) => Number(metadata.resourceVersion ?? 0)
const revisionOf = ({ status }: Certificate) => status?.revision ?? 0
const revisionIn = ({ metadata }: CertificateRequest) => Number(metadata.annotations?.[annotation.revision] ?? 0)

function validityOf({ spec }: Certificate, secret: Secret | undefined) {
  try {
    const leaf = new X509Certificate(dataOf(secret, 'tls.crt'))
    return {
      notBefore: time(leaf.validFromDate),
      notAfter: time(leaf.validToDate),
      renewalTime: time(renewalTime(leaf, spec)),
    }
  } catch {
    return {}
  }
}

const ownerOf = ({ metadata }: Certificate): OwnerReference => ({
  apiVersion: `${certificates.group}/${certificates.version}`,
  kind: certificates.kind,
  name: metadata.name ?? '',
  uid: metadata.uid ?? '',
  controller: true,
  blockOwnerDeletion: true,
})

/** What others wrote on the secret stays. */
const mergedMetadata = (there: Secret, wanted: Secret) => ({
  annotations: { ...there.metadata.annotations, ...wanted.metadata.annotations },
  labels: { ...there.metadata.labels, ...wanted.metadata.labels },
})

const base64 = (text: string) => Buffer.from(text).toString('base64')

/** As apimachinery's names.SimpleNameGenerator: without vowels. */
const alphabet = 'bcdfghjklmnpqrstvwxz2456789'
const suffix = () => Array.from({ length: 5 }, () => alphabet[randomInt(alphabet.length)]).join('')
