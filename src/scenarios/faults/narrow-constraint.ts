import { changeAuthority, type Fault, startOver, text, texts } from './fault.ts'

export const narrowConstraint: Fault = {
  name: 'narrow-constraint',
  summary: 'an authority may not sign for names that its certificates have: name constraints',
  attributes: {
    authority: { kind: 'authority', description: 'Which one.' },
    permittedDnsNames: { kind: 'texts', description: 'The domains that it may sign for.' },
  },
  apply(given, attributes) {
    const nameConstraints = { permittedDnsNames: texts(attributes, 'permittedDnsNames') }
    changeAuthority(given, text(attributes, 'authority'), { nameConstraints })
  },
  undo: startOver,
}
