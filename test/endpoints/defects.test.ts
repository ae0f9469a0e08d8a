import t from 'tap'
import { type CertificateDefect, certificateDefects, type Judgement } from '#endpoints/defects.ts'
import { startEndpoint } from '#endpoints/endpoint.ts'
import { certificateFixture, createAuthority } from '#endpoints/fixture.ts'
import { parseRevocationList } from '#x509/crl.ts'
import { type Reason, reasonRow } from '#x509/reasons.ts'
import { verify } from '#x509/verify.ts'
import { dialOnce, pattern } from './dialling.ts'

const rows: readonly CertificateDefect[] = certificateDefects
const refusal = (judgement: Judgement | undefined) => (typeof judgement === 'object' ? judgement : undefined)
const authority = await createAuthority()

t.test('the table: a name once, a sentence without a full stop, texts that the reason has', async t => {
  t.equal(new Set(rows.map(row => row.name)).size, rows.length)
  for (const row of rows) {
    t.notMatch(row.description, /\.$/, row.name)
    t.ok(row.server ?? row.client, `${row.name} is for an end`)
    for (const judgement of [refusal(row.server), refusal(row.client)]) {
      if (judgement)
        t.ok(reasonRow(judgement.reason).texts['go1.24'].includes(judgement.text), `${row.name}: ${judgement.text}`)
    }
  }
  const reasonsOfCertificates: Reason[] = [
    'unknown-authority',
    'expired',
    'not-yet-valid',
    'name-mismatch',
    'no-san',
    'wrong-usage',
    'not-a-ca',
    'path-length',
    'name-constraint',
    'weak-signature',
    'weak-key',
    'unhandled-extension',
    'malformed',
    'revoked',
    'no-certificate',
    'key-mismatch',
  ]
  const covered = new Set(rows.flatMap(row => [refusal(row.server)?.reason, refusal(row.client)?.reason]))
  t.strictSame(
    reasonsOfCertificates.filter(reason => !covered.has(reason)),
    [],
    'every reason that is about a certificate has a defect',
  )
})

t.test('verify() gives the verdict of the table, and only the defect is at fault', async t => {
  for (const row of rows) {
    for (const side of ['server', 'client'] as const) {
      const judgement = row[side]
      // a key is nothing that a chain says
      if (!judgement || refusal(judgement)?.by === 'itself' || row.name === 'weak-key') continue
      const { chain, ca, crl } = await certificateFixture(row.name as 'good', { side, authority })
      const verdict = verify({
        chain,
        roots: ca,
        usage: side === 'server' ? 'serverAuth' : 'clientAuth',
        ...(side === 'server' ? { name: 'localhost' } : {}),
        now: new Date(),
        ...(crl && refusal(judgement)?.needs === 'crl' ? { crls: [parseRevocationList(crl)] } : {}),
      })
      const expected = refusal(judgement)
      if (!expected) t.match(verdict, { verdict: 'accept' }, `${row.name} (${side})`)
      else
        t.match(
          verdict,
          { verdict: 'reject', reason: expected.reason, message: pattern(expected.text) },
          `${row.name} (${side})`,
        )
    }
  }
})

t.test('a client that dials a server with each defect refuses it for the reason of the table', async t => {
  for (const row of rows.filter(({ server }) => server)) {
    await using endpoint = await startEndpoint({ certificate: row.name as 'good', authority })
    const seen = await dialOnce({ port: endpoint.port, ca: endpoint.ca })
    const expected = refusal(row.server)
    if (!expected) t.match(seen, { outcome: 'ok' }, row.name)
    else if (expected.by === 'itself') {
      t.match(seen, { outcome: 'refused', refusedBy: 'server', message: 'remote error: tls: internal error' }, row.name)
      t.match(await endpoint.record(), {
        refusedBy: 'server',
        message: expected.text,
        alert: { code: 80, direction: 'sent' },
      })
    } else {
      const words = pattern(expected.text)
      t.match(seen, { outcome: 'refused', refusedBy: 'client', reason: expected.reason, message: words }, row.name)
    }
  }
})

t.test('a server that requires client certificates refuses each defect for the reason of the table', async t => {
  const revoked = await certificateFixture('revoked', { authority, side: 'client' })
  for (const row of rows.filter(({ client }) => client)) {
    const client =
      row.name === 'revoked' ? revoked : await certificateFixture(row.name as 'good', { authority, side: 'client' })
    const crl = refusal(row.client)?.needs === 'crl' ? revoked.crl : undefined
    await using endpoint = await startEndpoint({
      clientAuth: 'require',
      authority,
      clientCa: client.ca,
      ...(crl ? { crl } : {}),
    })
    const seen = await dialOnce({ port: endpoint.port, ca: endpoint.ca, client })
    const expected = refusal(row.client)
    if (!expected) t.match(seen, { outcome: 'ok' }, row.name)
    else if (expected.by === 'itself')
      t.match(seen, { outcome: 'refused', refusedBy: 'client', message: expected.text }, row.name)
    else {
      t.match(seen, { outcome: 'refused', refusedBy: 'server' }, row.name)
      const at = await endpoint.record(({ outcome }) => outcome === 'refused')
      t.match(at, { refusedBy: 'server', reason: expected.reason, message: pattern(expected.text) }, row.name)
    }
  }
  t.end()
})
