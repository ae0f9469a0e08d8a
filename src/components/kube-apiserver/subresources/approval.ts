/** …/approval and …/status of CertificateSigningRequests. Whether one may is admission's (certificate-approval, certificate-signing). */
import type { FieldError } from '#kubernetes/status.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import { applyApproval, applyStatus, conditionErrors } from '../resources/strategies/certificates.ts'
import { resourceOf } from '../resources/table.ts'
import { check } from '../verbs/metadata.ts'
import { patchWith, updateWith } from './status.ts'

function validate(csr: Unstructured, old: Unstructured): void {
  const errors: FieldError[] = conditionErrors(csr, old)
  check(csr, resourceOf('certificates.k8s.io', 'certificatesigningrequests'), errors)
}

export const approval = { update: updateWith(applyApproval, validate), patch: patchWith(applyApproval, validate) }
export const csrStatus = { update: updateWith(applyStatus, validate), patch: patchWith(applyStatus, validate) }
