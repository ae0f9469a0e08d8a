import t from 'tap'
import type { Attributes } from '#kubernetes/attributes.ts'
import { allowed, noOpinion } from '#kubernetes/authz.ts'
import { impersonated, impersonates } from '#kubernetes/impersonation.ts'

const admin = { username: 'admin', groups: ['system:masters'] }
const as = async (raw: string[], may: (a: Attributes) => boolean = () => true) => {
  const asked: string[] = []
  const headers = Object.fromEntries(raw.flatMap((name, i) => (i % 2 === 0 ? [[name.toLowerCase(), raw[i + 1]!]] : [])))
  const result = await impersonated(admin, headers, raw, a => {
    asked.push([a.verb, a.apiGroup, a.resource, a.subresource, a.namespace, a.name].join(' '))
    return may(a) ? allowed() : noOpinion()
  })
  return { result, asked, wanted: impersonates(headers) }
}

t.test('a user, groups, a uid and extras are each asked for', async t => {
  const { result, asked, wanted } = await as([
    'Impersonate-User',
    'eve',
    'Impersonate-Group',
    'a',
    'Impersonate-Group',
    'b',
    'Impersonate-Uid',
    '7',
    'Impersonate-Extra-Acme.com%2fScopes',
    's',
  ])
  t.equal(wanted, true)
  t.strictSame(asked, [
    'impersonate  users   eve',
    'impersonate  groups   a',
    'impersonate  groups   b',
    'impersonate authentication.k8s.io uids   7',
    'impersonate authentication.k8s.io userextras acme.com/scopes  s',
  ])
  t.strictSame(result, {
    username: 'eve',
    uid: '7',
    groups: ['a', 'b', 'system:authenticated'],
    extra: { 'acme.com/scopes': ['s'] },
  })
})

t.test('a service account has its groups', async t => {
  const { result, asked } = await as(['Impersonate-User', 'system:serviceaccount:ns:ci'])
  t.strictSame(asked, ['impersonate  serviceaccounts  ns ci'])
  t.match(result, { groups: ['system:serviceaccounts', 'system:serviceaccounts:ns', 'system:authenticated'] })
})

t.test('anonymous stays unauthenticated', async t => {
  t.match((await as(['Impersonate-User', 'system:anonymous'])).result, { groups: ['system:unauthenticated'] })
})

t.test('one part that is not allowed refuses all', async t => {
  const { result } = await as(
    ['Impersonate-User', 'eve', 'Impersonate-Group', 'system:masters'],
    a => a.resource !== 'groups',
  )
  t.match(result, {
    code: 403,
    message:
      'groups "system:masters" is forbidden: User "admin" cannot impersonate resource "groups" in API group "" at the cluster scope',
  })
})

t.test('groups without a user are a bad request; odd names harm nobody', async t => {
  t.match((await as(['Impersonate-Group', 'a'])).result, { code: 400 })
  const { result } = await as([
    'Impersonate-User',
    'eve',
    'Impersonate-Extra-__proto__',
    'x',
    'Impersonate-Extra-%zz',
    'y',
  ])
  t.match(result, { username: 'eve' })
  t.equal((await as(['Accept', 'x'])).wanted, false)
})
