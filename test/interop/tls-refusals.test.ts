/** What real clients say when our listener refuses them, and how little they can get around it. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Voice } from '#x509/types.ts'
import { httpApp, type Issued, startListener, throwawayPki } from '../tls/mesh.ts'
import { kubectls, program } from './programs.ts'

t.setTimeout(300_000)
const pki = throwawayPki()
const day = 86_400_000
const ago = (days: number) => new Date(Date.now() - days * day)
const rogue = pki.other.issue('rogue')
const expired = pki.ca.issue('old', { notBefore: ago(20), notAfter: ago(10) })
const serving = pki.ca.issue('serving', { usages: ['serverAuth'] })

const dir = t.testdir({ 'ca.crt': pki.ca.cert })
const put = (name: string, issued: Issued) => {
  writeFileSync(join(dir, `${name}.crt`), issued.cert)
  writeFileSync(join(dir, `${name}.key`), issued.key, { mode: 0o600 })
}
for (const [name, issued] of Object.entries({ client: pki.client, rogue, expired, serving })) put(name, issued)
const file = (name: string) => join(dir, name)

/** What it printed, out and err, and its exit status. */
const run = (path: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  new Promise<{ code: number; output: string }>(resolve => {
    const child = execFile(
      path,
      args,
      { env: { PATH: process.env.PATH, HOME: dir, ...env } },
      (error, stdout, stderr) => resolve({ code: error ? Number(error.code ?? 1) : 0, output: stdout + stderr }),
    )
    child.stdin?.end()
  })

interface Case {
  cert: 'rogue' | 'expired' | 'serving' | undefined
  alert: Record<Voice, { '1.2': number; '1.3': number }>
}

const same = (go124: number, go119 = 42) => ({
  'go1.24': { '1.2': go124, '1.3': go124 },
  'go1.19': { '1.2': go119, '1.3': go119 },
})
const cases: Case[] = [
  { cert: 'rogue', alert: same(48) },
  { cert: 'expired', alert: same(45) },
  { cert: 'serving', alert: same(42) },
  { cert: undefined, alert: { 'go1.24': { '1.2': 42, '1.3': 116 }, 'go1.19': { '1.2': 42, '1.3': 42 } } },
]

/** `openssl s_client`, which reads until the server ends. */
async function sClient(path: string, port: number, args: readonly string[]): Promise<string> {
  const child = spawn(path, ['s_client', '-connect', `127.0.0.1:${port}`, '-CAfile', file('ca.crt'), ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', chunk => {
    output += chunk
  })
  child.stderr.setEncoding('utf8').on('data', chunk => {
    output += chunk
  })
  await once(child, 'close')
  return output
}

const openssl = program('openssl')
t.test('openssl s_client reads the alert, in the clear and sealed', { skip: openssl.skip }, async t => {
  for (const voice of ['go1.24', 'go1.19'] as const) {
    const { listener } = await startListener(t, pki, { voice, serve: httpApp })
    for (const { cert, alert } of cases) {
      for (const version of ['1.2', '1.3'] as const) {
        const presented = cert ? ['-cert', file(`${cert}.crt`), '-key', file(`${cert}.key`)] : []
        const output = await sClient(openssl.path, listener.address.port, [
          `-tls${version.replace('.', '_')}`,
          ...presented,
        ])
        t.match(output, `SSL alert number ${alert[voice][version]}`, `${voice}, TLS ${version}, ${cert ?? 'none'}`)
      }
    }
  }
})

t.test('openssl s_client is told the names of the CAs', { skip: openssl.skip }, async t => {
  const { listener } = await startListener(t, pki, { clientAuth: 'request', trusts: pki.ca.cert + pki.other.cert })
  listener.on('connection', socket => socket.end())
  const output = await sClient(openssl.path, listener.address.port, [])
  t.match(output, /Acceptable client certificate CA names\nCN = ca\nCN = other\n/)
})

t.test('no session can be resumed', { skip: openssl.skip }, async t => {
  const { listener, records } = await startListener(t, pki)
  listener.on('connection', socket => socket.end())
  for (const version of ['-tls1_2', '-tls1_3']) {
    const own = ['-cert', file('client.crt'), '-key', file('client.key'), version]
    const first = await sClient(openssl.path, listener.address.port, [...own, '-sess_out', file('session.pem')])
    t.notMatch(first, /TLS session ticket:|New Session Ticket arrived/)
    // a second one without a certificate, with what the first may have been given
    let session: string[] = []
    try {
      readFileSync(file('session.pem'))
      session = ['-sess_in', file('session.pem')]
    } catch {}
    const second = await sClient(openssl.path, listener.address.port, [version, ...session])
    t.match(second, /SSL alert number (42|116)/)
    t.notMatch(second, /^Reused/m)
  }
  t.notOk(records.records.some(record => record.tls?.resumed))
})

const curl = program('curl')
t.test('curl reads the alert', { skip: curl.skip }, async t => {
  const { listener, records } = await startListener(t, pki, { serve: httpApp })
  const url = `https://127.0.0.1:${listener.address.port}/`
  for (const { cert, alert } of cases) {
    for (const version of ['1.2', '1.3'] as const) {
      const presented = cert ? ['--cert', file(`${cert}.crt`), '--key', file(`${cert}.key`)] : []
      const { code, output } = await run(curl.path, [
        '-sS',
        '-v',
        '--cacert',
        file('ca.crt'),
        ...presented,
        `--tlsv${version}`,
        '--tls-max',
        version,
        url,
      ])
      t.ok(code > 0)
      const words: Record<number, RegExp> = {
        42: /TLS alert, bad certificate/,
        45: /TLS alert, certificate expired/,
        48: /TLS alert, unknown CA/,
        116: /TLS alert, certificate required/,
      }
      // In TLS 1.3 curl may be writing its request when the alert comes, and then says that instead.
      if (version === '1.2') t.match(output, words[alert['go1.24'][version]]!)
      else t.match(output, /alert|Send failure|Connection reset|getpeername/)
    }
  }
  t.equal(records.records.length, 8)
  t.equal(records.records.filter(record => record.outcome === 'ok').length, 0)
  const { output } = await run(curl.path, [
    '-sS',
    '--cacert',
    file('ca.crt'),
    '--cert',
    file('client.crt'),
    '--key',
    file('client.key'),
    url,
  ])
  t.equal(output, '{"user":"client"}')
})

t.test('plain HTTP on the TLS port gets what the original gives', { skip: curl.skip }, async t => {
  const kubernetes = await startListener(t, pki, { plainHttp: 'answer' })
  const answered = await run(curl.path, [
    '-sS',
    '-i',
    '--http0.9',
    `http://127.0.0.1:${kubernetes.listener.address.port}/`,
  ])
  t.equal(answered.output, 'HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n')
  const etcd = await startListener(t, pki)
  const refused = once(etcd.listener, 'refused')
  const closed = await run(curl.path, ['-sS', `http://127.0.0.1:${etcd.listener.address.port}/`])
  t.match(closed.output, /Empty reply from server/)
  t.match((await refused)[0], { message: 'tls: first record does not look like a TLS handshake' })
  t.equal(etcd.records.records.length, 0)
})

const words: Record<string, Record<Voice, string>> = {
  rogue: { 'go1.24': 'unknown certificate authority', 'go1.19': 'bad certificate' },
  expired: { 'go1.24': 'expired certificate', 'go1.19': 'bad certificate' },
  serving: { 'go1.24': 'bad certificate', 'go1.19': 'bad certificate' },
}

// the oldest and the newest: what they say has not changed in between
const found = kubectls()
for (const { path, version } of new Set([found.at(0), found.at(-1)].filter(kubectl => kubectl !== undefined))) {
  t.test(`kubectl ${version} says what it says to a real server that refuses its certificate`, async t => {
    for (const voice of ['go1.24', 'go1.19'] as const) {
      for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
        const { listener, records } = await startListener(t, pki, { voice, maxVersion, serve: httpApp })
        const kubectl = (cert: string) =>
          run(path, [
            `--server=https://127.0.0.1:${listener.address.port}`,
            `--certificate-authority=${file('ca.crt')}`,
            `--client-certificate=${file(`${cert}.crt`)}`,
            `--client-key=${file(`${cert}.key`)}`,
            'get',
            '--raw',
            '/',
          ])
        for (const [cert, text] of Object.entries(words)) {
          t.match((await kubectl(cert)).output, `remote error: tls: ${text[voice]}`, `${voice}, ${maxVersion}, ${cert}`)
        }
        t.equal((await kubectl('client')).output, '{"user":"client"}')
        t.equal(records.records.filter(record => record.outcome === 'ok').length, 1)
      }
    }
  })

  t.test(`kubectl ${version} refuses our certificate, and we record the alert that it sends`, async t => {
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const cert = pki.other.issue('x', { ip: ['127.0.0.1'] })
      const { listener, records } = await startListener(t, pki, { cert, maxVersion, serve: httpApp })
      const { output } = await run(path, [
        `--server=https://127.0.0.1:${listener.address.port}`,
        `--certificate-authority=${file('ca.crt')}`,
        `--client-certificate=${file('client.crt')}`,
        `--client-key=${file('client.key')}`,
        'get',
        '--raw',
        '/',
      ])
      t.match(output, 'x509: certificate signed by unknown authority')
      t.match(records.records[0], {
        outcome: 'refused',
        refusedBy: 'client',
        message: 'remote error: tls: bad certificate',
        alert: { code: 42, direction: 'received' },
      })
    }
  })
}
