import { changeRow, type Fault, renewed, text } from './fault.ts'

export const weakSignature: Fault = {
  name: 'weak-signature',
  summary: 'a certificate is signed with SHA-1',
  attributes: { certificate: { kind: 'certificate', description: 'Which one.' } },
  apply(given, attributes) {
    changeRow(given, text(attributes, 'certificate'), { signatureHash: 'SHA-1' })
  },
  undo: renewed,
}
