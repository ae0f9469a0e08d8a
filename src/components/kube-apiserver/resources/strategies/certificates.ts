/** CertificateSigningRequests: pkg/registry/certificates/…/strategy.go and validation. */
import { messageOf } from '#errors.ts'
import type { FieldError } from '#kubernetes/status.ts'
import { time } from '#kubernetes/time.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import { checkRequestSignature, parseCertificateRequest } from '#x509/certificate-request.ts'
import { scanPem } from '#x509/pem-scanner.ts'
import { array, at, number, text } from '../../columns/values.ts'
import { child, list } from '../defaults.ts'
import type { Strategy } from '../types.ts'

const usages = [
  'any',
  'cert sign',
  'client auth',
  'code signing',
  'content commitment',
  'crl sign',
  'data encipherment',
  'decipher only',
  'digital signature',
  'email protection',
  'encipher only',
  'ipsec end system',
  'ipsec tunnel',
  'ipsec user',
  'key agreement',
  'key encipherment',
  'microsoft sgc',
  'netscape sgc',
  'ocsp signing',
  's/mime',
  'server auth',
  'signing',
  'timestamping',
]

/** validateCertificateSigningRequest: it can be read, and was signed by the key that it is about. */
function requestErrors(csr: Unstructured): FieldError[] {
  const field = 'spec.request'
  const value = text(csr, 'spec', 'request')
  const invalid = (detail: string): FieldError[] => [{ type: 'invalid', field, value, detail }]
  const [block] = scanPem(Buffer.from(value, 'base64').toString('latin1'))
  if (block?.label !== 'CERTIFICATE REQUEST') return invalid('PEM block type must be CERTIFICATE REQUEST')
  try {
    const refused = checkRequestSignature(parseCertificateRequest(block.der))
    return refused === undefined ? [] : invalid(refused)
  } catch (error) {
    return invalid(messageOf(error))
  }
}

function errors(csr: Unstructured): FieldError[] {
  const found = requestErrors(csr)
  const asked = array<string>(csr, 'spec', 'usages')
  if (asked.length === 0) found.push({ type: 'required', field: 'spec.usages', detail: 'usages must be specified' })
  for (const [i, usage] of asked.entries()) {
    if (!usages.includes(usage))
      found.push({
        type: 'notSupported',
        field: `spec.usages[${i}]`,
        value: usage,
        detail: `supported values: ${usages.map(u => JSON.stringify(u)).join(', ')}`,
      })
  }
  const signer = text(csr, 'spec', 'signerName')
  if (signer === '') found.push({ type: 'required', field: 'spec.signerName' })
  else if (!/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?\/[^/]+$/.test(signer) || !signer.split('/')[0]!.includes('.'))
    found.push({
      type: 'invalid',
      field: 'spec.signerName',
      value: signer,
      detail: 'must be a fully qualified domain and path of the form "example.com/signer-name"',
    })
  if (signer === 'kubernetes.io/legacy-unknown')
    found.push({
      type: 'invalid',
      field: 'spec.signerName',
      value: signer,
      detail: 'the legacy signerName is not allowed via this API version',
    })
  if (at(csr, 'spec', 'expirationSeconds') !== undefined && number(csr, 'spec', 'expirationSeconds') < 600)
    found.push({
      type: 'invalid',
      field: 'spec.expirationSeconds',
      value: number(csr, 'spec', 'expirationSeconds'),
      detail: 'may not specify a duration less than 600 seconds (10 minutes)',
    })
  return found
}

export const certificateSigningRequests: Strategy = {
  create(csr, { user }) {
    const spec = child(csr, 'spec')
    // Who asks is the server's to say.
    spec.username = user.username
    spec.groups = [...user.groups]
    if (user.uid) spec.uid = user.uid
    else delete spec.uid
    if (user.extra && Object.keys(user.extra).length > 0) spec.extra = user.extra
    else delete spec.extra
    csr.status = {}
  },
  update(csr, old) {
    csr.spec = old.spec
    csr.status = old.status
  },
  validate: errors,
}

/** What …/approval may change: the Approved and Denied conditions. */
export function applyApproval(csr: Unstructured, old: Unstructured, now: Date): void {
  const wanted = list(at(csr, 'status', 'conditions'))
  csr.spec = old.spec
  csr.status = { ...(old.status as object), conditions: stamped(wanted, now) }
}

/** What …/status may change: the certificate and the Failed condition. */
export function applyStatus(csr: Unstructured, old: Unstructured, now: Date): void {
  const kept = list(at(old, 'status', 'conditions')).filter(c => c.type === 'Approved' || c.type === 'Denied')
  const other = list(at(csr, 'status', 'conditions')).filter(c => c.type !== 'Approved' && c.type !== 'Denied')
  csr.spec = old.spec
  csr.status = { ...(csr.status as object), conditions: stamped([...kept, ...other], now) }
}

function stamped(conditions: Record<string, unknown>[], now: Date): Record<string, unknown>[] {
  return conditions.map(condition => ({
    status: 'True',
    ...condition,
    lastUpdateTime: condition.lastUpdateTime ?? time(now),
    lastTransitionTime: condition.lastTransitionTime ?? time(now),
  }))
}

/** Conditions may be added, never changed or taken away; Approved and Denied exclude each other. */
export function conditionErrors(csr: Unstructured, old: Unstructured): FieldError[] {
  const has = (o: Unstructured, type: string) => array(o, 'status', 'conditions').some(c => c.type === type)
  const found: FieldError[] = []
  for (const type of ['Approved', 'Denied', 'Failed']) {
    if (has(old, type) && !has(csr, type))
      found.push({
        type: 'forbidden',
        field: 'status.conditions',
        detail: `updates may not remove a condition of type ${JSON.stringify(type)}`,
      })
  }
  if (has(csr, 'Approved') && has(csr, 'Denied'))
    found.push({
      type: 'invalid',
      field: 'status.conditions',
      value: 'Denied',
      detail: 'Approved and Denied conditions are mutually exclusive',
    })
  return found
}
