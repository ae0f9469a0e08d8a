import { join } from 'node:path'
import { readQuietly } from '../stage.ts'
import { type NoticeSpec, text, within } from './notice.ts'

export const log: NoticeSpec = {
  name: 'log',
  description: 'A line in the log of a component.',
  attributes: {
    component: { kind: 'component', description: 'Whose; with several nodes, the first node’s.' },
    says: { kind: 'text', description: 'A part of a line.' },
    within,
  },
  expected: attributes => `the log of ${text(attributes, 'component')} says ${JSON.stringify(attributes.says)}`,
  async look({ mesh }, attributes) {
    const [id, says] = [text(attributes, 'component'), text(attributes, 'says')]
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
