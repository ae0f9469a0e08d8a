import type { TrustSlot } from '#pki/trust-slots.ts'
import { type Fault, text, texts } from './fault.ts'

export const wrongTrust: Fault = {
  name: 'wrong-trust',
  summary: 'an end checks its peers with the wrong bundle',
  attributes: {
    slot: { kind: 'slot', description: 'Where: a slot of the plan’s `trust`.' },
    authorities: { kind: 'authorities', description: 'Whom it trusts instead.' },
  },
  apply(given, attributes) {
    const trust = { ...given.changes.trust, [text(attributes, 'slot') as TrustSlot]: texts(attributes, 'authorities') }
    given.changes = { ...given.changes, trust }
  },
  undo: attributes => [{ name: 'restore-trust', targets: [text(attributes, 'slot')] }],
}
