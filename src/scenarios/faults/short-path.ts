import { changeAuthority, type Fault, startOver, text } from './fault.ts'

export const shortPath: Fault = {
  name: 'short-path',
  summary: 'an authority allows fewer intermediates below it than there are: pathLenConstraint',
  attributes: {
    authority: { kind: 'authority', description: 'Which one.' },
    pathLength: { kind: 'text', description: "How many it allows, in quotes: `'0'`." },
  },
  apply(given, attributes) {
    changeAuthority(given, text(attributes, 'authority'), { pathLength: Number(text(attributes, 'pathLength')) })
  },
  undo: startOver,
}
