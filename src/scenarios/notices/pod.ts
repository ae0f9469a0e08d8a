import { resources } from '#kubernetes/resources.ts'
import { StatusError } from '#kubernetes/status.ts'
import { adminClient } from '../stage.ts'
import { watchObjects } from '../waiting.ts'
import { type NoticeSpec, text, within } from './notice.ts'

export const pod: NoticeSpec = {
  name: 'pod',
  description: 'What `kubectl get pods` shows of a pod.',
  attributes: {
    name: { kind: 'text', description: 'Which one.' },
    namespace: { kind: 'text', optional: true, description: 'Left out: default.' },
    is: {
      kind: 'word',
      values: ['Pending', 'Running', 'Succeeded', 'Failed', 'absent'],
      description: 'Its phase.',
    },
    within,
  },
  expected: attributes => `pod ${text(attributes, 'name')} is ${text(attributes, 'is')}`,
  async look(stage, attributes) {
    const [name, namespace] = [text(attributes, 'name'), text(attributes, 'namespace', 'default')]
    const client = adminClient(stage)
    try {
      const { status } = await client.get(resources.pods, { name, namespace })
      const is = status?.phase ?? 'Pending'
      return { ok: is === attributes.is, seen: `pod ${name} is ${is}` }
    } catch (error) {
      if (error instanceof StatusError && error.code === 404) {
        return { ok: attributes.is === 'absent', seen: `pod ${name} is absent` }
      }
      throw error
    } finally {
      await client.close()
    }
  },
  watch: (stage, _, again, signal) => watchObjects(stage, resources.pods, again, signal),
}
