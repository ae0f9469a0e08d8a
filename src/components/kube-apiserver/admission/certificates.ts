/** CertificateApproval, CertificateSigning and CertificateSubjectRestriction: who may say yes to which signer, and no system:masters by CSR. */

import { reviewAttributes } from '#kubernetes/attributes.ts'
import type { Authorizer } from '#kubernetes/authz.ts'
import { forbidden } from '#kubernetes/status.ts'
import { parseCertificateRequest } from '#x509/certificate-request.ts'
import { scanPem } from '#x509/pem-scanner.ts'
import { array, text } from '../columns/values.ts'
import type { AdmissionRequest, Plugin } from './types.ts'

const group = 'certificates.k8s.io'
const kubeletClient = 'kubernetes.io/kube-apiserver-client'

/** May the user `verb` certificates of this signer, or of its whole domain. */
async function maySign(
  request: AdmissionRequest,
  verb: 'approve' | 'sign',
  signer: string,
  authorizer: Authorizer,
): Promise<boolean> {
  for (const name of [signer, `${signer.split('/')[0]}/*`]) {
    const { decision } = await authorizer(
      reviewAttributes(request.user, { resourceAttributes: { verb, group, version: '*', resource: 'signers', name } }),
    )
    if (decision === 'allow') return true
  }
  return false
}

export function certificateSigners(authorizer: Authorizer): Plugin {
  return async request => {
    const { definition, subresource, operation, object, old, name } = request
    if (definition.resource !== 'certificatesigningrequests' || operation !== 'UPDATE' || !object || !old) return
    const signer = text(old, 'spec', 'signerName')
    if (subresource === 'approval' && !(await maySign(request, 'approve', signer, authorizer)))
      throw forbidden(
        definition,
        name,
        `user not permitted to approve requests with signerName ${JSON.stringify(signer)}`,
      )
    if (subresource !== 'status') return
    const issued = text(object, 'status', 'certificate') !== text(old, 'status', 'certificate')
    const failed = (of: unknown) => array(of, 'status', 'conditions').some(c => c.type === 'Failed')
    if (!issued && failed(object) === failed(old)) return
    if (!(await maySign(request, 'sign', signer, authorizer)))
      throw forbidden(definition, name, `user not permitted to sign requests with signerName ${JSON.stringify(signer)}`)
  }
}

/** No certificate for system:masters from kubernetes.io/kube-apiserver-client. */
export const certificateSubjectRestriction: Plugin = ({ definition, operation, subresource, object, name }) => {
  if (definition.resource !== 'certificatesigningrequests' || operation !== 'CREATE' || subresource !== '') return
  if (text(object, 'spec', 'signerName') !== kubeletClient) return
  if (organizationsOf(text(object, 'spec', 'request')).includes('system:masters'))
    throw forbidden(definition, name, `use of ${kubeletClient} signer with system:masters group is not allowed`)
}

/** Every O of the subject; what cannot be read has none, and the strategy's validation says so. */
function organizationsOf(request: string): readonly string[] {
  const [block] = scanPem(Buffer.from(request, 'base64').toString('latin1'))
  try {
    return block ? parseCertificateRequest(block.der).subject.organizations : []
  } catch {
    return []
  }
}
