import { resources } from '#kubernetes/resources.ts'
import type { CertificateSigningRequest } from '#kubernetes/types.ts'
import { adminClient } from '../stage.ts'
import { watchObjects } from '../waiting.ts'
import { type NoticeSpec, text, within } from './notice.ts'

export const csr: NoticeSpec = {
  name: 'csr',
  description: 'What `kubectl get csr` shows of a CertificateSigningRequest.',
  attributes: {
    name: { kind: 'text', optional: true, description: 'Which one. Left out: any.' },
    user: { kind: 'text', optional: true, description: 'Who asked: `system:node:node-1`.' },
    signer: { kind: 'text', optional: true, description: 'Of whom: `kubernetes.io/kubelet-serving`.' },
    is: {
      kind: 'word',
      values: ['Pending', 'Approved', 'Issued', 'Denied', 'Failed', 'absent'],
      description: 'Its condition. An issued one is approved, too.',
    },
    within,
  },
  expected: attributes => `${which(attributes)} is ${text(attributes, 'is')}`,
  async look(stage, attributes) {
    const { name, user, signer, is } = attributes
    const client = adminClient(stage)
    try {
      const { items } = await client.list(resources.csrs)
      const found = items.filter(
        ({ metadata, spec }) =>
          (name === undefined || metadata.name === name) &&
          (user === undefined || spec.username === user) &&
          (signer === undefined || spec.signerName === signer),
      )
      const states = found.map(conditionsOf)
      const ok = is === 'absent' ? found.length === 0 : states.some(state => state.includes(String(is)))
      const seen = states.map(state => state.join(',')).join('; ') || 'absent'
      return { ok, seen: `${which(attributes)} is ${seen}` }
    } finally {
      await client.close()
    }
  },
  watch: (stage, _, again, signal) => watchObjects(stage, resources.csrs, again, signal),
}

const which = (attributes: Parameters<NoticeSpec['expected']>[0]) =>
  ['CSR', ...['name', 'user', 'signer'].map(key => text(attributes, key))].filter(Boolean).join(' ')

/** As kubectl's CONDITION column. */
function conditionsOf({ status }: CertificateSigningRequest): string[] {
  const types = (status?.conditions ?? []).map(({ type }) => type)
  const all = [...types, ...(status?.certificate ? ['Issued'] : [])]
  return all.length > 0 ? all : ['Pending']
}
