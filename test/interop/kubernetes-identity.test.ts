/** Real kubectls and curl against the secure server: 401 and 403 as they show them, over HTTP/2 and HTTP/1.1. */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { systemClock } from '#clock.ts'
import { createAuthenticator } from '#kubernetes/authn.ts'
import { privilegedGroups } from '#kubernetes/authz.ts'
import { memoryBundle } from '#tls/bundle.ts'
import { type Issued, startServer, throwawayCa } from '../kubernetes/ground.ts'
import { kubectls, program } from './programs.ts'

const run = promisify(execFile)
const found = kubectls()
const curl = program('curl')

const [ca, rogue] = await Promise.all([throwawayCa('kubernetes'), throwawayCa('kubernetes')])
const past = { notBefore: new Date(Date.now() - 9 * 86_400_000), notAfter: new Date(Date.now() - 86_400_000) }
const identities: Record<string, Issued | undefined> = {
  admin: await ca.issue([{ O: ['system:masters'] }, { CN: ['admin'] }]),
  bob: await ca.issue('bob'),
  rogue: await rogue.issue([{ O: ['system:masters'] }, { CN: ['admin'] }]),
  expired: await ca.issue([{ O: ['system:masters'] }, { CN: ['admin'] }], past),
  'wrong-usage': await ca.issue([{ O: ['system:masters'] }, { CN: ['admin'] }], { usages: ['serverAuth'] }),
}
/** What `kubectl get --raw /api/v1/nodes` prints, and what our log says. */
const rows: [identity: string, output: RegExp, log?: RegExp][] = [
  ['admin', /^\{"kind":"NodeList"\}/],
  [
    'bob',
    /Error from server \(Forbidden\): nodes is forbidden: User "bob" cannot list resource "nodes" in API group "" at the cluster scope/,
  ],
  [
    'rogue',
    /You must be logged in to the server|the server has asked for the client to provide credentials|Unauthorized/,
    /x509: certificate signed by unknown authority/,
  ],
  [
    'expired',
    /You must be logged in to the server|the server has asked for the client to provide credentials|Unauthorized/,
    /x509: certificate has expired or is not yet valid/,
  ],
  [
    'wrong-usage',
    /You must be logged in to the server|the server has asked for the client to provide credentials|Unauthorized/,
    /x509: certificate specifies an incompatible key usage/,
  ],
]

const start = (t: Parameters<typeof startServer>[0]) =>
  startServer(t, ca, {
    authenticator: createAuthenticator({
      clock: systemClock,
      voice: 'go1.24',
      clientCa: memoryBundle(ca.cert),
      anonymous: true,
    }),
    authorizer: privilegedGroups(),
    routes: ({ app }) =>
      app.get('/api/v1/nodes', (_request, reply) =>
        reply.header('content-type', 'application/json').send(Buffer.from('{"kind":"NodeList"}')),
      ),
  })

function kubeconfig(dir: string, server: string, { cert, key }: Issued): string {
  const base64 = (text: string) => Buffer.from(text).toString('base64')
  const path = join(dir, 'config')
  writeFileSync(
    path,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster: { server, 'certificate-authority-data': base64(ca.cert) } }],
      users: [{ name: 'u', user: { 'client-certificate-data': base64(cert), 'client-key-data': base64(key) } }],
      contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'c',
    }),
    { mode: 0o600 },
  )
  return path
}

t.test('kubectl', { skip: found.length === 0 && 'kubectl is not on PATH' }, async t => {
  const { url, errors, records } = await start(t)
  for (const kubectl of found) {
    for (const [identity, output, log] of rows) {
      await t.test(`kubectl ${kubectl.version} as ${identity}`, async t => {
        const dir = t.testdir()
        const before = errors().length
        const args = [
          '--kubeconfig',
          kubeconfig(dir, url, identities[identity]!),
          '--cache-dir',
          join(dir, 'cache'),
          'get',
          '--raw',
          '/api/v1/nodes',
        ]
        const { stdout, stderr } = await run(kubectl.path, args, { env: { PATH: process.env.PATH } }).catch(
          error => error,
        )
        t.match(stdout + stderr, output)
        if (log) t.match(errors().slice(before)[0], log)
        const last = records.records.at(-1)
        t.equal(last?.tls?.alpn, 'h2')
        t.equal(last?.outcome, identity === 'admin' ? 'ok' : 'refused')
      })
    }
  }
})

t.test('curl over HTTP/1.1 and HTTP/2', { skip: curl.skip }, async t => {
  const { url } = await start(t)
  const dir = t.testdir({ 'ca.crt': ca.cert, 'bob.crt': identities.bob!.cert, 'bob.key': identities.bob!.key })
  const at = (name: string) => join(dir, name)
  for (const version of ['--http1.1', '--http2']) {
    const args = [
      '-s',
      version,
      '--cacert',
      at('ca.crt'),
      '--cert',
      at('bob.crt'),
      '--key',
      at('bob.key'),
      '-w',
      '%{http_code} %{http_version}',
      `${url}/api/v1/nodes`,
    ]
    const { stdout } = await run(curl.path, args)
    t.match(stdout, /"reason":"Forbidden".*\n403 (1\.1|2)$/s)
    t.ok(stdout.endsWith(version === '--http2' ? '403 2' : '403 1.1'))
  }
  const { stdout } = await run(curl.path, ['-s', '--cacert', at('ca.crt'), '-w', '%{http_code}', `${url}/healthz`])
  t.equal(stdout, 'ok200')
})
