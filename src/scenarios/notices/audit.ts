import { filledIn, readQuietly } from '../stage.ts'
import { type NoticeSpec, text, within } from './notice.ts'

interface Entry {
  user?: { username?: string; groups?: string[] }
  verb?: string
  objectRef?: { resource?: string; name?: string; namespace?: string }
  requestURI?: string
  responseStatus?: { code?: number }
}

/** Attribute → what it must be equal to in an entry. */
const fields: Readonly<Record<string, (entry: Entry) => unknown>> = {
  user: entry => entry.user?.username,
  verb: entry => entry.verb,
  resource: entry => entry.objectRef?.resource,
  name: entry => entry.objectRef?.name,
  namespace: entry => entry.objectRef?.namespace,
  code: entry => entry.responseStatus?.code,
}

export const audit: NoticeSpec = {
  name: 'audit',
  description: 'An entry of the audit log. The apiserver needs --audit-policy-file and --audit-log-path.',
  attributes: {
    user: { kind: 'text', optional: true, description: 'Who: `kubernetes-admin`.' },
    verb: { kind: 'text', optional: true, description: '`get`, `create`, …' },
    resource: { kind: 'text', optional: true, description: '`secrets`' },
    name: { kind: 'text', optional: true, description: 'Of the object.' },
    namespace: { kind: 'text', optional: true, description: 'Of the object.' },
    code: { kind: 'number', optional: true, description: 'HTTP status of the answer.' },
    says: { kind: 'text', optional: true, description: 'A part of the entry, as JSON.' },
    within,
  },
  expected: attributes => `the audit log has ${wanted(attributes)}`,
  async look({ mesh }, attributes) {
    const flags = mesh.member('kube-apiserver').argv
    const flag = flags.findLast(word => word.startsWith('--audit-log-path='))
    if (!flag) return { ok: false, seen: 'the apiserver has no --audit-log-path' }
    const lines = readQuietly(filledIn(mesh, flag.slice(flag.indexOf('=') + 1)))
      .split('\n')
      .filter(Boolean)
    const line = lines.findLast(candidate => fits(candidate, attributes))
    return line ? { ok: true, seen: line } : { ok: false, seen: `of ${lines.length} entries none is that` }
  },
}

function fits(line: string, attributes: Parameters<NoticeSpec['expected']>[0]): boolean {
  const entry = JSON.parse(line) as Entry
  const equal = Object.entries(fields).every(
    ([name, field]) => attributes[name] === undefined || field(entry) === attributes[name],
  )
  return equal && line.includes(text(attributes, 'says'))
}

const wanted = ({ within: _, ...attributes }: Parameters<NoticeSpec['expected']>[0]) =>
  Object.entries(attributes)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ') || 'an entry'
