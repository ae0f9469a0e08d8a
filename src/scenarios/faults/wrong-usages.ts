import { changeRow, type Fault, renewed, text, texts } from './fault.ts'

export const wrongUsages: Fault = {
  name: 'wrong-usages',
  summary: 'a certificate may not be used at the end that shows it',
  attributes: {
    certificate: { kind: 'certificate', description: 'Which one.' },
    extKeyUsages: { kind: 'texts', description: 'All its extended key usages: serverAuth, clientAuth, …' },
  },
  apply(given, attributes) {
    changeRow(given, text(attributes, 'certificate'), { extKeyUsages: texts(attributes, 'extKeyUsages') })
  },
  undo: renewed,
}
