import t from 'tap'
import { createVerdictCache } from '#x509/cache.ts'
import { parseCertificate } from '#x509/certificate.ts'
import type { Certificate, RevocationList, Verdict } from '#x509/types.ts'
import { createAuthority, type Issued, issueCertificate } from './authority.ts'

const start = new Date('2026-06-01T00:00:00Z')
const later = (ms: number) => new Date(start.getTime() + ms)
const parsed = ({ der }: Issued) => parseCertificate(der)
const outcome = (verdict: Verdict) => (verdict.verdict === 'accept' ? 'accept' : verdict.reason)

t.test('a peer that comes again gets the very same verdict', async t => {
  const ca = createAuthority({ commonName: 'ca' })
  const leaf = issueCertificate(ca, { dnsNames: ['localhost'] })
  const cache = createVerdictCache()
  const roots = [parsed(ca)]
  const ask = (now: Date) => cache.verify({ chain: [Uint8Array.from(leaf.der)], roots, usage: 'serverAuth', now })
  const first = ask(start)
  t.equal(outcome(first), 'accept')
  t.equal(ask(later(60_000)), first)
  t.equal(cache.parse(leaf.der, 'go1.24'), cache.parse(Uint8Array.from(leaf.der), 'go1.24'), 'and is parsed once')
})

t.test('usage, name and voice are part of the question', async t => {
  const ca = createAuthority({ commonName: 'ca' })
  const leaf = issueCertificate(ca, { dnsNames: ['localhost'], usages: ['serverAuth'], serialNumber: -1n })
  const cache = createVerdictCache()
  const roots = [parsed(ca)]
  const ask = (more: object) =>
    outcome(cache.verify({ chain: [leaf.der], roots, usage: 'serverAuth', voice: 'go1.19', now: start, ...more }))
  t.equal(ask({}), 'accept')
  t.equal(ask({ usage: 'clientAuth' }), 'wrong-usage')
  t.equal(ask({ name: 'elsewhere' }), 'name-mismatch')
  t.equal(ask({ voice: 'go1.24' }), 'malformed')
  t.equal(ask({}), 'accept')
})

t.test('a verdict ends when a bundle changes, be it another array or the same one', async t => {
  const [ca, other] = [createAuthority({ commonName: 'ca' }), createAuthority({ commonName: 'ca' })]
  const leaf = issueCertificate(ca, { dnsNames: ['localhost'] })
  const cache = createVerdictCache()
  const ask = (roots: readonly Certificate[]) =>
    outcome(cache.verify({ chain: [leaf.der], roots, usage: 'serverAuth', now: start }))
  const bundle = [parsed(ca)]
  t.equal(ask(bundle), 'accept')
  t.equal(ask([parsed(other)]), 'unknown-authority')
  t.equal(ask([]), 'unknown-authority')
  bundle[0] = parsed(other)
  t.equal(ask(bundle), 'unknown-authority', 'changed in place')
  bundle.push(parsed(ca))
  t.equal(ask(bundle), 'accept')
  const elsewhere = (roots: readonly Certificate[]) =>
    outcome(cache.verify({ chain: [leaf.der], roots, usage: 'any', now: start }))
  bundle.length = 0
  t.equal(elsewhere(bundle), 'unknown-authority', 'another question about a bundle that was changed in place')
})

t.test('a verdict ends when a certificate of the chain, of the bundle or an intermediate begins or ends', async t => {
  const hour = 3_600_000
  const cases: [string, { ca?: object; mid?: object; leaf?: object }, string[]][] = [
    ['the leaf ends', { leaf: { notAfter: later(hour) } }, ['accept', 'accept', 'expired']],
    ['the CA ends', { ca: { notAfter: later(hour) } }, ['accept', 'accept', 'expired']],
    ['the intermediate ends', { mid: { notAfter: later(hour) } }, ['accept', 'accept', 'expired']],
    ['the leaf begins', { leaf: { notBefore: later(hour) } }, ['not-yet-valid', 'accept', 'accept']],
    ['the CA begins', { ca: { notBefore: later(hour) } }, ['not-yet-valid', 'accept', 'accept']],
  ]
  for (const [what, specs, expected] of cases) {
    const ca = createAuthority({ commonName: 'ca', ...specs.ca })
    const mid = createAuthority({ commonName: 'mid', issuer: ca, ...specs.mid })
    const leaf = issueCertificate(mid, { dnsNames: ['localhost'], ...specs.leaf })
    const cache = createVerdictCache()
    const roots = [parsed(ca)]
    const ask = (now: Date) => outcome(cache.verify({ chain: [leaf.der, mid.der], roots, usage: 'serverAuth', now }))
    const times = [later(hour - 1), later(hour), later(hour + 1)]
    t.strictSame(times.map(ask), expected, what)
    t.strictSame(times.toReversed().map(ask), expected.toReversed(), `${what}, with a clock that goes back`)
  }
})

t.test('a refusal that tells the time tells the time of its second', async t => {
  const ca = createAuthority({ commonName: 'ca' })
  const leaf = issueCertificate(ca, { notAfter: new Date('2025-01-01T00:00:00Z') })
  const cache = createVerdictCache()
  const roots = [parsed(ca)]
  const ask = (now: Date) => {
    const verdict = cache.verify({ chain: [leaf.der], roots, usage: 'serverAuth', now })
    return verdict.verdict === 'reject' ? /current time (\S+)/.exec(verdict.message)?.[1] : undefined
  }
  t.equal(ask(start), '2026-06-01T00:00:00Z')
  t.equal(ask(later(999)), '2026-06-01T00:00:00Z')
  t.equal(ask(later(1000)), '2026-06-01T00:00:01Z')
})

t.test('revocation lists are asked every time', async t => {
  const ca = createAuthority({ commonName: 'ca' })
  const leaf = issueCertificate(ca, { serialNumber: 7n })
  const cache = createVerdictCache()
  const roots = [parsed(ca)]
  const revoked = new Set<bigint>()
  const list: RevocationList = { has: serial => revoked.has(serial) }
  const ask = (crls: RevocationList[]) =>
    outcome(cache.verify({ chain: [leaf.der], roots, usage: 'serverAuth', now: start, crls }))
  t.equal(ask([list]), 'accept')
  revoked.add(7n)
  t.equal(ask([list]), 'revoked')
  t.equal(ask([]), 'accept')
})

t.test('the cache stays small', async t => {
  const ca = createAuthority({ commonName: 'ca' })
  const cache = createVerdictCache({ maxEntries: 4 })
  const roots = [parsed(ca)]
  for (let i = 0; i < 10; i++) {
    const leaf = issueCertificate(ca, { serialNumber: BigInt(i + 1) })
    t.equal(outcome(cache.verify({ chain: [leaf.der], roots, usage: 'serverAuth', now: start })), 'accept')
  }
})
