import { resources } from '#kubernetes/resources.ts'
import { StatusError } from '#kubernetes/status.ts'
import { adminClient } from '../stage.ts'
import { watchObjects } from '../waiting.ts'
import { type NoticeSpec, text, within } from './notice.ts'

export const node: NoticeSpec = {
  name: 'node',
  description: 'What `kubectl get nodes` shows of a node.',
  attributes: {
    node: { kind: 'text', optional: true, description: 'Which one. Left out: node-1.' },
    is: { kind: 'word', values: ['Ready', 'NotReady', 'absent'], description: 'Its state.' },
    within,
  },
  expected: attributes => `node ${text(attributes, 'node', 'node-1')} is ${text(attributes, 'is')}`,
  async look(stage, attributes) {
    const name = text(attributes, 'node', 'node-1')
    const client = adminClient(stage)
    try {
      const { status } = await client.get(resources.nodes, { name })
      const ready = status?.conditions?.find(({ type }) => type === 'Ready')
      const is = ready?.status === 'True' ? 'Ready' : 'NotReady'
      const why = ready?.message ? `: ${ready.message}` : ''
      return { ok: is === attributes.is, seen: `node ${name} is ${is}${why}` }
    } catch (error) {
      if (error instanceof StatusError && error.code === 404) {
        return { ok: attributes.is === 'absent', seen: `node ${name} is absent` }
      }
      throw error
    } finally {
      await client.close()
    }
  },
  watch: (stage, _, again, signal) => watchObjects(stage, resources.nodes, again, signal),
}
