import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { alertFor, alertName, alerts, reasonOfAlert, remoteError } from '#x509/alerts.ts'
import { parseCertificate } from '#x509/certificate.ts'
import { isReason, reasonRow, reasons } from '#x509/reasons.ts'
import type { Verdict } from '#x509/types.ts'
import { verify } from '#x509/verify.ts'
import { authenticatorMessage, handshakeKeyAlert, handshakeKeyError, placedMessage } from '#x509/words.ts'
import { createAuthority, issueCertificate } from './authority.ts'
import { oracleCases } from './oracle.ts'

type Rejection = Extract<Verdict, { verdict: 'reject' }>

t.test('every reason has its words, alert, cause and fix, and no name is used twice', async t => {
  t.equal(new Set(reasons.map(({ reason }) => reason)).size, reasons.length)
  for (const { reason } of reasons) {
    t.ok(isReason(reason))
    const row = reasonRow(reason)
    for (const text of [row.summary, row.cause, row.fix])
      t.ok(text.length > 0 && !text.endsWith('.'), `${reason}: ${text}`)
    t.ok(row.texts['go1.24'].length > 0, `${reason} has a text`)
    for (const code of [row.alert.client, row.alert.server['go1.24'], row.alert.server['go1.19']])
      t.ok(code === null || alerts.some(alert => alert.code === code), `${reason}: alert ${code}`)
  }
  t.notOk(isReason('nonsense'))
})

/** A text of the table as a pattern: `…` is anything. */
const patternOf = (text: string) =>
  new RegExp(`^${text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll('…', '.*')}$`, 's')

t.test(
  "verdicts on the measured certificates have the alert and (but for parse errors) the words of their reason's row",
  async t => {
    for (const one of oracleCases().filter(({ layer }) => layer === 'certificate'))
      for (const voice of ['go1.24', 'go1.19'] as const) {
        const { chain, roots, usage, name } = one
        const options = { chain, roots, usage, now: new Date(one.at), voice }
        const verdict = verify({ ...options, ...(usage === 'serverAuth' && name ? { name } : {}) })
        if (verdict.verdict === 'accept') continue
        const row = reasonRow(verdict.reason)
        const alert = alertFor(verdict, { end: 'server', voice })
        // a v1 intermediate is no CA, but its issuer is known: bad_certificate. The signature budget is of no certificate at all.
        const isExcepted = /not authorized to sign other|attempts limit/.test(verdict.message)
        if (!isExcepted) t.equal(alert, row.alert.server[voice], `${one.id} ${voice}: alert`)
        if (verdict.reason !== 'malformed')
          t.ok(
            row.texts[voice].some(text => patternOf(text).test(verdict.message)),
            `${one.id} ${voice}: ${verdict.message}`,
          )
      }
  },
)

t.test("alerts have RFC 8446's names and Go's texts", async t => {
  t.equal(alertName(48), 'unknown_ca')
  t.equal(remoteError(48), 'remote error: tls: unknown certificate authority')
  t.equal(remoteError(42), 'remote error: tls: bad certificate')
  t.equal(remoteError(116), 'remote error: tls: certificate required')
  t.equal(remoteError(255), 'remote error: tls: alert(255)')
  t.equal(reasonOfAlert(45), 'expired')
  t.equal(reasonOfAlert(42), undefined, 'Go sends it for nearly everything')
  t.equal(new Set(alerts.map(({ code }) => code)).size, alerts.length)
})

t.test('who refuses decides on the alert', async t => {
  const refusal = (reason: Rejection['reason'], alert: Rejection['alert']): Rejection => ({
    verdict: 'reject',
    reason,
    message: '',
    alert,
  })
  const untrusted = refusal('unknown-authority', 48)
  t.equal(alertFor(untrusted, { end: 'server', voice: 'go1.24' }), 48)
  t.equal(alertFor(untrusted, { end: 'server', voice: 'go1.19' }), 42)
  t.equal(alertFor(untrusted, { end: 'client', voice: 'go1.24' }), 42)
  const none = refusal('no-certificate', 116)
  t.equal(alertFor(none, { end: 'server', voice: 'go1.24', tlsVersion: 'TLSv1.3' }), 116)
  t.equal(alertFor(none, { end: 'server', voice: 'go1.24', tlsVersion: 'TLSv1.2' }), 42)
  t.equal(alertFor(none, { end: 'server', voice: 'go1.19' }), 42)
})

t.test('a message gets the prefix of its place', async t => {
  const refusal = (message: string, parsing?: boolean): Rejection => ({
    verdict: 'reject',
    reason: 'malformed',
    message,
    alert: 42,
    ...(parsing ? { parsing } : {}),
  })
  const placed = (verdict: Rejection) =>
    (['client', 'server'] as const).flatMap(end =>
      (['go1.24', 'go1.19'] as const).map(voice => placedMessage(verdict, { end, voice })),
    )
  t.strictSame(placed(refusal('x509: e')), [
    'tls: failed to verify certificate: x509: e',
    'x509: e',
    'tls: failed to verify certificate: x509: e',
    'tls: failed to verify client certificate: x509: e',
  ])
  t.strictSame(placed(refusal('x509: e', true)), [
    'tls: failed to parse certificate from server: x509: e',
    'tls: failed to parse certificate from server: x509: e',
    'tls: failed to parse client certificate: x509: e',
    'tls: failed to parse client certificate: x509: e',
  ])
  t.equal(new Set(placed(refusal('transport: certificate serial 03e9 revoked'))).size, 1)
})

t.test("kube-apiserver's authenticator names the certificate by serial and key ids", async t => {
  const ca = createAuthority({ commonName: 'ca', subjectKeyId: Buffer.from('0aff', 'hex') })
  const leaf = parseCertificate(issueCertificate(ca, { serialNumber: 1001n }).der)
  const verdict = verify({ chain: [leaf], roots: [], usage: 'clientAuth', now: new Date('2026-06-01') }) as Rejection
  t.equal(
    authenticatorMessage(leaf, verdict),
    'verifying certificate SN=1001, SKID=, AKID=0A:FF failed: x509: certificate signed by unknown authority',
  )
})

t.test('a leaf whose RSA key is too small fails in the handshake, not in the chain', async t => {
  const ca = createAuthority({ commonName: 'ca' })
  const keys = generateKeyPairSync('rsa', { modulusLength: 512 })
  const small = parseCertificate(issueCertificate(ca, { keys }).der)
  t.equal(
    handshakeKeyError(small, { end: 'server', voice: 'go1.24' }),
    'tls: invalid signature by the client certificate: crypto/rsa: 512-bit keys are insecure (see https://go.dev/pkg/crypto/rsa#hdr-Minimum_key_size)',
  )
  t.equal(handshakeKeyError(small, { end: 'server', voice: 'go1.19' }), undefined)
  t.equal(handshakeKeyError(parseCertificate(ca.der), { end: 'server', voice: 'go1.24' }), undefined)
})

t.test('a leaf whose key is of a kind that TLS does not know is refused after its chain was found fine', async t => {
  const ca = createAuthority({ commonName: 'ca' })
  const leaf = parseCertificate(issueCertificate(ca, { keys: generateKeyPairSync('ed448') }).der)
  for (const voice of ['go1.19', 'go1.24'] as const) {
    t.equal(
      handshakeKeyError(leaf, { end: 'server', voice }),
      'tls: client certificate contains an unsupported public key of type <nil>',
    )
    t.equal(
      handshakeKeyError(leaf, { end: 'client', voice }),
      "tls: server's certificate contains an unsupported type of public key: <nil>",
    )
  }
  t.equal(alertName(handshakeKeyAlert(leaf)), 'unsupported_certificate')
  t.equal(alertName(handshakeKeyAlert(parseCertificate(ca.der))), 'decrypt_error')
})
