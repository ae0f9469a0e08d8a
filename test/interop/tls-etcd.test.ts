/** Our client ends against a real etcd: what it refuses, what we refuse, and that both say so to the other. */
import t from 'tap'
import { request } from 'undici'
import { refusalOf } from '#tls/errors.ts'
import { dialerTo, type Issued, throwawayPki } from '../tls/mesh.ts'
import { program } from './programs.ts'
import { health, startEtcd } from './real-etcd.ts'

t.setTimeout(120_000)
const pki = throwawayPki()
const day = 86_400_000
const ago = (days: number) => new Date(Date.now() - days * day)
const etcd = program('etcd')

t.test('a real etcd accepts our client, over HTTP/1.1', { skip: etcd.skip }, async t => {
  const { port } = await startEtcd(t, etcd.path, { serves: pki.server, trusts: pki.ca.cert })
  const { dialer, records } = dialerTo(t, pki)
  const answer = await health(port, dialer)
  t.equal(answer.statusCode, 200)
  await answer.body.dump()
  t.match(records.records.at(-1), { outcome: 'ok', tls: { version: 'TLSv1.3', cipher: 'TLS_AES_128_GCM_SHA256' } })
})

t.test('what a real etcd refuses is a refusal with its alert, every time', { skip: etcd.skip }, async t => {
  const { port } = await startEtcd(t, etcd.path, { serves: pki.server, trusts: pki.ca.cert })
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
    const { port, logged } = await startEtcd(t, etcd.path, {
      serves: pki.ca.issue('etcd', { dnsNames: ['elsewhere'] }),
      trusts: pki.ca.cert,
    })
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
