import { changeRow, type Fault, renewed, text } from './fault.ts'

export const unknownExtension: Fault = {
  name: 'unknown-extension',
  summary: 'a certificate has a critical extension that nobody knows',
  attributes: { certificate: { kind: 'certificate', description: 'Which one.' } },
  apply(given, attributes) {
    // an OID for examples (ITU-T X.660: 2.999), with a NULL in it
    changeRow(given, text(attributes, 'certificate'), {
      extraExtensions: [{ oid: '2.999.1', critical: true, value: '0500' }],
    })
  },
  undo: renewed,
}
