import { join } from 'node:path'
import { memberId, readQuietly } from '../stage.ts'
import { type NoticeSpec, onNode, placed, text, within } from './notice.ts'

const states: Readonly<Record<string, string>> = { dead: 'down', stopped: 'down' }

export const component: NoticeSpec = {
  name: 'component',
  description: 'Whether a component runs; and of one that does not, its last words.',
  attributes: {
    component: { kind: 'component', description: 'Which one.' },
    node: onNode,
    is: {
      kind: 'word',
      values: ['running', 'starting', 'down'],
      description: '`starting`: it waits for something, as the apiserver does for etcd.',
    },
    says: { kind: 'text', optional: true, description: 'A part of its last words, or of its log.' },
    within,
  },
  expected: attributes =>
    [`${placed(attributes)} is ${text(attributes, 'is')}`, attributes.says && JSON.stringify(attributes.says)]
      .filter(Boolean)
      .join(', and says '),
  async look({ mesh }, attributes) {
    const member = mesh.member(memberId(mesh, text(attributes, 'component'), text(attributes, 'node')))
    const is = states[member.state] ?? member.state
    const words = member.words ?? ''
    const log = readQuietly(join(mesh.dir, 'logs', `${member.id}.log`)).replaceAll('\\"', '"')
    const says = `${words}\n${log}`.includes(text(attributes, 'says'))
    return { ok: is === attributes.is && says, seen: `${member.id} is ${is}${words ? `: ${words}` : ''}` }
  },
}
