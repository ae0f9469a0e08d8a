import t from 'tap'
import { startEndpoint } from '#endpoints/endpoint.ts'
import { createAuthority } from '#endpoints/fixture.ts'
import { domain, startGallery } from '#endpoints/gallery.ts'
import { memoryRecords } from '#tls/records.ts'
import { dialOnce, pattern } from './dialling.ts'

const authority = await createAuthority()

t.test('each defect has a port and a name, and shows the same on both', async t => {
  const records = memoryRecords()
  const gallery = await startGallery({ port: 0, authority, records })
  t.teardown(() => gallery.stop())
  t.ok(gallery.entries.length > 25)
  const named = gallery.entries.filter(({ byName }) => byName)
  for (const { name, text, url, byName } of named) {
    const own = await dialOnce({ port: Number(new URL(url).port), ca: gallery.ca })
    const shared = await dialOnce({
      port: Number(new URL(byName!).port),
      ca: gallery.ca,
      servername: `${name}.${domain}`,
    })
    t.match(shared, { outcome: own.outcome, ...(own.reason ? { reason: own.reason } : {}) }, name)
    if (text && own.refusedBy === 'client') t.match(shared.message, pattern(text), name)
  }
  t.ok(records.records.length >= 2 * named.length, 'the handshakes were told of')
})

t.test('a taken port stops all of it, and an unknown name starts nothing', async t => {
  await using taken = await startEndpoint()
  const records = memoryRecords()
  await t.rejects(startGallery({ port: taken.port, only: ['good'], authority, records }), { code: 'TP_PORT_IN_USE' })
  await t.rejects(startGallery({ port: 0, only: ['expird'], authority, records }), {
    code: 'TP_NAME_UNKNOWN',
    fix: 'did you mean expired?',
  })
})
