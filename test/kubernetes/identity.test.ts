/** Who presents what, and what a real kube-apiserver answered: fixtures/identity.fixture.json, row by row, over real TLS. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { systemClock } from '#clock.ts'
import { Audit } from '#kubernetes/audit.ts'
import { createAuthenticator, staticTokens } from '#kubernetes/authn.ts'
import { privilegedGroups, unionAuthorizer } from '#kubernetes/authz.ts'
import { bootstrapPolicy } from '#kubernetes/bootstrap-policy.ts'
import { RbacStore, rbacAuthorizer } from '#kubernetes/rbac.ts'
import { memoryBundle } from '#tls/bundle.ts'
import {
  type Authority,
  ask,
  type Issued,
  type IssueOptions,
  type Subject,
  startServer,
  throwawayCa,
} from './ground.ts'

interface Row {
  id: string
  description: string
  status: number
  body?: object | string
  headers: string[]
  auditUser?: { username?: string; uid?: string; groups?: string[]; extra?: Record<string, string[]> } | null
  auditReason?: string | null
}
const rows = JSON.parse(readFileSync(new URL('fixtures/identity.fixture.json', import.meta.url), 'utf8')) as Row[]

type Authorities = Record<'ca' | 'frontProxy' | 'rogue', Authority>

interface Request {
  subject?: Subject
  by?: keyof Authorities
  issue?: IssueOptions
  method?: string
  path?: string
  headers?: Record<string, string | string[]>
  anonymousAuth?: false
}

const goodToken = { authorization: 'Bearer good-token' }
const bob: Subject = [{ O: ['dev'] }, { CN: ['bob'] }]
const past = { notBefore: new Date(Date.now() - 20 * 86_400_000), notAfter: new Date(Date.now() - 86_400_000) }
const anyone: Subject = [{ O: ['system:masters'] }, { CN: ['intruder'] }]

const requests: Record<string, Request> = {
  'id-admin': { subject: [{ O: ['system:masters'] }, { CN: ['admin'] }] },
  'id-multi-o': { subject: [{ O: ['g1'] }, { O: ['g2'] }, { O: ['g3'] }, { CN: ['u'] }] },
  'id-multi-o-one-rdn': { subject: [{ O: ['ga', 'gb'] }, { CN: ['u'] }] },
  'id-dup-o': { subject: [{ O: ['g'] }, { O: ['g'] }, { CN: ['u'] }] },
  'id-two-cn': { subject: [{ CN: ['first'] }, { CN: ['second'] }] },
  'id-no-cn': { subject: [{ O: ['dev'] }] },
  'id-empty-subject': { subject: [], issue: { dns: ['alice'] } },
  'id-san-ignored': { subject: [{ CN: ['bob'] }], issue: { dns: ['alice'], email: ['alice@example.com'] } },
  'id-no-o': { subject: [{ CN: ['lonely'] }] },
  'id-space': { subject: [{ O: [' system:masters'] }, { CN: ['u'] }] },
  'id-node': { subject: [{ O: ['system:nodes'] }, { CN: ['system:node:n1'] }] },
  'id-anon-cn': { subject: [{ CN: ['system:anonymous'] }] },
  'id-ou-ignored': { subject: [{ OU: ['system:masters'] }, { CN: ['u'] }] },
  'id-serviceaccount-cn': { subject: [{ CN: ['system:serviceaccount:default:x'] }] },
  'anon-get /': { path: '/' },
  'anon-get /api': { path: '/api' },
  'anon-get /apis': { path: '/apis' },
  'anon-get /healthz': { path: '/healthz' },
  'anon-get /readyz': { path: '/readyz' },
  'anon-get /metrics': { path: '/metrics' },
  'anon-get /apis/apps/v1/namespaces/default/deployments/x': {
    path: '/apis/apps/v1/namespaces/default/deployments/x',
  },
  'anon-get /nosuch': { path: '/nosuch' },
  'anon-post': { method: 'POST', path: '/api/v1/namespaces/default/pods' },
  'anon-delete': { method: 'DELETE', path: '/api/v1/namespaces/default/pods/p' },
  'bob-get-pod': { subject: bob, path: '/api/v1/namespaces/default/pods/p' },
  'bob-watch': { subject: bob, path: '/api/v1/secrets?watch=true' },
  '401-wrong-ca': { subject: anyone, by: 'rogue' },
  '401-expired': { subject: anyone, issue: past },
  '401-badtoken': { headers: { authorization: 'Bearer nonsense' } },
  '401-basic': { headers: { authorization: `Basic ${Buffer.from('u:p').toString('base64')}` } },
  '401-wrong-ca-healthz': { subject: anyone, by: 'rogue', path: '/healthz' },
  '401-protobuf': { subject: anyone, by: 'rogue', headers: { accept: 'application/vnd.kubernetes.protobuf' } },
  'mix-badcert-goodtoken': { subject: anyone, by: 'rogue', headers: goodToken },
  'mix-goodcert-badtoken': { subject: bob, headers: { authorization: 'Bearer nonsense' } },
  'mix-goodcert-goodtoken': { subject: bob, headers: goodToken },
  'mix-nocn-goodtoken': { subject: [{ O: ['dev'] }], headers: goodToken },
  'fp-ok': {
    subject: [{ CN: ['front-proxy-client'] }],
    by: 'frontProxy',
    headers: { 'X-Remote-User': 'alice', 'X-Remote-Group': ['team'], 'X-Remote-Extra-Scopes': 's1' },
  },
  'fp-headers-with-user-cert': { subject: bob, headers: { 'X-Remote-User': 'alice', 'X-Remote-Group': 'team' } },
  'impersonate-denied': { subject: bob, headers: { 'Impersonate-User': 'carol' } },
  'noanon-nocert': { anonymousAuth: false },
  'noanon-healthz': { anonymousAuth: false, path: '/healthz' },
  'noanon-good': { anonymousAuth: false, subject: [{ O: ['system:masters'] }, { CN: ['admin'] }] },
}

interface AuditLine {
  stage: string
  user: { username?: string; uid?: string; groups?: string[]; extra?: Record<string, string[]> }
  annotations?: Record<string, string>
  responseStatus?: { code?: number }
}

async function start(t: Parameters<typeof startServer>[0], { ca, frontProxy }: Authorities, anonymous: boolean) {
  const store = new RbacStore()
  for (const objects of Object.values(bootstrapPolicy)) for (const object of objects) store.put(object)
  const events: AuditLine[] = []
  const audit = new Audit({
    clock: systemClock,
    policy: { rules: [{ level: 'Metadata' }], omitStages: ['RequestReceived'] },
    sink: { write: line => void events.push(JSON.parse(line) as AuditLine), close: async () => {} },
  })
  const started = await startServer(t, ca, {
    audit,
    impersonation: true,
    alwaysAllowPaths: [],
    authenticator: createAuthenticator({
      clock: systemClock,
      voice: 'go1.24',
      clientCa: memoryBundle(ca.cert),
      requestHeader: {
        ca: memoryBundle(frontProxy.cert),
        allowedNames: ['front-proxy-client'],
        usernameHeaders: ['X-Remote-User'],
        groupHeaders: ['X-Remote-Group'],
        extraHeadersPrefix: ['X-Remote-Extra-'],
      },
      tokens: [staticTokens(new Map([['good-token', { username: 'token-user', uid: 'uid-1', groups: ['g1', 'g2'] }]]))],
      anonymous,
    }),
    authorizer: unionAuthorizer([privilegedGroups(), rbacAuthorizer(store)]),
    routes: ({ app }) =>
      app.get('/api/v1/namespaces', (_request, reply) =>
        reply.header('content-type', 'application/json').send(Buffer.from('{"kind":"NamespaceList"}')),
      ),
  })
  return { ...started, events, audit }
}

t.test('every row has its request', async t => {
  t.strictSame(
    rows.map(({ id }) => id),
    Object.keys(requests),
  )
})

t.test('identity, 401 and 403 are those of a real kube-apiserver', async t => {
  const [ca, frontProxy, rogue] = await Promise.all([
    throwawayCa('kubernetes'),
    throwawayCa('front-proxy-ca'),
    throwawayCa('kubernetes'),
  ])
  const authorities = { ca, frontProxy, rogue }
  const open = await start(t, authorities, true)
  const closed = await start(t, authorities, false)

  for (const row of rows) {
    const request = requests[row.id]!
    t.test(`${row.id}: ${row.description}`, async t => {
      const server = request.anonymousAuth === false ? closed : open
      let cert: Issued | undefined
      if (request.subject) cert = await authorities[request.by ?? 'ca'].issue(request.subject, request.issue)
      server.events.length = 0
      const answer = await ask(t, ca, server.url + (request.path ?? '/api/v1/namespaces'), {
        cert,
        method: request.method ?? 'GET',
        ...(request.headers ? { headers: request.headers } : {}),
      })
      t.equal(answer.status, row.status)
      for (const line of row.headers) {
        const [name, value] = line.split(': ')
        t.equal(answer.headers[name!.toLowerCase()], value, name ?? '')
      }
      if (!row.headers.some(line => line.startsWith('X-Content-Type-Options')))
        t.equal(answer.headers['x-content-type-options'], undefined)
      t.equal(answer.headers['www-authenticate'], undefined)
      if (typeof row.body === 'string') {
        t.equal(answer.bytes.toString('latin1').replace(/[^\x20-\x7e\n]/g, '.'), row.body)
      } else if (row.body) t.equal(answer.text, `${JSON.stringify(row.body)}\n`)
      server.audit.flush()
      // A refused certificate is written as ResponseStarted, everything else when it is complete.
      const event = server.events.at(-1)
      if (row.auditUser) {
        const { extra, ...seen } = event?.user ?? {}
        const { 'authentication.kubernetes.io/credential-id': _credential, ...others } = extra ?? {}
        t.strictSame({ ...seen, ...(Object.keys(others).length > 0 ? { extra: others } : {}) }, row.auditUser)
      }
      if (typeof row.auditReason === 'string') {
        t.equal(event?.annotations?.['authorization.k8s.io/reason'], row.auditReason)
      }
    })
  }
})
