/** Our client ends against a real etcd: what it refuses, what we refuse, and that both say so to the other. */
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { request } from 'undici'
import { refusalOf } from '#tls/errors.ts'
import { dialerTo, type Issued, throwawayPki } from '../tls/mesh.ts'
import { program } from './programs.ts'

t.setTimeout(120_000)
const pki = throwawayPki()
const day = 86_400_000
const ago = (days: number) => new Date(Date.now() - days * day)
const etcd = program('etcd')

const freePort = () =>
  new Promise<number>(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })

/** A real etcd with `--client-cert-auth`, and the error of each connection that it rejects. */
async function startEtcd(t: Test, cert: Issued) {
  const dir = t.testdir({ 'ca.crt': pki.ca.cert, 'server.crt': cert.cert })
  writeFileSync(join(dir, 'server.key'), cert.key, { mode: 0o600 })
  const [port, peerPort] = await Promise.all([freePort(), freePort()])
  const peer = `http://127.0.0.1:${peerPort}`
  const child = spawn(
    etcd.path,
    [
      `--data-dir=${join(dir, 'data')}`,
      `--listen-client-urls=https://127.0.0.1:${port}`,
      `--advertise-client-urls=https://127.0.0.1:${port}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
      `--cert-file=${join(dir, 'server.crt')}`,
      `--key-file=${join(dir, 'server.key')}`,
      `--trusted-ca-file=${join(dir, 'ca.crt')}`,
      '--client-cert-auth',
      '--logger=zap',
      '--log-level=warn',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  t.teardown(
    () =>
      new Promise<void>(resolve => {
        child.once('close', () => resolve())
        child.kill('SIGKILL')
      }),
  )
  let log = ''
  const waiting = new Set<() => void>()
  child.stderr.setEncoding('utf8').on('data', chunk => {
    log += chunk
    for (const wake of waiting) wake()
  })
  /** Resolves when the log holds `text`. */
  const logged = (text: string) =>
    new Promise<void>(resolve => {
      const look = () => {
        if (!log.includes(text)) return
        waiting.delete(look)
        resolve()
      }
      waiting.add(look)
      look()
    })
  return { port, logged }
}

t.test('a real etcd accepts our client, over HTTP/1.1', { skip: etcd.skip }, async t => {
  const { port } = await startEtcd(t, pki.server)
  const { dialer, records } = dialerTo(t, pki)
  const answer = await health(port, dialer)
  t.equal(answer.statusCode, 200)
  await answer.body.dump()
  t.match(records.records.at(-1), { outcome: 'ok', tls: { version: 'TLSv1.3', cipher: 'TLS_AES_128_GCM_SHA256' } })
})

/** Asks until it listens. */
async function health(port: number, dialer: ReturnType<typeof dialerTo>['dialer']) {
  for (;;) {
    try {
      return await request(`https://127.0.0.1:${port}/health`, { dispatcher: dialer.agent })
    } catch (error) {
      if (!/connection refused/.test((error as Error).message)) throw error
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }
}

t.test('what a real etcd refuses is a refusal with its alert, every time', { skip: etcd.skip }, async t => {
  const { port } = await startEtcd(t, pki.server)
  const good = dialerTo(t, pki)
  await (await health(port, good.dialer)).body.dump()
  const cases: [string, Issued | null][] = [
    ['of another CA', pki.other.issue('rogue')],
    ['expired', pki.ca.issue('old', { notBefore: ago(20), notAfter: ago(10) })],
    ['for servers only', pki.ca.issue('serving', { usages: ['serverAuth'] })],
    ['none', null],
  ]
  for (const [name, cert] of cases) {
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      for (const http2 of [false, true]) {
        const { dialer, records } = dialerTo(t, pki, { cert, maxVersion, alpn: http2 ? ['h2'] : ['http/1.1'] })
        for (let i = 0; i < 10; i++) {
          const refusal = refusalOf(
            await request(`https://127.0.0.1:${port}/health`, { dispatcher: dialer.agent }).then(
              () => undefined,
              (error: unknown) => error,
            ),
          )
          const told = {
            refusedBy: 'server',
            layer: 'tls',
            message: 'remote error: tls: bad certificate',
            alert: { code: 42 },
          }
          if (!t.match(refusal, told, `${name}, ${maxVersion}, ${http2 ? 'h2' : 'http/1.1'}`)) break
        }
        t.match(records.records.at(-1), {
          outcome: 'refused',
          refusedBy: 'server',
          alert: { code: 42, direction: 'received' },
        })
      }
    }
  }
})

t.test('a real etcd that we refuse logs our alert', { skip: etcd.skip }, async t => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const { port, logged } = await startEtcd(t, pki.ca.issue('etcd', { dnsNames: ['elsewhere'] }))
    const { dialer } = dialerTo(t, pki, { maxVersion })
    const refusal = refusalOf(await health(port, dialer).catch((error: unknown) => error))
    t.match(refusal, {
      refusedBy: 'client',
      reason: 'name-mismatch',
      message:
        "tls: failed to verify certificate: x509: cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs",
      alert: { code: 42, direction: 'sent' },
    })
    await logged('"error":"remote error: tls: bad certificate"')
  }
})
