import type { TrustSlot } from '#pki/trust-slots.ts'
import { type Fault, text } from './fault.ts'

export const noVerification: Fault = {
  name: 'no-verification',
  summary: 'an end does not check its peers at all: its bundle is not configured',
  attributes: { slot: { kind: 'slot', description: 'Where: a slot of the plan’s `trust`.' } },
  apply(given, attributes) {
    const trust = { ...given.changes.trust, [text(attributes, 'slot') as TrustSlot]: null }
    given.changes = { ...given.changes, trust }
  },
  undo: attributes => [{ name: 'restore-trust', targets: [text(attributes, 'slot')] }],
}
