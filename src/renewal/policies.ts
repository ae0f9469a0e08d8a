/**
 * When a certificate must be issued anew, and whether it is good: cert-manager's policy chains (pkg/controller/certificates/trigger/policies),
 * with their reasons and words. Pure; the first policy that finds something is the one that is told.
 */
import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { parseDuration } from '#clock.ts'
import { readRequest } from '#components/kube-controller-manager/signing/request.ts'
import { messageOf } from '#errors.ts'
import type { Secret } from '#kubernetes/types.ts'
import { parseCertificate } from '#x509/certificate.ts'
import { ipToString } from '#x509/ip-addresses.ts'
import {
  annotation,
  type Certificate,
  type CertificateRequest,
  type CertificateSpec,
  group,
  type IssuerReference,
  issuerKind,
} from './types.ts'
import { usagesOf } from './usages.ts'

export interface Input {
  certificate: Certificate
  secret: Secret | undefined
  /** The one whose certificate is in the secret: of `status.revision`. */
  request: CertificateRequest | undefined
  now: Date
}

interface Violation {
  reason: string
  message: string
}

type Policy = (input: Input) => Violation | undefined

const found = (reason: string, message: string): Violation => ({ reason, message })

export const dataOf = (secret: Secret | undefined, key: string): string =>
  Buffer.from(secret?.data?.[key] ?? '', 'base64').toString('utf8')

const doesNotExist: Policy = ({ secret }) =>
  secret ? undefined : found('DoesNotExist', 'Issuing certificate as Secret does not exist')

const missingData: Policy = ({ secret }) => {
  if (!secret?.data) return found('MissingData', 'Issuing certificate as Secret does not contain any data')
  if (!secret.data['tls.key'])
    return found('MissingData', 'Issuing certificate as Secret does not contain a private key')
  if (!secret.data['tls.crt'])
    return found('MissingData', 'Issuing certificate as Secret does not contain a certificate')
  return undefined
}

const keysDiffer: Policy = ({ secret }) => {
  let key: KeyObject
  try {
    key = createPrivateKey(dataOf(secret, 'tls.key'))
  } catch (error) {
    return found(
      'InvalidKeyPair',
      `Issuing certificate as Secret contains invalid private key data: ${messageOf(error)}`,
    )
  }
  try {
    return new X509Certificate(dataOf(secret, 'tls.crt')).checkPrivateKey(key)
      ? undefined
      : found(
          'InvalidKeyPair',
          'Issuing certificate as Secret contains a private key that does not match the certificate',
        )
  } catch (error) {
    return found(
      'InvalidCertificate',
      `Issuing certificate as Secret contains an invalid certificate: ${messageOf(error)}`,
    )
  }
}

const issuerText = ({ name, kind, group: its }: Partial<IssuerReference>) =>
  `${kind || 'Issuer'}.${its || group}/${name ?? ''}`

const issuerDiffers: Policy = ({ secret, certificate }) => {
  const { annotations = {} } = secret?.metadata ?? {}
  const was = {
    name: annotations[annotation.issuerName] ?? '',
    kind: annotations[annotation.issuerKind] ?? '',
    group: annotations[annotation.issuerGroup] ?? '',
  }
  const isKnown = Object.keys(annotations).some(key => key.startsWith(`${group}/issuer-`))
  if (!isKnown || issuerText(was) === issuerText(certificate.spec.issuerRef)) return undefined
  return found(
    'IncorrectIssuer',
    `Issuing certificate as Secret was previously issued by ${JSON.stringify(issuerText(was))}`,
  )
}

const nameDiffers: Policy = ({ secret, certificate }) => {
  const name = secret?.metadata.annotations?.[annotation.certificateName]
  return name === undefined || name === certificate.metadata.name
    ? undefined
    : found(
        'IncorrectCertificate',
        `Secret was issued for ${JSON.stringify(name)}. If this message is not transient, you might have two conflicting Certificates pointing to the same secret.`,
      )
}

/** The fields in which a request is not what the spec wants. */
export function mismatchOf({ spec: request }: CertificateRequest, spec: CertificateSpec): string[] {
  const asked = readRequest(request.request)
  const same = (a: readonly string[] = [], b: readonly string[] = []) =>
    a.toSorted().join('\n') === b.toSorted().join('\n')
  const rows: [field: string, isSame: boolean][] = [
    ['spec.commonName', (spec.commonName ?? '') === asked.subject.commonName],
    ['spec.dnsNames', same(spec.dnsNames, asked.dnsNames)],
    ['spec.ipAddresses', same(spec.ipAddresses, asked.ipAddresses)],
    ['spec.uris', same(spec.uris, asked.uris)],
    ['spec.emailAddresses', same(spec.emailAddresses, asked.emailAddresses)],
    ['spec.subject.organizations', same(spec.subject?.organizations, asked.subject.organizations)],
    ['spec.isCA', (spec.isCA ?? false) === (request.isCA ?? false)],
    ['spec.usages', same(usagesOf(spec), request.usages)],
    ['spec.duration', (spec.duration ?? '') === (request.duration ?? '')],
    [
      'spec.issuerRef',
      request.issuerRef.name === spec.issuerRef.name && issuerKind(request.issuerRef) === issuerKind(spec.issuerRef),
    ],
  ]
  return rows.filter(([, isSame]) => !isSame).map(([field]) => field)
}

/** currentSecretValidForSpec: without its request, the names alone can be compared; a CN may be one of them. */
const secretDiffers: Policy = ({ certificate: { spec }, secret }) => {
  const leaf = parseCertificate(new X509Certificate(dataOf(secret, 'tls.crt')).raw)
  const { dnsNames = [], ipAddresses = [], uris = [] } = leaf.subjectAltName ?? {}
  const has = (there: readonly string[], wanted: readonly string[] = []) => wanted.every(name => there.includes(name))
  const rows: [field: string, isSame: boolean][] = [
    [
      'spec.commonName',
      !spec.commonName || spec.commonName === leaf.subject.commonName || dnsNames.includes(spec.commonName),
    ],
    ['spec.dnsNames', has([...dnsNames, leaf.subject.commonName], spec.dnsNames)],
    ['spec.ipAddresses', has(ipAddresses.map(ipToString), spec.ipAddresses)],
    ['spec.uris', has(uris, spec.uris)],
  ]
  const fields = rows.filter(([, isSame]) => !isSame).map(([field]) => field)
  return fields.length === 0
    ? undefined
    : found(
        'SecretMismatch',
        `Issuing certificate as Existing issued Secret is not up to date for spec: [${fields.join(' ')}]`,
      )
}

const requestDiffers: Policy = input => {
  const { request, certificate, secret } = input
  if (!request) return secretDiffers(input)
  try {
    const { publicKey } = readRequest(request.spec.request)
    if (!publicKey.equals(createPublicKey(dataOf(secret, 'tls.key'))))
      return found('SecretMismatch', 'Secret contains a private key that does not match the current CertificateRequest')
    const fields = mismatchOf(request, certificate.spec)
    return fields.length === 0
      ? undefined
      : found('RequestChanged', `Fields on existing CertificateRequest resource not up to date: [${fields.join(' ')}]`)
  } catch (error) {
    return found('InvalidCertificateRequest', `Failed to decode current CertificateRequest: ${messageOf(error)}`)
  }
}

const nearsExpiry: Policy = ({ certificate, secret, now }) => {
  const at = renewalTime(new X509Certificate(dataOf(secret, 'tls.crt')), certificate.spec)
  return at > now ? undefined : found('Renewing', `Renewing certificate as renewal was scheduled at ${goTime(at)}`)
}

const hasExpired: Policy = ({ secret, now }) => {
  const { validToDate } = new X509Certificate(dataOf(secret, 'tls.crt'))
  return now > validToDate ? found('Expired', `Certificate expired on ${rfc1123(validToDate)}`) : undefined
}

const common: readonly Policy[] = [doesNotExist, missingData, keysDiffer, issuerDiffers, nameDiffers, requestDiffers]

const first = (policies: readonly Policy[]) => (input: Input) => {
  for (const policy of policies) {
    const violation = policy(input)
    if (violation) return violation
  }
  return undefined
}

/** Why it must be issued; undefined: it need not. */
export const whyIssue = first([...common, nearsExpiry])
/** Why it is not ready; undefined: it is. */
export const whyNotReady = first([...common, hasExpired])

/** pki.RenewalTime: `renewBefore` before the end, or after two thirds of its life when that is left out or too long. */
export function renewalTime(
  { validFromDate, validToDate }: Pick<X509Certificate, 'validFromDate' | 'validToDate'>,
  { renewBefore, renewBeforePercentage }: Pick<CertificateSpec, 'renewBefore' | 'renewBeforePercentage'>,
): Date {
  const lifeMs = validToDate.getTime() - validFromDate.getTime()
  const wanted =
    renewBefore !== undefined
      ? parseDuration(renewBefore)
      : renewBeforePercentage !== undefined
        ? (lifeMs * renewBeforePercentage) / 100
        : 0
  const beforeMs = wanted > 0 && wanted < lifeMs ? wanted : lifeMs / 3
  return new Date(Math.floor((validToDate.getTime() - beforeMs) / 1000) * 1000)
}

/** time.Time's String. */
const goTime = (date: Date) => `${date.toISOString().slice(0, 19).replace('T', ' ')} +0000 UTC`
/** Go's time.RFC1123, which ends in the zone's name. */
const rfc1123 = (date: Date) => date.toUTCString().replace('GMT', 'UTC')
