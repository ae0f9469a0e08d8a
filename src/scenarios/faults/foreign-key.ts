import { changeRow, type Fault, renewed, text } from './fault.ts'

export const foreignKey: Fault = {
  name: 'foreign-key',
  summary: 'the key beside a certificate is that of another one',
  attributes: {
    certificate: { kind: 'certificate', description: 'Which one; not in a kubeconfig.' },
    keyFrom: { kind: 'certificate', description: 'Whose key it has.' },
  },
  apply(given, attributes) {
    changeRow(given, text(attributes, 'certificate'), { keyFrom: text(attributes, 'keyFrom') })
  },
  undo: renewed,
}
