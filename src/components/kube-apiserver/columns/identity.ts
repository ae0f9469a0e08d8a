/** printCertificateSigningRequest, printRoleBinding and the roles. */
import type { Unstructured } from '#kubernetes/types.ts'
import type { Column } from '../resources/types.ts'
import { age, name } from './standard.ts'
import { array, humanDuration, number, text } from './values.ts'

/** extractCSRStatus: `Approved,Issued`, `Pending`, … */
function condition(csr: Unstructured): string {
  const has = (type: string) => array(csr, 'status', 'conditions').some(c => c.type === type)
  const words = has('Denied') ? 'Denied' : has('Approved') ? 'Approved' : 'Pending'
  return `${words}${has('Failed') ? ',Failed' : ''}${text(csr, 'status', 'certificate') ? ',Issued' : ''}`
}

export const certificateSigningRequests: readonly Column[] = [
  name,
  age,
  { name: 'SignerName', value: csr => text(csr, 'spec', 'signerName') || '<none>' },
  { name: 'Requestor', value: csr => text(csr, 'spec', 'username') },
  {
    name: 'RequestedDuration',
    value: csr => {
      const seconds = number(csr, 'spec', 'expirationSeconds')
      return seconds ? humanDuration(seconds * 1000) : '<none>'
    },
  },
  { name: 'Condition', value: condition },
]

export const roles: readonly Column[] = [
  name,
  { name: 'Created At', format: 'date-time', value: role => role.metadata.creationTimestamp ?? '' },
]

const subjects = (binding: Unstructured, kind: string) =>
  array(binding, 'subjects')
    .filter(subject => subject.kind === kind)
    .map(subject => (kind === 'ServiceAccount' ? `${subject.namespace}/${subject.name}` : subject.name))
    .join(', ')

export const bindings: readonly Column[] = [
  name,
  { name: 'Role', value: binding => `${text(binding, 'roleRef', 'kind')}/${text(binding, 'roleRef', 'name')}` },
  age,
  { name: 'Users', wide: true, value: binding => subjects(binding, 'User') },
  { name: 'Groups', wide: true, value: binding => subjects(binding, 'Group') },
  { name: 'ServiceAccounts', wide: true, value: binding => subjects(binding, 'ServiceAccount') },
]
