import { join } from 'node:path'
import { memberId, readQuietly } from '../stage.ts'
import { type NoticeSpec, onNode, placed, text, within } from './notice.ts'

export const log: NoticeSpec = {
  name: 'log',
  description: 'A line in the log of a component.',
  attributes: {
    component: { kind: 'component', description: 'Whose.' },
    node: onNode,
    says: { kind: 'text', description: 'A part of a line.' },
    within,
  },
  expected: attributes => `the log of ${placed(attributes)} says ${JSON.stringify(attributes.says)}`,
  async look({ mesh }, attributes) {
    const id = memberId(mesh, text(attributes, 'component'), text(attributes, 'node'))
    const says = text(attributes, 'says')
    // JSON lines: quotes in a message are escaped
    const lines = readQuietly(join(mesh.dir, 'logs', `${id}.log`))
      .replaceAll('\\"', '"')
      .trimEnd()
      .split('\n')
    const line = lines.findLast(candidate => candidate.includes(says))
    return line === undefined
      ? { ok: false, seen: `of ${lines.length} lines of ${id} none does; the last: ${lines.at(-1)}` }
      : { ok: true, seen: line }
  },
}
