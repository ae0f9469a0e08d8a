import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { systemClock } from '#clock.ts'
import { TrustplaneError } from '#errors.ts'
import { createAuthenticator } from '#kubernetes/authn.ts'
import { createClient } from '#kubernetes/from-kubeconfig.ts'
import { loadKubeconfig } from '#kubernetes/kubeconfig.ts'
import { memoryBundle } from '#tls/bundle.ts'
import { memoryRecords } from '#tls/records.ts'
import { memoryLog, startServer, throwawayCa } from './ground.ts'

const base64 = (text: string) => Buffer.from(text).toString('base64')
const config = (cluster: string, user: string, rest = 'current-context: c') => `apiVersion: v1
kind: Config
clusters:
- name: kubernetes
  cluster: {${cluster}}
users:
- name: admin
  user: {${user}}
contexts:
- name: c
  context: {cluster: kubernetes, user: admin}
${rest}
`
const server = 'server: https://127.0.0.1:6443'

t.test('embedded data, paths and the rest are read; paths start from the file', async t => {
  const dir = t.testdir({ 'client.crt': 'crt', 'client.key': 'key', pki: { 'ca.crt': 'ca' } })
  const path = join(dir, 'admin.conf')
  writeFileSync(
    path,
    config(
      `${server}, certificate-authority: pki/ca.crt, tls-server-name: kubernetes`,
      'client-certificate: client.crt, client-key: client.key, tokenFile: token, as: eve, as-groups: [a, b]',
    ),
  )
  t.strictSame(loadKubeconfig(path), {
    path,
    context: 'c',
    cluster: 'kubernetes',
    user: 'admin',
    namespace: '',
    server: 'https://127.0.0.1:6443',
    certificateAuthority: { file: join(dir, 'pki/ca.crt') },
    clientCertificate: { file: join(dir, 'client.crt') },
    clientKey: { file: join(dir, 'client.key') },
    tokenFile: join(dir, 'token'),
    tlsServerName: 'kubernetes',
    insecureSkipTlsVerify: false,
    impersonate: { user: 'eve', groups: ['a', 'b'], extra: {} },
  })
  const embedded = config(
    `${server}, certificate-authority-data: ${base64('CA')}`,
    `client-certificate-data: ${base64('CRT')}, client-key-data: ${base64('KEY')}, token: t`,
  )
  t.match(loadKubeconfig({ text: embedded, folder: dir }), {
    certificateAuthority: { data: 'CA' },
    clientCertificate: { data: 'CRT' },
    clientKey: { data: 'KEY' },
    token: 't',
  })
})

const unusable: [name: string, text: string, message: RegExp | string][] = [
  [
    'nothing in it',
    '',
    'invalid configuration: no configuration has been provided, try setting KUBERNETES_MASTER environment variable',
  ],
  ['no current-context', config(server, 'token: t', ''), 'no context chosen'],
  [
    'a context that is not there',
    config(server, 'token: t', 'current-context: d'),
    'invalid configuration: context was not found for specified context: d',
  ],
  [
    'no server',
    config('tls-server-name: x', 'token: t'),
    'invalid configuration: no server found for cluster "kubernetes"',
  ],
  ['an empty cluster', config('', 'token: t'), 'invalid configuration: cluster has no server defined'],
  [
    'a certificate without key',
    config(server, `client-certificate-data: ${base64('x')}`),
    'invalid configuration: client-key-data or client-key must be specified for admin to use the clientCert authentication method.',
  ],
  [
    'both forms of a certificate',
    config(`${server}, certificate-authority-data: ${base64('x')}, certificate-authority: /dev/null`, 'token: t'),
    'invalid configuration: certificate-authority-data and certificate-authority are both specified for kubernetes. certificate-authority-data will override.',
  ],
  [
    'files that are not there',
    config(
      `${server}, certificate-authority: /nowhere/ca.crt`,
      'client-certificate: /nowhere/a.crt, client-key: /nowhere/a.key',
    ),
    'invalid configuration: [unable to read client-cert /nowhere/a.crt for admin due to open /nowhere/a.crt: no such file or directory, unable to read client-key /nowhere/a.key for admin due to open /nowhere/a.key: no such file or directory, unable to read certificate-authority /nowhere/ca.crt for kubernetes due to open /nowhere/ca.crt: no such file or directory]',
  ],
  [
    'a bundle that would not be used',
    config(`${server}, insecure-skip-tls-verify: true, certificate-authority-data: ${base64('x')}`, 'token: t'),
    'specifying a root certificates file with the insecure flag is not allowed',
  ],
  [
    'data that is not base64',
    config(`${server}, certificate-authority-data: "a*b="`, 'token: t'),
    /illegal base64 data at input byte 1/,
  ],
  ['broken YAML', 'apiVersion: v1\nkind: Config\nclusters: [', /^error loading config file "text": yaml: line \d+: /],
  ['a list', '- a', /couldn't get version\/kind; json parse error/],
  ['another kind', 'apiVersion: v1\nkind: Pod', /no kind "Pod" is registered for version "v1"/],
  ['an exec plugin', config(server, 'exec: {command: aws}'), /exec plugin, which trustplane does not run/],
  ['a server that is no URL', config('server: "https://[::1"', 'token: t'), /not a URL/],
]
for (const [name, text, message] of unusable) {
  t.test(`a kubeconfig with ${name} is refused in client-go's words`, async t => {
    try {
      loadKubeconfig({ text, folder: '/' })
      t.fail('it was taken')
    } catch (error) {
      t.ok(error instanceof TrustplaneError)
      t.match((error as Error).message, message)
      t.ok((error as TrustplaneError).fix)
    }
  })
}

t.test('a file that is not there is named', async t => {
  t.throws(() => loadKubeconfig('/nowhere/admin.conf'), {
    message: 'stat /nowhere/admin.conf: no such file or directory',
  })
})

t.test('the line of broken YAML is told', async t => {
  const path = join(t.testdir({ 'admin.conf': 'apiVersion: v1\nkind: Config\n\tclusters: x\n' }), 'admin.conf')
  try {
    loadKubeconfig(path)
    t.fail('it was taken')
  } catch (error) {
    t.match((error as TrustplaneError).at, { file: path, line: 3 })
  }
})

t.test('a client made of it presents the certificate; files are read again when they change, data is not', async t => {
  const ca = await throwawayCa()
  const users: (string | undefined)[] = []
  const { url } = await startServer(t, ca, {
    authenticator: createAuthenticator({
      clock: systemClock,
      voice: 'go1.24',
      clientCa: memoryBundle(ca.cert),
      anonymous: true,
    }),
    routes: ({ app }) =>
      app.get('/whoami', (request, reply) => {
        users.push(request.user.username)
        return reply.send(Buffer.from('{}'))
      }),
  })
  const [first, second] = await Promise.all([ca.issue('first'), ca.issue('second')])
  const dir = t.testdir({ 'client.crt': first.cert, 'client.key': first.key, 'ca.crt': ca.cert })
  const cluster = `server: ${JSON.stringify(url)}, certificate-authority: ca.crt`
  const client = async (user: string) => {
    const { log, lines } = memoryLog()
    const made = createClient({
      kubeconfig: loadKubeconfig({ text: config(cluster, user), folder: dir }),
      component: 'kubectl',
      from: 'kubectl',
      to: 'kube-apiserver',
      clock: systemClock,
      voice: 'go1.24',
      log,
      records: memoryRecords(),
    })
    t.teardown(() => made.close())
    return { made, lines }
  }
  const data = await client(`client-certificate-data: ${base64(first.cert)}, client-key-data: ${base64(first.key)}`)
  const files = await client('client-certificate: client.crt, client-key: client.key')
  await data.made.raw({ path: '/whoami' })
  await files.made.raw({ path: '/whoami' })
  writeFileSync(join(dir, 'client.key'), second.key)
  writeFileSync(join(dir, 'client.crt'), second.cert)
  const rotated = 'Certificate rotation detected, shutting down client connections to start using new credentials'
  for (const { made } of [data, files]) {
    // a connection that is open is cut off at the next poll, in five minutes; a new one reads the files at once
    made.closeConnections()
    await made.raw({ path: '/whoami' })
  }
  t.strictSame(users, ['first', 'first', 'first', 'second'])
  t.ok(files.lines.some(({ message }) => message === rotated))
})

t.test('a token file is sent, and read again when it changes', async t => {
  const ca = await throwawayCa()
  const tokens: (string | undefined)[] = []
  const { url } = await startServer(t, ca, {
    routes: ({ app }) =>
      app.get('/whoami', (request, reply) => {
        tokens.push(request.headers.authorization)
        return reply.send(Buffer.from('{}'))
      }),
  })
  const dir = t.testdir({ token: 'one\n' })
  const client = createClient({
    kubeconfig: loadKubeconfig({
      text: config(
        `server: ${JSON.stringify(url)}, certificate-authority-data: ${base64(ca.cert)}`,
        'tokenFile: token',
      ),
      folder: dir,
    }),
    component: 'kube-proxy',
    from: 'kube-proxy',
    to: 'kube-apiserver',
    clock: systemClock,
    voice: 'go1.24',
    log: memoryLog().log,
    records: memoryRecords(),
  })
  t.teardown(() => client.close())
  await client.raw({ path: '/whoami' })
  writeFileSync(join(dir, 'token'), 'two')
  await client.raw({ path: '/whoami' })
  t.strictSame(tokens, ['Bearer one', 'Bearer two'])
})
