import { messageOf } from '#errors.ts'
import { inDir } from '#mesh/layout.ts'
import { type NoticeSpec, text, within } from './notice.ts'

export const lint: NoticeSpec = {
  name: 'lint',
  description: 'What `trustplane pki lint` finds.',
  attributes: {
    rule: { kind: 'text', description: 'The rule: `key-mode`, `key-in-git`, …' },
    in: {
      kind: 'file',
      optional: true,
      description: 'A folder, a repository or a tarball below the state directory. Left out: the state directory.',
    },
    about: { kind: 'text', optional: true, description: 'A part of the path, or of what was found there.' },
    is: { kind: 'word', values: ['found', 'absent'], optional: true, description: 'Left out: found.' },
    within,
  },
  expected(attributes) {
    const about = attributes.about === undefined ? '' : ` about ${text(attributes, 'about')}`
    return `pki lint: ${text(attributes, 'rule')}${about} is ${text(attributes, 'is', 'found')}`
  },
  async look({ mesh }, attributes) {
    const { lint: examine } = await import('#pki/lint/lint.ts')
    const now = new Date(Date.now() + mesh.state.clockOffsetMs)
    try {
      const { findings, looked } = await examine(inDir(mesh.layout, text(attributes, 'in', '.')), { now })
      const found = findings.find(
        ({ rule, path, detail }) => rule === attributes.rule && `${path} ${detail}`.includes(text(attributes, 'about')),
      )
      const seen = found
        ? `pki lint: ${found.rule} ${found.path}: ${found.detail}`
        : `pki lint: not among ${findings.length} findings in ${looked.files} files`
      return { ok: (found === undefined) === (attributes.is === 'absent'), seen }
    } catch (error) {
      return { ok: false, seen: messageOf(error) }
    }
  },
}
