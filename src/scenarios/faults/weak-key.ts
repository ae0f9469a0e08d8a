import { changeRow, type Fault, renewed, text } from './fault.ts'

export const weakKey: Fault = {
  name: 'weak-key',
  summary: 'the key of a certificate is RSA with 768 bits',
  attributes: { certificate: { kind: 'certificate', description: 'Which one.' } },
  apply(given, attributes) {
    changeRow(given, text(attributes, 'certificate'), { keyAlgorithm: 'RSA-768' })
  },
  undo: renewed,
}
