import { changeRow, type Fault, renewed, text, texts } from './fault.ts'

export const wrongNames: Fault = {
  name: 'wrong-names',
  summary: 'the subjectAltName of a certificate lacks the name that is dialled',
  attributes: {
    certificate: { kind: 'certificate', description: 'Which one.' },
    dnsNames: { kind: 'texts', description: 'All its DNS names.' },
    ipAddresses: { kind: 'texts', description: 'All its IP addresses.' },
  },
  apply(given, attributes) {
    changeRow(given, text(attributes, 'certificate'), {
      dnsNames: texts(attributes, 'dnsNames'),
      ipAddresses: texts(attributes, 'ipAddresses'),
      certSANs: [],
    })
  },
  undo: renewed,
}
