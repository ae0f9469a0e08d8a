import t from 'tap'
import { type Attributes, attributesOf, requestInfo } from '#kubernetes/attributes.ts'
import type { AuthorizationResult } from '#kubernetes/authz.ts'
import { subjectAccessReviews, tokenReviews } from '#kubernetes/delegated.ts'
import type { SubjectAccessReview, TokenReview } from '#kubernetes/types.ts'
import { clientOf, startServer, type Teardown, throwawayCa } from './ground.ts'

const ca = await throwawayCa()
const scheduler = await ca.issue('system:kube-scheduler')

async function start(t: Teardown) {
  const tokens: TokenReview[] = []
  const accesses: SubjectAccessReview[] = []
  const state = { broken: false }
  const { url } = await startServer(t, ca, {
    routes({ app }) {
      app.post('/apis/authentication.k8s.io/v1/tokenreviews', (request, reply) => {
        const review = JSON.parse((request.body as Buffer).toString()) as TokenReview
        tokens.push(review)
        const status =
          review.spec.token === 'good'
            ? { authenticated: true, user: { username: 'eve', uid: 'u', groups: ['g'] } }
            : review.spec.token === 'bad'
              ? { error: '[invalid bearer token, service account token has expired]' }
              : { authenticated: false }
        return reply.code(201).send(Buffer.from(JSON.stringify({ ...review, status })))
      })
      app.post('/apis/authorization.k8s.io/v1/subjectaccessreviews', (request, reply) => {
        if (state.broken)
          return reply.code(403).send(Buffer.from('{"kind":"Status","message":"no","reason":"Forbidden","code":403}'))
        const review = JSON.parse((request.body as Buffer).toString()) as SubjectAccessReview
        accesses.push(review)
        const { user } = review.spec
        const status =
          user === 'eve'
            ? { allowed: true, reason: 'RBAC: allowed' }
            : user === 'bad'
              ? { allowed: false, denied: true }
              : { allowed: false, reason: 'nobody' }
        return reply.code(201).send(Buffer.from(JSON.stringify({ ...review, status })))
      })
    },
  })
  return { ...clientOf(t, ca, url, scheduler), tokens, accesses, state }
}

t.test('a token is reviewed once, and is who the review says', async t => {
  const { client, tokens } = await start(t)
  const authenticate = tokenReviews({ client })
  const first = await authenticate('good')
  t.strictSame(first, { user: { username: 'eve', uid: 'u', groups: ['g'] } })
  t.equal(await authenticate('good'), first)
  t.equal(tokens.length, 1)
})

t.test('a token that is no good says why, when the review does, and is asked for again', async t => {
  const { client, tokens } = await start(t)
  const authenticate = tokenReviews({ client })
  t.strictSame(await authenticate('bad'), { error: '[invalid bearer token, service account token has expired]' })
  t.equal(await authenticate('unknown'), undefined)
  await authenticate('bad')
  t.equal(tokens.length, 3)
})

const eve = { username: 'eve', uid: 'u', groups: ['g'], extra: { scopes: ['s'] } }
const metrics = (user: Attributes['user']) => attributesOf(user, requestInfo('GET', '/metrics'))

t.test('an access is reviewed once, with everything that is known of the user', async t => {
  const { client, accesses } = await start(t)
  const authorize = subjectAccessReviews({ client })
  t.strictSame(await authorize(metrics(eve)), { decision: 'allow', reason: 'RBAC: allowed' })
  const again = authorize(metrics(eve))
  t.notOk(again instanceof Promise, 'known answers need no promise')
  t.equal((again as AuthorizationResult).decision, 'allow')
  t.equal(accesses.length, 1)
  t.strictSame(accesses[0]?.spec, {
    nonResourceAttributes: { path: '/metrics', verb: 'get' },
    user: 'eve',
    groups: ['g'],
    uid: 'u',
    extra: { scopes: ['s'] },
  })
  await authorize(attributesOf(eve, requestInfo('GET', '/api/v1/namespaces/a/pods/p/log')))
  t.strictSame(accesses[1]?.spec.resourceAttributes, {
    namespace: 'a',
    verb: 'get',
    version: 'v1',
    resource: 'pods',
    subresource: 'log',
    name: 'p',
  })
})

t.test('what is asked at the same time is asked once', async t => {
  const { client, accesses } = await start(t)
  const authorize = subjectAccessReviews({ client })
  await Promise.all([authorize(metrics(eve)), authorize(metrics(eve))])
  t.equal(accesses.length, 1)
})

t.test('no and never are told apart', async t => {
  const { client } = await start(t)
  const authorize = subjectAccessReviews({ client })
  t.strictSame(await authorize(metrics({ username: 'bad', groups: [] })), { decision: 'deny', reason: '' })
  t.strictSame(await authorize(metrics({ username: 'x', groups: [] })), { decision: 'no-opinion', reason: 'nobody' })
})

t.test('a review that is itself refused is an error, and is not kept', async t => {
  const { client, state } = await start(t)
  const authorize = subjectAccessReviews({ client })
  state.broken = true
  t.match(await authorize(metrics(eve)), { decision: 'no-opinion', error: 'no' })
  state.broken = false
  t.match(await authorize(metrics(eve)), { decision: 'allow' })
})

t.test('a review that got no answer is not tried again once its client is closed', async t => {
  const unanswered = { asked: 0, bell: Promise.withResolvers<void>() }
  const { url } = await startServer(t, ca, {
    routes({ app }) {
      app.post('/apis/authorization.k8s.io/v1/subjectaccessreviews', (_request, reply) => {
        unanswered.asked++
        unanswered.bell.resolve()
        return reply.code(500).send(Buffer.from('{"kind":"Status","message":"later","code":500}'))
      })
    },
  })
  const { client } = clientOf(t, ca, url, scheduler)
  const authorize = subjectAccessReviews({ client })
  const answer = authorize(metrics(eve))
  await unanswered.bell.promise
  await client.close()
  t.match(await answer, { decision: 'no-opinion' })
  t.equal(unanswered.asked, 1)
})
