import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { parseCertificate } from '#x509/certificate.ts'
import { parseRevocationList } from '#x509/crl.ts'
import type { Verdict, VerifyOptions } from '#x509/types.ts'
import { verify } from '#x509/verify.ts'
import {
  algorithmOf,
  createAuthority,
  type Issued,
  issueCertificate,
  nameConstraints,
  p256,
  pemOf,
  signCertificate,
} from './authority.ts'
import { ia5, integer, sequence, time } from './der-writer.ts'
import { oracleCases } from './oracle.ts'

const now = new Date('2026-06-01T00:00:00Z')
const localhost = { dnsNames: ['localhost'], usages: ['serverAuth'] }

function judge(chain: readonly Issued[], roots: readonly Issued[], more: Partial<VerifyOptions> = {}): Verdict {
  const ders = (list: readonly Issued[]) => list.map(({ der }) => der)
  return verify({ chain: ders(chain), roots: ders(roots), usage: 'serverAuth', now, ...more })
}

/** `accept`, or the reason. */
const outcome = (verdict: Verdict) => (verdict.verdict === 'accept' ? 'accept' : verdict.reason)

t.test('a leaf under a trusted CA is accepted, and the chain is told', async t => {
  const ca = createAuthority({ commonName: 'kubernetes' })
  const leaf = issueCertificate(ca, localhost)
  const verdict = judge([leaf], [ca], { name: 'localhost' })
  if (verdict.verdict !== 'accept') return t.fail(verdict.message)
  t.strictSame(
    verdict.chains.map(chain => chain.map(({ subject }) => subject.commonName)),
    [['leaf', 'kubernetes']],
  )
})

t.test('PEM, DER and parsed certificates give the same verdict', async t => {
  const ca = createAuthority({ commonName: 'ca' })
  const leaf = issueCertificate(ca, localhost)
  const options = { usage: 'serverAuth', now } as const
  for (const chain of [`text\n${leaf.pem}more`, [leaf.der], [parseCertificate(leaf.der)]])
    for (const roots of [ca.pem, [ca.der], [parseCertificate(ca.der)]])
      t.equal(outcome(verify({ ...options, chain, roots })), 'accept')
})

t.test('two CAs of one name and different keys: the right one is found in any order', async t => {
  const [first, second] = [createAuthority({ commonName: 'ca' }), createAuthority({ commonName: 'ca' })]
  for (const keyIds of [true, false]) {
    const leaf = issueCertificate(second, { ...localhost, ...(keyIds ? {} : { authorityKeyId: null }) })
    t.equal(outcome(judge([leaf], [first, second])), 'accept')
    t.equal(outcome(judge([leaf], [second, first])), 'accept')
    const verdict = judge([leaf], [first])
    t.match(verdict, {
      reason: 'unknown-authority',
      message:
        'x509: certificate signed by unknown authority (possibly because of "x509: ECDSA verification failure" while trying to verify candidate authority certificate "ca")',
      alert: 48,
    })
  }
})

t.test('a cross-signed intermediate is accepted by its living path while the other has expired', async t => {
  const [old, young] = [
    createAuthority({ commonName: 'old', notAfter: new Date('2025-01-01') }),
    createAuthority({ commonName: 'young' }),
  ]
  const keys = p256()
  const byOld = createAuthority({ commonName: 'mid', issuer: old, keys })
  const byYoung = createAuthority({ commonName: 'mid', issuer: young, keys, subjectKeyId: byOld.subjectKeyId ?? null })
  const leaf = issueCertificate(byOld, localhost)
  for (const sent of [
    [byOld, byYoung],
    [byYoung, byOld],
  ])
    t.equal(outcome(judge([leaf, ...sent], [old, young])), 'accept')
  t.equal(outcome(judge([leaf, byOld], [old, young])), 'expired')
})

t.test('any certificate in the bundle is a trust anchor: an intermediate, or the leaf itself', async t => {
  const ca = createAuthority({ commonName: 'ca' })
  const mid = createAuthority({ commonName: 'mid', issuer: ca })
  const leaf = issueCertificate(mid, localhost)
  t.equal(outcome(judge([leaf], [mid])), 'accept')
  t.equal(outcome(judge([leaf], [leaf])), 'accept')
  t.equal(outcome(judge([leaf], [leaf], { usage: 'clientAuth' })), 'wrong-usage', 'usage still counts')
})

t.test('validity is inclusive, for every certificate of the chain, the root too', async t => {
  const until = new Date('2026-06-01T00:00:00Z')
  const root = createAuthority({ commonName: 'ca', notAfter: until })
  const leaf = issueCertificate(root, localhost)
  t.equal(outcome(judge([leaf], [root], { now: until })), 'accept')
  const late = judge([leaf], [root], { now: new Date(until.getTime() + 1) })
  t.match(late, {
    reason: 'expired',
    message:
      'x509: certificate has expired or is not yet valid: current time 2026-06-01T00:00:00Z is after 2026-06-01T00:00:00Z',
    alert: 45,
  })
  const early = judge([leaf], [root], { now: new Date('2023-12-31T23:59:59Z') })
  t.match(early, { reason: 'not-yet-valid', alert: 45 })
})

t.test('extended key usage nests through the chain', async t => {
  const ca = createAuthority({ commonName: 'ca', usages: ['clientAuth'] })
  t.equal(outcome(judge([issueCertificate(ca, localhost)], [ca])), 'wrong-usage')
  t.equal(outcome(judge([issueCertificate(ca, localhost)], [ca], { usage: 'any' })), 'accept')
  const any = createAuthority({ commonName: 'ca', usages: ['any'] })
  t.equal(outcome(judge([issueCertificate(any, { dnsNames: ['x'] })], [any])), 'accept', 'absent and any are no limit')
})

t.test('what is no CA signs nothing', async t => {
  const root = createAuthority({ commonName: 'root' })
  const cases: [string, Parameters<typeof issueCertificate>[1], string][] = [
    ['CA:FALSE', { isCa: false }, 'not-a-ca'],
    ['no basicConstraints', {}, 'not-a-ca'],
    ['keyUsage without keyCertSign', { isCa: true, keyUsage: [0] }, 'not-a-ca'],
    ['keyUsage without any bit', { isCa: true, keyUsage: [] }, 'accept'],
    ['a v1 intermediate', { version: 1 }, 'not-a-ca'],
  ]
  for (const [what, spec, expected] of cases) {
    const mid = issueCertificate(root, { subject: { commonName: 'mid' }, ...spec })
    const verdict = judge([issueCertificate(mid, localhost), mid], [root])
    t.equal(outcome(verdict), expected, what)
  }
  const v1 = issueCertificate(undefined, { subject: { commonName: 'v1' }, version: 1 })
  t.equal(outcome(judge([issueCertificate(v1, localhost)], [v1])), 'accept', 'a v1 root is fine')
})

t.test('a path length counts self-issued intermediates too', async t => {
  const root = createAuthority({ commonName: 'root', pathLength: 0 })
  const mid = createAuthority({ commonName: 'root', issuer: root })
  t.equal(outcome(judge([issueCertificate(root, localhost)], [root])), 'accept')
  t.equal(outcome(judge([issueCertificate(mid, localhost), mid], [root])), 'path-length')
})

t.test('name constraints hold for all SANs of all certificates below', async t => {
  const root = createAuthority({ commonName: 'root', extensions: [nameConstraints([ia5(0x82, 'example')])] })
  const mid = (dnsNames: string[]) => createAuthority({ commonName: 'mid', issuer: root, dnsNames })
  const below = (issuer: Issued, dnsNames: string[], uris: string[] = []) =>
    judge([issueCertificate(issuer, { dnsNames, uris }), issuer], [root])
  t.equal(outcome(below(mid([]), ['a.example', 'example'])), 'accept')
  t.equal(outcome(below(mid([]), ['a.example', 'evil.test'])), 'name-constraint')
  t.equal(outcome(below(mid(['evil.test']), ['a.example'])), 'name-constraint', "the intermediate's own SANs")
  t.equal(outcome(below(mid([]), [], ['spiffe://elsewhere/x'])), 'accept', 'another kind of name is not constrained')
  const old = judge([issueCertificate(mid(['evil.test']), { dnsNames: ['a.example'] }), mid(['evil.test'])], [root])
  t.equal(outcome(old), 'unknown-authority', 'another key of the same name')
})

t.test('MD5 and SHA-1 signatures are refused, below the root', async t => {
  const keys = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const ca = createAuthority({ commonName: 'ca', keys, hash: 'sha1' })
  t.equal(outcome(judge([issueCertificate(ca, localhost)], [ca])), 'accept', "the root's own signature does not matter")
  for (const hash of ['sha1', 'md5'] as const)
    t.match(judge([issueCertificate(ca, { ...localhost, hash })], [ca]), { reason: 'weak-signature', alert: 48 })
})

t.test('RSA keys below 1024 bits sign nothing for Go 1.24, and Go 1.19 takes them', async t => {
  const ca = createAuthority({ commonName: 'ca', keys: generateKeyPairSync('rsa', { modulusLength: 768 }) })
  const leaf = issueCertificate(ca, localhost)
  t.match(judge([leaf], [ca]), { reason: 'weak-key', message: /crypto\/rsa: 768-bit keys are insecure/ })
  t.equal(outcome(judge([leaf], [ca], { voice: 'go1.19' })), 'accept')
})

t.test('RSA keys above 8192 bits are refused by crypto/tls of Go 1.24', async t => {
  const measured = oracleCases().find(({ id }) => id === 'client-cert/key-rsa8200')!
  const { chain, roots, usage, at } = measured
  for (const [voice, said] of [
    ['go1.24', measured.go124],
    ['go1.19', measured.go119],
  ] as const) {
    const verdict = verify({ chain, roots, usage, now: new Date(at), voice })
    t.equal(verdict.verdict === 'accept' ? null : verdict.message, said.error ?? null, voice)
  }
})

t.test('one certificate that does not parse spoils what was presented, not the bundle', async t => {
  const ca = createAuthority({ commonName: 'ca' })
  const leaf = issueCertificate(ca, localhost)
  const garbage = Buffer.from('3003020101', 'hex')
  const options = { usage: 'serverAuth', now } as const
  t.match(verify({ ...options, chain: [leaf.der, garbage], roots: [ca.der] }), {
    reason: 'malformed',
    message: 'x509: malformed tbs certificate',
    parsing: true,
    alert: 42,
  })
  t.equal(outcome(verify({ ...options, chain: [leaf.der], roots: pemOf(garbage) + ca.pem })), 'accept')
})

t.test('nothing presented is no certificate', async t => {
  const options = { chain: [], roots: [], now } as const
  t.match(verify({ ...options, usage: 'clientAuth' }), {
    reason: 'no-certificate',
    message: "tls: client didn't provide a certificate",
    alert: 116,
  })
  t.match(verify({ ...options, usage: 'serverAuth' }), { message: 'tls: received empty certificates message' })
})

t.test('a serial in a CRL is revoked, whoever signed the list', async t => {
  const ca = createAuthority({ commonName: 'ca' })
  const leaf = issueCertificate(ca, { ...localhost, serialNumber: 0x03e9n })
  const listOf = (...serials: bigint[]) => {
    const revoked = serials.map(serial => sequence(integer(serial), time(new Date('2025-01-01'))))
    const tbs = sequence(
      integer(1),
      algorithmOf(ca.keys.privateKey, 'sha256'),
      sequence(),
      time(new Date('2025-01-01')),
      time(new Date('2025-02-01')),
      ...(revoked.length > 0 ? [sequence(...revoked)] : []),
    )
    return signCertificate(tbs, p256().privateKey)
  }
  const crls = (file: string | Uint8Array) => ({ crls: [parseRevocationList(file)] })
  t.match(judge([leaf], [ca], crls(listOf(5n, 0x03e9n))), {
    reason: 'revoked',
    message: 'transport: certificate serial 03e9 revoked',
  })
  t.match(judge([leaf], [ca], crls(pemOf(listOf(0x03e9n), 'X509 CRL'))), { reason: 'revoked' })
  t.equal(outcome(judge([leaf], [ca], crls(listOf()))), 'accept')
  const broken = { has: () => true, problem: 'asn1: syntax error: sequence truncated' }
  const said = "while a list cannot be read, etcd lets nobody in, and says the reader's words"
  t.match(judge([leaf], [ca], { crls: [broken] }), { reason: 'revoked', message: broken.problem }, said)
})

t.test('hostile chains end soon', async t => {
  const ca = createAuthority({ commonName: 'ca' })
  let issuer = ca
  const chain: Issued[] = []
  for (let depth = 0; depth < 101; depth++) {
    issuer = createAuthority({ commonName: `mid-${depth}`, issuer })
    chain.unshift(issuer)
  }
  t.match(judge([issueCertificate(issuer, localhost), ...chain], [ca]), {
    message: 'x509: signature check attempts limit reached while verifying certificate chain',
  })
  const names = Array.from({ length: 10_000 }, (_, index) => `n${index}.example`)
  const crowded = issueCertificate(ca, { dnsNames: names })
  t.equal(outcome(judge([crowded], [ca], { name: 'n9999.example' })), 'accept')
  t.match(judge([crowded], [ca], { name: 'other' }), { reason: 'name-mismatch' })
})

t.test('hosts are matched as Go matches them', async t => {
  const ca = createAuthority({ commonName: 'ca' })
  const ip = (...bytes: number[]) => Buffer.from(bytes)
  const cases: [string, { dnsNames?: string[]; ipAddresses?: Buffer[]; commonName?: string }, string, string][] = [
    ['case does not count', { dnsNames: ['LocalHost'] }, 'lOCALHOST', 'accept'],
    ['a trailing dot of the dialled name', { dnsNames: ['a.example'] }, 'a.example.', 'accept'],
    ['a trailing dot of the SAN', { dnsNames: ['a.example.'] }, 'a.example', 'name-mismatch'],
    ['a wildcard is one label', { dnsNames: ['*.example'] }, 'a.b.example', 'name-mismatch'],
    ['a wildcard of two labels', { dnsNames: ['*.example'] }, 'a.example', 'accept'],
    ['half a wildcard is none', { dnsNames: ['a*.b.example'] }, 'ab.b.example', 'name-mismatch'],
    ['a wildcard alone', { dnsNames: ['*'] }, 'localhost', 'name-mismatch'],
    ['underscores', { dnsNames: ['a_b'] }, 'a_b', 'accept'],
    ['the CN is no name', { commonName: 'localhost' }, 'localhost', 'no-san'],
    ['an IP needs an IP SAN', { dnsNames: ['127.0.0.1'] }, '127.0.0.1', 'name-mismatch'],
    [
      'IPv4 and mapped IPv6 are one',
      { ipAddresses: [ip(...new Array(10).fill(0), 255, 255, 127, 0, 0, 1)] },
      '127.0.0.1',
      'accept',
    ],
    ['brackets', { ipAddresses: [ip(...new Array(15).fill(0), 1)] }, '[::1]', 'accept'],
  ]
  for (const [what, { commonName = 'x', ...names }, name, expected] of cases) {
    const leaf = issueCertificate(ca, { subject: { commonName }, ...names })
    t.equal(outcome(judge([leaf], [ca], { name })), expected, what)
  }
  const anyone = issueCertificate(ca, { dnsNames: ['*'] })
  t.equal(
    outcome(judge([anyone], [ca], { name: 'localhost', voice: 'go1.19' })),
    'accept',
    'to Go 1.19 it was a pattern',
  )
  t.match(judge([issueCertificate(ca, { ipAddresses: [ip(10, 0, 0, 1)] })], [ca], { name: '10.0.0.2' }), {
    message: 'x509: certificate is valid for 10.0.0.1, not 10.0.0.2',
  })
})

t.test('a name is told before trust is', async t => {
  const [ca, other] = [createAuthority({ commonName: 'ca' }), createAuthority({ commonName: 'other' })]
  t.equal(outcome(judge([issueCertificate(other, localhost)], [ca], { name: 'elsewhere' })), 'name-mismatch')
})
