import { changeRow, type Fault, renewed, text, texts } from './fault.ts'

export const wrongSubject: Fault = {
  name: 'wrong-subject',
  summary: 'a certificate names another user, or other groups, than its component needs',
  attributes: {
    certificate: { kind: 'certificate', description: 'Which one.' },
    commonName: { kind: 'text', description: 'The user (CN).', optional: true },
    organizations: { kind: 'texts', description: 'The groups (O).', optional: true },
  },
  apply(given, attributes) {
    changeRow(given, text(attributes, 'certificate'), {
      ...(attributes.commonName === undefined ? {} : { commonName: text(attributes, 'commonName') }),
      ...(attributes.organizations === undefined ? {} : { organizations: texts(attributes, 'organizations') }),
    })
  },
  undo: renewed,
}
