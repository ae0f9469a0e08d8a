import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import t from 'tap'
import type { Clock } from '#clock.ts'
import { bootstrapTokens } from '#kubernetes/bootstrap-tokens.ts'
import {
  keyId,
  publicKeysOf,
  type ServiceAccountTokenOptions,
  serviceAccountTokens,
  signServiceAccountToken,
} from '#kubernetes/service-account-tokens.ts'
import type { Secret } from '#kubernetes/types.ts'

const issuer = 'https://kubernetes.default.svc.cluster.local'
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const now = new Date('2026-11-24T12:00:00Z')
const at = (ms: number): Clock => ({ now: () => new Date(now.getTime() + ms) })
const account = { metadata: { namespace: 'default', name: 'ci', uid: 'u-1' } }
const pod = { metadata: { namespace: 'default', name: 'p', uid: 'p-1' }, spec: { containers: [] } }

const sign = async (key: KeyObject = ec.privateKey, audiences = [issuer], bound = false) =>
  (
    await signServiceAccountToken({
      key,
      issuer,
      audiences,
      serviceAccount: account,
      ...(bound ? { boundTo: { pod } } : {}),
      expirationSeconds: 600,
      now,
    })
  ).token

const judge = (options: Partial<ServiceAccountTokenOptions> = {}) =>
  serviceAccountTokens({
    keys: () => [ec.publicKey],
    issuers: [issuer],
    audiences: [issuer],
    clock: at(0),
    ...options,
  })

t.test('a good token is its service account', async t => {
  for (const { privateKey, publicKey } of [ec, rsa]) {
    const result = await judge({ keys: () => [publicKey] })(await sign(privateKey))
    t.match(result, {
      user: {
        username: 'system:serviceaccount:default:ci',
        uid: 'u-1',
        groups: ['system:serviceaccounts', 'system:serviceaccounts:default'],
        extra: { 'authentication.kubernetes.io/credential-id': [/^JTI=[0-9a-f-]{36}$/] },
      },
    })
  }
})

t.test('the pod that it is bound to is told', async t => {
  t.match(await judge()(await sign(ec.privateKey, [issuer], true)), {
    user: {
      extra: { 'authentication.kubernetes.io/pod-name': ['p'], 'authentication.kubernetes.io/pod-uid': ['p-1'] },
    },
  })
})

t.test('any of the keys may have signed: a rotation has two for a while', async t => {
  t.match(await judge({ keys: () => [rsa.publicKey, ec.publicKey] })(await sign()), { user: {} })
})

t.test('the same token is the same user, until the keys change', async t => {
  let keys = [ec.publicKey]
  const authenticate = judge({ keys: () => keys })
  const token = await sign()
  const first = await authenticate(token)
  t.equal(await authenticate(token), first)
  keys = [rsa.publicKey]
  t.match(await authenticate(token), { error: 'go-jose/go-jose: error in cryptographic primitive' })
})

const refused: [name: string, make: () => Promise<unknown>, error: string][] = [
  [
    'another key',
    async () => judge({ keys: () => [rsa.publicKey] })(await sign()),
    'go-jose/go-jose: error in cryptographic primitive',
  ],
  ['no keys', async () => judge({ keys: () => [] })(await sign()), 'invalid signature, no keys found'],
  [
    'another audience',
    async () => judge()(await sign(ec.privateKey, ['vault', 'x'])),
    `token audiences ["vault" "x"] is invalid for the target audiences ["${issuer}"]`,
  ],
  ['its time over', async () => judge({ clock: at(700_000) })(await sign()), 'service account token has expired'],
  [
    'its time to come',
    async () => judge({ clock: at(-120_000) })(await sign()),
    'service account token is not valid yet',
  ],
  [
    'an account that is gone',
    async () => judge({ lookup: { serviceAccount: () => undefined } })(await sign()),
    'serviceaccounts "ci" not found',
  ],
  [
    'an account of another uid',
    async () => judge({ lookup: { serviceAccount: () => ({ metadata: { uid: 'u-2' } }) } })(await sign()),
    'service account UID (u-2) does not match claim (u-1)',
  ],
  [
    'a pod that is gone',
    async () =>
      judge({ lookup: { serviceAccount: () => account, pod: () => undefined } })(
        await sign(ec.privateKey, [issuer], true),
      ),
    'service account token has been invalidated',
  ],
]
for (const [name, make, error] of refused) {
  t.test(`a token with ${name} is refused in the original's words`, async t => {
    t.strictSame(await make(), { error })
  })
}

t.test('a minute of skew is forgiven, as go-jose does', async t => {
  t.match(await judge({ clock: at(650_000) })(await sign()), { user: {} })
  t.match(await judge({ clock: at(-50_000) })(await sign()), { user: {} })
})

t.test('what is no token of this issuer is left to others', async t => {
  t.equal(await judge()('abcdef.0123456789abcdef'), undefined)
  t.equal(await judge({ issuers: ['https://other'] })(await sign()), undefined)
  t.equal(await judge()('a.b.c'), undefined)
})

t.test('a changed token does not pass for the one that was known', async t => {
  const authenticate = judge()
  const token = await sign()
  await authenticate(token)
  const [header, , signature] = token.split('.')
  const payload = Buffer.from(
    JSON.stringify({
      iss: issuer,
      aud: issuer,
      'kubernetes.io': { namespace: 'kube-system', serviceaccount: { name: 'x' } },
    }),
  )
  t.match(await authenticate(`${header}.${payload.toString('base64url')}.${signature}`), { error: /cryptographic/ })
})

t.test('a token without a signature is refused', async t => {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = {
    iss: issuer,
    aud: [issuer],
    exp: now.getTime() / 1000 + 60,
    'kubernetes.io': { namespace: 'a', serviceaccount: { name: 'x' } },
  }
  t.match(await judge()(`${part({ alg: 'none' })}.${part(claims)}.`), { error: /cryptographic/ })
})

t.test('keys are read from what --service-account-key-file may hold', async t => {
  const pem = [
    ec.publicKey.export({ type: 'spki', format: 'pem' }),
    rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }),
  ].join('\n')
  const keys = publicKeysOf(pem, 'sa.pub')
  t.strictSame(keys.map(keyId), [keyId(ec.publicKey), keyId(createPublicKey(rsa.privateKey))])
  t.throws(() => publicKeysOf('nothing', 'sa.pub'), {
    message: 'error reading public key file sa.pub: data does not contain any valid RSA or ECDSA public keys',
  })
})

const data = (fields: Record<string, string>) =>
  Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, Buffer.from(value).toString('base64')]))
const good = {
  'token-id': 'abcdef',
  'token-secret': '0123456789abcdef',
  'usage-bootstrap-authentication': 'true',
  'auth-extra-groups': 'system:bootstrappers:kubeadm:default-node-token',
  expiration: '2026-11-24T13:00:00Z',
}
const secret = (fields: Record<string, string>, rest: Partial<Secret> = {}): Secret => ({
  metadata: { name: 'bootstrap-token-abcdef', namespace: 'kube-system' },
  type: 'bootstrap.kubernetes.io/token',
  data: data(fields),
  ...rest,
})
const bootstrap = (found: Secret | undefined, token = 'abcdef.0123456789abcdef') =>
  bootstrapTokens({ clock: at(0), secret: name => (name === 'bootstrap-token-abcdef' ? found : undefined) })(token)

t.test('a bootstrap token is a bootstrapper', async t => {
  t.strictSame(await bootstrap(secret(good)), {
    user: {
      username: 'system:bootstrap:abcdef',
      groups: ['system:bootstrappers', 'system:bootstrappers:kubeadm:default-node-token'],
    },
  })
})

const bad: [name: string, secret: Secret | undefined, token?: string][] = [
  ['no secret', undefined],
  ['another secret part', secret(good), 'abcdef.fedcba9876543210'],
  ['another form', secret(good), 'abcdef-0123456789abcdef'],
  ['its time over', secret({ ...good, expiration: '2026-11-24T11:00:00Z' })],
  ['another use', secret({ ...good, 'usage-bootstrap-authentication': 'false' })],
  ['another type of secret', secret(good, { type: 'Opaque' })],
  ['a group that it may not give', secret({ ...good, 'auth-extra-groups': 'system:masters' })],
  ['another id', secret({ ...good, 'token-id': 'fedcba' })],
]
for (const [name, found, token] of bad) {
  t.test(`a bootstrap token with ${name} is nobody`, async t => {
    t.equal(await bootstrap(found, token), undefined)
  })
}
