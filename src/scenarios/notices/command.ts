/** A program, run as one component: kubectl, etcdctl, curl. One that is not on this machine is skipped by name. */
import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { filledIn, type Stage } from '../stage.ts'
import type { NoticeAttributes } from '../types.ts'
import { askerOf, filesOf } from './asking.ts'
import { type NoticeSpec, text, within } from './notice.ts'

export const command: NoticeSpec = {
  name: 'command',
  description:
    'A program, as one component: `kubectl get nodes`. There is no shell. Skipped by name where the program is missing.',
  attributes: {
    run: {
      kind: 'text',
      description:
        'The command line; `{dir}` is the state directory, `{node}` the first node, `{etcd}` and so on are addresses. Words with spaces in quotes.',
    },
    as: {
      kind: 'who',
      optional: true,
      description: 'Whose KUBECONFIG, or CERT, KEY and CACERT, it gets. Left out: kubectl’s.',
    },
    to: { kind: 'whom', optional: true, description: 'Whom it dials: decides CACERT. Left out: kube-apiserver.' },
    exit: { kind: 'number', optional: true, description: 'Its exit status. Left out: 0; with `says`: any.' },
    says: { kind: 'text', optional: true, description: 'A part of what it writes, to either stream.' },
    within,
  },
  expected(attributes) {
    const { exit, says } = attributes
    const status = exit ?? (says === undefined ? 0 : undefined)
    const words = says === undefined ? '' : `says ${JSON.stringify(says)}`
    return [`${text(attributes, 'run')}:`, status === undefined ? '' : `ends with ${status}`, words]
      .filter(Boolean)
      .join(' ')
  },
  async look(stage, attributes) {
    const { exit, says } = attributes
    const [program = '', ...words] = wordsOf(filledIn(stage.mesh, text(attributes, 'run')))
    const path = findProgram(program)
    if (!path) return { ok: true, seen: `${program} is not on PATH`, skipped: `${program} is not on PATH` }
    const { status, output } = await execute(stage, path, words, attributes)
    const wanted = exit ?? (says === undefined ? 0 : undefined)
    const ok = (wanted === undefined || status === wanted) && output.includes(text(attributes, 'says'))
    return { ok, seen: `${text(attributes, 'run')}: ends with ${status}, says ${JSON.stringify(output.slice(0, 600))}` }
  },
}

/** `a 'b c' "d e"`: words as a shell would take them, without its variables and globs. */
const wordsOf = (line: string): string[] =>
  [...line.matchAll(/(?:[^\s'"]+|'[^']*'|"[^"]*")+/g)].map(([word]) => word.replace(/'([^']*)'|"([^"]*)"/g, '$1$2'))

function findProgram(name: string): string | undefined {
  if (name.includes('/')) return name
  return (process.env.PATH ?? '')
    .split(delimiter)
    .filter(Boolean)
    .map(folder => join(folder, name))
    .find(path => {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

function execute({ mesh }: Stage, path: string, words: readonly string[], attributes: NoticeAttributes) {
  const asker = askerOf(mesh.layout, text(attributes, 'as', 'kubectl'), text(attributes, 'to', 'kube-apiserver'))
  const env = {
    PATH: process.env.PATH,
    LANG: 'C.UTF-8',
    // what a program keeps at home (kubectl's cache) goes with the mesh
    HOME: mesh.dir,
    ETCDCTL_API: '3',
    ETCDCTL_ENDPOINTS: filledIn(mesh, 'https://{etcd}'),
    ...filesOf(mesh.layout, asker),
  }
  return new Promise<{ status: number | string; output: string }>(resolve => {
    const child = execFile(path, words, { env, timeout: 20_000, cwd: mesh.dir }, (error, stdout, stderr) => {
      const status = error ? (error.code ?? error.signal ?? 1) : 0
      resolve({ status: status as number | string, output: `${stdout}${stderr}` })
    })
    child.stdin?.end()
  })
}
