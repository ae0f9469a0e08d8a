import { changeRow, type Fault, renewed, text } from './fault.ts'

export const wrongIssuer: Fault = {
  name: 'wrong-issuer',
  summary: 'a certificate is signed by another authority than those who check it trust',
  attributes: {
    certificate: { kind: 'certificate', description: 'Which one.' },
    issuer: { kind: 'authority', description: 'The authority of the plan that signs it.' },
  },
  apply(given, attributes) {
    changeRow(given, text(attributes, 'certificate'), { issuer: text(attributes, 'issuer') })
  },
  undo: renewed,
}
