import { type Fault, text, texts } from './fault.ts'

export const wrongFlag: Fault = {
  name: 'wrong-flag',
  summary: 'a component is started with a wrong flag',
  attributes: {
    component: { kind: 'program', description: 'Which one.' },
    flags: {
      kind: 'texts',
      description:
        'Added to its command line, where the last one counts: `--anonymous-auth=false`. `{dir}` is the state directory.',
    },
  },
  apply(given, attributes) {
    const component = text(attributes, 'component')
    given.flags[component] = [...(given.flags[component] ?? []), ...texts(attributes, 'flags')]
  },
  undo: attributes => [{ name: 'restore-flags', targets: [text(attributes, 'component')] }],
}
