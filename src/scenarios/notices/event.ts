import { resources } from '#kubernetes/resources.ts'
import { adminClient } from '../stage.ts'
import { watchObjects } from '../waiting.ts'
import { type NoticeSpec, text, within } from './notice.ts'

export const event: NoticeSpec = {
  name: 'event',
  description: 'What `kubectl get events -A` shows.',
  attributes: {
    reason: { kind: 'text', description: '`NodeNotReady`, `FailedScheduling`, …' },
    about: { kind: 'text', optional: true, description: 'The name of the object that it is about.' },
    says: { kind: 'text', optional: true, description: 'A part of its message.' },
    within,
  },
  expected: attributes =>
    ['event', ...['reason', 'about', 'says'].map(key => text(attributes, key))].filter(Boolean).join(' '),
  async look(stage, attributes) {
    const client = adminClient(stage)
    try {
      const { items } = await client.list(resources.events)
      const found = items.find(
        ({ reason, message, involvedObject }) =>
          reason === attributes.reason &&
          (attributes.about === undefined || involvedObject?.name === attributes.about) &&
          (message ?? '').includes(text(attributes, 'says')),
      )
      if (found) return { ok: true, seen: `event ${found.reason}: ${found.message}` }
      const others = [...new Set(items.map(({ reason }) => reason))].join(', ')
      return { ok: false, seen: `events there are: ${others || 'none'}` }
    } finally {
      await client.close()
    }
  },
  watch: (stage, _, again, signal) => watchObjects(stage, resources.events, again, signal),
}
