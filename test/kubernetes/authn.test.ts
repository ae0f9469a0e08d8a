import t from 'tap'
import type { Clock } from '#clock.ts'
import { type AuthenticatorOptions, createAuthenticator } from '#kubernetes/authn.ts'
import { memoryBundle } from '#tls/bundle.ts'
import { memoryIdentity } from '#tls/identity.ts'
import type { Peer } from '#tls/types.ts'
import { type Issued, type IssueOptions, type Subject, throwawayCa } from './ground.ts'

const ca = await throwawayCa('kubernetes')
const proxyCa = await throwawayCa('front-proxy-ca')
const rogue = await throwawayCa('kubernetes')
const day = 86_400_000
const clock: Clock & { offset: number } = { offset: 0, now: () => new Date(Date.now() + clock.offset) }

const peerWith = ({ cert, key }: Issued): Peer => ({
  handshake: '',
  certificates: memoryIdentity(cert, key).current().chain,
  address: '127.0.0.1:1',
  record() {},
})
const issue = async (subject: Subject | string, options?: IssueOptions, by = ca) =>
  peerWith(await by.issue(subject, options))

function ask(options: Partial<AuthenticatorOptions>) {
  const authenticate = createAuthenticator({
    clock,
    voice: 'go1.24',
    clientCa: memoryBundle(ca.cert),
    anonymous: true,
    ...options,
  })
  return (peer: Peer | undefined, headers: Record<string, string> = {}, rawHeaders = Object.entries(headers).flat()) =>
    authenticate({
      peer,
      headers: Object.fromEntries(Object.entries(headers).map(([k, v]) => [k.toLowerCase(), v])),
      rawHeaders,
    })
}

t.test("a certificate is its user, with the credential's id", async t => {
  const peer = await issue([{ O: ['a'] }, { O: ['b'] }, { CN: ['eve'] }])
  t.strictSame(ask({})(peer), {
    ok: true,
    by: 'certificate',
    user: {
      username: 'eve',
      groups: ['a', 'b', 'system:authenticated'],
      extra: { 'authentication.kubernetes.io/credential-id': [`X509SHA256=${peer.certificates[0]!.sha256}`] },
    },
  })
})

t.test("a UID in the subject is the user's", async t => {
  const peer = await issue([{ CN: ['eve'] }, { '1.3.6.1.4.1.57683.2': ['uid-7'] }])
  t.match(ask({})(peer), { ok: true, user: { username: 'eve', uid: 'uid-7' } })
})

t.test('answers are the same object for a connection, so that what is known of a user can be kept', async t => {
  const peer = await issue('eve')
  const authenticate = ask({})
  const [a, b] = [authenticate(peer), authenticate(peer)]
  t.ok('user' in a && 'user' in b && a.user === b.user)
})

t.test("a verdict ends with the certificate's validity, on a connection that is open", async t => {
  const peer = await issue('eve', { notAfter: new Date(Date.now() + day) })
  const authenticate = ask({})
  t.match(authenticate(peer), { ok: true })
  clock.offset = 2 * day
  t.teardown(() => {
    clock.offset = 0
  })
  t.match(authenticate(peer), {
    ok: false,
    reason: 'expired',
    message:
      /^verifying certificate SN=\d+, SKID=, AKID=[0-9A-F:]+ failed: x509: certificate has expired or is not yet valid: current time \S+ is after /,
  })
  clock.offset = 0
  t.match(authenticate(peer), { ok: true }, 'and comes back with it')
})

t.test('a verdict ends with the bundle that it was made under', async t => {
  const peer = await issue('eve')
  const clientCa = memoryBundle(ca.cert)
  const authenticate = ask({ clientCa })
  t.match(authenticate(peer), { ok: true })
  clientCa.set(rogue.cert)
  t.match(authenticate(peer), {
    ok: false,
    reason: 'unknown-authority',
    message:
      /possibly because of "x509: ECDSA verification failure" while trying to verify candidate authority certificate "kubernetes"\)$/,
  })
  clientCa.set(`${rogue.cert}${ca.cert}`)
  t.match(authenticate(peer), { ok: true })
})

t.test('without trust anchors there is no certificate authentication', async t => {
  t.match(ask({ clientCa: memoryBundle([]) })(await issue('eve')), { ok: true, by: 'anonymous' })
})

t.test('the words of all authenticators are told together, each once', async t => {
  const authenticate = ask({
    requestHeader: {
      ca: memoryBundle(proxyCa.cert),
      allowedNames: ['front-proxy-client'],
      usernameHeaders: ['X-Remote-User'],
      groupHeaders: ['X-Remote-Group'],
      extraHeadersPrefix: [],
    },
    tokens: [() => ({ error: 'service account token has expired' }), () => undefined],
  })
  const peer = await issue('eve', {}, rogue)
  const result = await authenticate(peer, { authorization: 'Bearer x' })
  t.match(result, {
    ok: false,
    message:
      /^\[x509: certificate signed by unknown authority, verifying certificate SN=.* failed: x509: certificate signed by unknown authority \(possibly .*\), invalid bearer token, service account token has expired\]$/,
  })
  const alone = await authenticate(undefined, { authorization: 'Bearer x' })
  t.match(alone, { ok: false, message: '[invalid bearer token, service account token has expired]' })
})

t.test('a front proxy whose name is not allowed is told so', async t => {
  const authenticate = ask({
    requestHeader: {
      ca: memoryBundle(proxyCa.cert),
      allowedNames: ['aggregator'],
      usernameHeaders: ['X-Remote-User'],
      groupHeaders: [],
      extraHeadersPrefix: [],
    },
  })
  const peer = await issue('front-proxy-client', {}, proxyCa)
  t.match(authenticate(peer, { 'X-Remote-User': 'eve' }), {
    ok: false,
    message: /^\[x509: subject with cn=front-proxy-client is not in the allowed list, verifying certificate /,
  })
})

t.test('a front proxy speaks for a user: repeated groups, names with commas, escaped extras', async t => {
  const authenticate = ask({
    requestHeader: {
      ca: memoryBundle(proxyCa.cert),
      allowedNames: [],
      usernameHeaders: ['X-Remote-User'],
      uidHeaders: ['X-Remote-Uid'],
      groupHeaders: ['X-Remote-Group'],
      extraHeadersPrefix: ['X-Remote-Extra-'],
    },
  })
  const peer = await issue('front-proxy-client', {}, proxyCa)
  const raw = [
    'X-Remote-User',
    'eve',
    'X-Remote-Uid',
    '7',
    'X-Remote-Group',
    'a',
    'x-remote-group',
    'b, c',
    'X-Remote-Extra-Acme.com%2fProject',
    'p',
  ]
  const headers = {
    'x-remote-user': 'eve',
    'x-remote-uid': '7',
    'x-remote-group': 'a, b, c',
    'x-remote-extra-acme.com%2fproject': 'p',
  }
  t.strictSame(authenticate(peer, headers, raw), {
    ok: true,
    by: 'front-proxy',
    user: {
      username: 'eve',
      uid: '7',
      groups: ['a', 'b, c', 'system:authenticated'],
      extra: { 'acme.com/project': ['p'] },
    },
  })
})

t.test("X-Remote-User without a front proxy's certificate is nobody's", async t => {
  t.match(ask({})(undefined, { 'X-Remote-User': 'admin' }), { ok: true, by: 'anonymous' })
})

const schemes: [authorization: string, seen: string | undefined][] = [
  ['Bearer abc', 'abc'],
  ['bearer abc', 'abc'],
  ['Bearer', undefined],
  ['Bearer  abc', undefined],
  ['Basic abc', undefined],
]
for (const [authorization, seen] of schemes) {
  t.test(`Authorization: ${authorization} ${seen ? 'is' : 'is not'} a token`, async t => {
    let token: string | undefined
    await ask({
      tokens: [
        given => {
          token = given
          return undefined
        },
      ],
    })(undefined, { authorization })
    t.equal(token, seen)
  })
}
