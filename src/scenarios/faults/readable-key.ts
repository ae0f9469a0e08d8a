import { changeRow, type Fault, renewed, text } from './fault.ts'

export const readableKey: Fault = {
  name: 'readable-key',
  summary: 'everybody on the machine can read a key',
  attributes: {
    certificate: { kind: 'certificate', description: 'Whose key; not in a kubeconfig.' },
    mode: { kind: 'mode', description: 'The mode of its file.' },
  },
  apply(given, attributes) {
    changeRow(given, text(attributes, 'certificate'), { keyMode: text(attributes, 'mode') })
  },
  undo: renewed,
}
