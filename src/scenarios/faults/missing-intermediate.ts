import { changeRow, type Fault, renewed, text } from './fault.ts'

export const missingIntermediate: Fault = {
  name: 'missing-intermediate',
  summary: 'a certificate is shown alone, without the intermediates that lead to what the other end trusts',
  attributes: { certificate: { kind: 'certificate', description: 'Which one.' } },
  apply(given, attributes) {
    changeRow(given, text(attributes, 'certificate'), { chain: [] })
  },
  undo: renewed,
}
