import { changeAuthority, type Fault, startOver, text } from './fault.ts'

export const notAnAuthority: Fault = {
  name: 'not-an-authority',
  summary: 'what signs certificates is no CA: basicConstraints CA:FALSE',
  attributes: { authority: { kind: 'authority', description: 'Which one.' } },
  apply(given, attributes) {
    changeAuthority(given, text(attributes, 'authority'), { isCa: false })
  },
  undo: startOver,
}
