import { changeRow, type Fault, renewed, text } from './fault.ts'

export const repeatedNames: Fault = {
  name: 'repeated-names',
  summary: 'a certificate has two subjectAltName extensions, where RFC 5280 §4.2 allows one: Go does not parse it',
  attributes: { certificate: { kind: 'certificate', description: 'Which one; it has names already.' } },
  apply(given, attributes) {
    // GeneralNames with the DNS name `api`
    changeRow(given, text(attributes, 'certificate'), {
      extraExtensions: [{ oid: '2.5.29.17', value: '30058203617069' }],
    })
  },
  undo: renewed,
}
