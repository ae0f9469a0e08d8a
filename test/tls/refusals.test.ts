import t from 'tap'
import { request } from 'undici'
import { RefusedError, refusalOf } from '#tls/errors.ts'
import { joinHandshakes } from '#tls/records.ts'
import type { Reason } from '#x509/reasons.ts'
import type { Voice } from '#x509/types.ts'
import { dialerTo, httpApp, type Issued, startListener, throwawayPki } from './mesh.ts'

const pki = throwawayPki()
const day = 86_400_000
const ago = (days: number) => new Date(Date.now() - days * day)

interface Case {
  reason: Reason
  cert: Issued | null
  /** Alert by voice, TLS 1.3. */
  alert: Record<Voice, number>
}

const clientCases: Case[] = [
  { reason: 'unknown-authority', cert: pki.other.issue('rogue'), alert: { 'go1.24': 48, 'go1.19': 42 } },
  {
    reason: 'expired',
    cert: pki.ca.issue('old', { notBefore: ago(20), notAfter: ago(10) }),
    alert: { 'go1.24': 45, 'go1.19': 42 },
  },
  {
    reason: 'not-yet-valid',
    cert: pki.ca.issue('young', { notBefore: ago(-10), notAfter: ago(-20) }),
    alert: { 'go1.24': 45, 'go1.19': 42 },
  },
  {
    reason: 'wrong-usage',
    cert: pki.ca.issue('serving', { usages: ['serverAuth'] }),
    alert: { 'go1.24': 42, 'go1.19': 42 },
  },
  { reason: 'no-certificate', cert: null, alert: { 'go1.24': 116, 'go1.19': 42 } },
]

for (const voice of ['go1.24', 'go1.19'] as const) {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    for (const { reason, cert, alert } of clientCases) {
      t.test(
        `${voice}, ${version}: a client refused for ${reason} hears the alert, and both ends record it`,
        async t => {
          const { listener, records } = await startListener(t, pki, { voice, serve: httpApp })
          const client = dialerTo(t, pki, { cert, maxVersion: version, voice })
          const error = await request(`https://127.0.0.1:${listener.address.port}/`, {
            dispatcher: client.dialer.agent,
          }).catch((e: unknown) => e)
          const refusal = refusalOf(error)
          t.ok(refusal instanceof RefusedError, 'the request fails with the refusal')
          const code = version === 'TLSv1.2' && alert[voice] === 116 ? 42 : alert[voice]
          t.equal(refusal?.alert?.code, code)
          t.equal(refusal?.refusedBy, 'server')
          t.match(refusal?.message, /^remote error: tls: /)
          const [server] = records.records
          t.match(server, {
            outcome: 'refused',
            refusedBy: 'server',
            layer: 'tls',
            reason,
            alert: { code, direction: 'sent' },
          })
          const joined = joinHandshakes([...client.records.records, ...records.records])
          t.equal(joined.length, 1, 'one handshake')
          t.match(joined[0], { client: { outcome: 'refused', refusedBy: 'server' }, server: { outcome: 'refused' } })
          t.match(joined[0]?.handshake, /^[0-9a-f]{64}$/)
        },
      )
    }
  }
}

const serverCases: { reason: Reason; cert: Issued; message: RegExp }[] = [
  {
    reason: 'unknown-authority',
    cert: pki.other.issue('rogue', { ip: ['127.0.0.1'] }),
    message: /x509: certificate signed by unknown authority/,
  },
  {
    reason: 'expired',
    cert: pki.ca.issue('old', { ip: ['127.0.0.1'], notBefore: ago(20), notAfter: ago(10) }),
    message: /x509: certificate has expired or is not yet valid: current time .* is after /,
  },
  {
    reason: 'no-san',
    cert: pki.ca.issue('x'),
    message: /x509: cannot validate certificate for 127\.0\.0\.1 because it doesn't contain any IP SANs/,
  },
  {
    reason: 'name-mismatch',
    cert: pki.ca.issue('x', { ip: ['10.0.0.1'] }),
    message: /x509: certificate is valid for 10\.0\.0\.1, not 127\.0\.0\.1/,
  },
  {
    reason: 'wrong-usage',
    cert: pki.ca.issue('x', { ip: ['127.0.0.1'], usages: ['clientAuth'] }),
    message: /x509: certificate specifies an incompatible key usage/,
  },
]

for (const voice of ['go1.24', 'go1.19'] as const) {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    for (const { reason, cert, message } of serverCases) {
      t.test(`${voice}, ${version}: a server refused for ${reason}: both ends record it`, async t => {
        const { listener, records } = await startListener(t, pki, { cert, voice, serve: httpApp })
        const client = dialerTo(t, pki, { maxVersion: version, voice })
        const error = await client.dialer
          .connect({ host: '127.0.0.1', port: listener.address.port })
          .catch((e: unknown) => e)
        t.ok(error instanceof RefusedError)
        const refusal = error as RefusedError
        t.match(refusal.message, message)
        t.equal(refusal.message.startsWith('tls: failed to verify certificate: '), voice === 'go1.24')
        t.match(refusal, { refusedBy: 'client', layer: 'tls', reason })
        const server = await records.find(record => record.end === 'server')
        t.equal(server.handshake, refusal.record.handshake)
        t.match(server, { outcome: 'refused', refusedBy: 'client', message: 'remote error: tls: bad certificate' })
        t.match(refusal.alert, { code: 42, direction: 'sent' })
      })
    }
  }
}
