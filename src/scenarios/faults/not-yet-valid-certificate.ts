import { changeRow, type Fault, renewed, text } from './fault.ts'

export const notYetValidCertificate: Fault = {
  name: 'not-yet-valid-certificate',
  summary: 'a certificate begins in the future, as when its issuer’s clock runs ahead',
  attributes: {
    certificate: { kind: 'certificate', description: 'Which one.' },
    in: { kind: 'duration', description: 'When it begins: `1h` is in an hour.' },
  },
  apply(given, attributes) {
    changeRow(given, text(attributes, 'certificate'), { notBefore: text(attributes, 'in'), notAfter: '365d' })
  },
  undo: renewed,
}
