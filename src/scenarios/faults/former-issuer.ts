import { changeRow, type Fault, formerAuthority, renewed, text } from './fault.ts'

export const formerIssuer: Fault = {
  name: 'former-issuer',
  summary:
    "a certificate is from a former authority of the same name, with another key: a cluster's that was made anew",
  attributes: {
    certificate: { kind: 'certificate', description: 'Which one.' },
    commonName: { kind: 'text', description: 'The name of both authorities.' },
  },
  apply(given, attributes) {
    const issuer = formerAuthority(given, text(attributes, 'commonName'))
    changeRow(given, text(attributes, 'certificate'), { issuer })
  },
  undo: renewed,
}
