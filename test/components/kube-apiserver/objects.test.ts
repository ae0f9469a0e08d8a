/** Create, read, update and delete: what an object becomes, and what is said when it cannot. */
import t from 'tap'
import { configMap, configMaps, startApi } from './api.ts'

t.test('objects', async t => {
  const { call } = await startApi(t)

  t.test('a new object gets uid, creationTimestamp and the revision of etcd', async t => {
    const { status, body } = await call('POST', configMaps, configMap('one', { a: 'b' }))
    t.equal(status, 201)
    t.match(body.metadata, {
      name: 'one',
      namespace: 'default',
      uid: /^[0-9a-f-]{36}$/,
      creationTimestamp: /Z$/,
      resourceVersion: /^\d+$/,
    })
    const read = await call('GET', `${configMaps}/one`)
    t.strictSame(read.body, body, 'what is read is what was answered')
    t.match(read.headers['content-type'], /^application\/json/)
  })

  t.test('a second one of the same name is refused', async t => {
    const { status, body } = await call('POST', configMaps, configMap('one'))
    t.equal(status, 409)
    t.match(body, { reason: 'AlreadyExists', message: 'configmaps "one" already exists' })
  })

  t.test('generateName gets five characters more', async t => {
    const { body } = await call(
      'POST',
      configMaps,
      configMap(undefined as unknown as string, {}, { generateName: 'made-' }),
    )
    t.match(body.metadata.name, /^made-[bcdfghjklmnpqrstvwxz2456789]{5}$/)
  })

  t.test('an update with an old resourceVersion is a conflict, with the present one it is written', async t => {
    const { body: first } = await call('POST', configMaps, configMap('two', { a: '1' }))
    const second = await call('PUT', `${configMaps}/two`, { ...first, data: { a: '2' } })
    t.equal(second.status, 200)
    t.not(second.body.metadata.resourceVersion, first.metadata.resourceVersion)
    const late = await call('PUT', `${configMaps}/two`, { ...first, data: { a: '3' } })
    t.equal(late.status, 409)
    t.equal(
      late.body.message,
      'Operation cannot be fulfilled on configmaps "two": the object has been modified; please apply your changes to the latest version and try again',
    )
    const same = await call('PUT', `${configMaps}/two`, second.body)
    t.equal(same.body.metadata.resourceVersion, second.body.metadata.resourceVersion, 'no change is no write')
  })

  t.test('of two writers at once, both changes are there in the end', async t => {
    await call('POST', configMaps, configMap('raced'))
    const type = { 'content-type': 'application/merge-patch+json' }
    const all = await Promise.all(
      Array.from({ length: 8 }, (_, i) => call('PATCH', `${configMaps}/raced`, { data: { [`k${i}`]: 'v' } }, type)),
    )
    t.ok(all.every(({ status }) => status === 200))
    const { body } = await call('GET', `${configMaps}/raced`)
    t.equal(Object.keys(body.data).length, 8)
  })

  t.test('dryRun=All answers as if and writes nothing', async t => {
    const { status, body } = await call('POST', `${configMaps}?dryRun=All`, configMap('dry'))
    t.equal(status, 201)
    t.ok(body.metadata.uid)
    t.equal((await call('GET', `${configMaps}/dry`)).status, 404)
  })

  t.test('a delete answers Success with what went, and is not found afterwards', async t => {
    const { body } = await call('DELETE', `${configMaps}/one`)
    t.match(body, { kind: 'Status', status: 'Success', details: { name: 'one', kind: 'configmaps', uid: /./ } })
    const gone = await call('GET', `${configMaps}/one`)
    t.match(gone.body, {
      code: 404,
      reason: 'NotFound',
      message: 'configmaps "one" not found',
      details: { name: 'one', kind: 'configmaps' },
    })
  })

  t.test('a precondition that does not hold keeps the object', async t => {
    await call('POST', configMaps, configMap('kept'))
    const { status, body } = await call('DELETE', `${configMaps}/kept`, {
      kind: 'DeleteOptions',
      apiVersion: 'v1',
      preconditions: { uid: 'other' },
    })
    t.equal(status, 409)
    t.match(
      body.message,
      /^Operation cannot be fulfilled on configmaps "kept": Precondition failed: UID in precondition: other, UID in object meta: /,
    )
  })

  t.test('an object with finalizers waits for the last of them to be taken', async t => {
    await call('POST', configMaps, configMap('held', {}, { finalizers: ['example.com/wait'] }))
    await call('DELETE', `${configMaps}/held`)
    const held = await call('GET', `${configMaps}/held`)
    t.ok(held.body.metadata.deletionTimestamp)
    const added = await call('PUT', `${configMaps}/held`, {
      ...held.body,
      metadata: { ...held.body.metadata, finalizers: ['example.com/wait', 'example.com/more'] },
    })
    t.match(added.body.message, /no new finalizers can be added if the object is being deleted/)
    const freed = await call('PUT', `${configMaps}/held`, {
      ...held.body,
      metadata: { ...held.body.metadata, finalizers: [] },
    })
    t.equal(freed.status, 200)
    t.equal((await call('GET', `${configMaps}/held`)).status, 404)
  })

  t.test('deletecollection takes what the selector takes', async t => {
    for (const name of ['x1', 'x2']) await call('POST', configMaps, configMap(name, {}, { labels: { of: 'x' } }))
    const { status } = await call('DELETE', `${configMaps}?labelSelector=of%3Dx`)
    t.equal(status, 200)
    const { body } = await call('GET', `${configMaps}?labelSelector=of%3Dx`)
    t.strictSame(body.items, [])
  })

  t.test('a list is cut by limit and goes on with continue, at one revision', async t => {
    for (let i = 0; i < 5; i++) await call('POST', configMaps, configMap(`page-${i}`, {}, { labels: { page: 'yes' } }))
    const first = await call('GET', `${configMaps}?limit=2`)
    t.equal(first.body.items.length, 2)
    t.ok(first.body.metadata.remainingItemCount > 0)
    await call('POST', configMaps, configMap('page-late'))
    const names = first.body.items.map((item: { metadata: { name: string } }) => item.metadata.name)
    let token = first.body.metadata.continue
    while (token) {
      const { body } = await call('GET', `${configMaps}?limit=2&continue=${token}`)
      t.equal(body.metadata.resourceVersion, first.body.metadata.resourceVersion)
      names.push(...body.items.map((item: { metadata: { name: string } }) => item.metadata.name))
      token = body.metadata.continue
    }
    t.equal(new Set(names).size, names.length)
    t.notOk(names.includes('page-late'))
    const chosen = await call('GET', `${configMaps}?limit=3&labelSelector=page%3Dyes`)
    t.equal(chosen.body.items.length, 3)
    t.equal(chosen.body.metadata.remainingItemCount, undefined)
  })

  const wrong: [what: string, body: object, message: RegExp][] = [
    [
      'a name that is none',
      configMap('No_Good'),
      /ConfigMap "No_Good" is invalid: metadata.name: Invalid value: "No_Good": a lowercase RFC 1123 subdomain must consist/,
    ],
    ['no name', { ...configMap('x'), metadata: {} }, /metadata.name: Required value: name or generateName is required/],
    [
      'another namespace',
      configMap('x', {}, { namespace: 'other' }),
      /the namespace of the provided object does not match the namespace sent on the request/,
    ],
    ['another kind', { ...configMap('x'), kind: 'Secret' }, /Secret in version "v1" cannot be handled as a ConfigMap/],
    [
      'a label that is none',
      configMap('x', {}, { labels: { a: 'not good!' } }),
      /metadata.labels: Invalid value: "not good!": a valid label must be/,
    ],
  ]
  for (const [what, body, message] of wrong) {
    t.test(`${what} is refused`, async t => {
      const answer = await call('POST', configMaps, body)
      t.ok(answer.status === 400 || answer.status === 422)
      t.match(answer.body.message, message)
    })
  }
})
