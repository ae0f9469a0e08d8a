import { parseDuration } from '#clock.ts'
import { type Fault, text } from './fault.ts'

export const wrongClock: Fault = {
  name: 'wrong-clock',
  summary: 'a component’s clock is off',
  attributes: {
    component: { kind: 'component', description: 'Which one.' },
    offset: { kind: 'duration', description: 'How far: `-10m` is ten minutes behind.' },
  },
  apply(given, attributes) {
    given.clockOffsets[text(attributes, 'component')] = parseDuration(text(attributes, 'offset'))
  },
  undo: attributes => [{ name: 'restore-clock', targets: [text(attributes, 'component')] }],
}
