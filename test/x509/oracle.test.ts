import t from 'tap'
import { messageOf } from '#errors.ts'
import { alertFor, alertName } from '#x509/alerts.ts'
import { parseRevocationList } from '#x509/crl.ts'
import { readBundle } from '#x509/pem.ts'
import type { Verdict, VerifyOptions, Voice } from '#x509/types.ts'
import { verify } from '#x509/verify.ts'
import { placedMessage } from '#x509/words.ts'
import { foldNow, type OracleCase, oracleCases, type Said } from './oracle.ts'

const cases = oracleCases().filter(({ layer }) => layer === 'certificate')
const end = ({ usage }: OracleCase) => (usage === 'serverAuth' ? 'client' : 'server')
const verdictOf = ({ chain, roots, usage, name, at }: OracleCase, more: Partial<VerifyOptions>): Verdict =>
  verify({ chain, roots, usage, ...(usage === 'serverAuth' && name ? { name } : {}), now: new Date(at), ...more })

/** As the oracle has it: verdict, and the text with the place's prefix. */
function said(one: OracleCase, voice: Voice): Said {
  const verdict = verdictOf(one, { voice })
  if (verdict.verdict === 'accept') return { verdict: 'accept', error: null }
  return { verdict: 'reject', error: foldNow(placedMessage(verdict, { end: end(one), voice })) }
}

t.test('there are cases of every kind', async t => {
  t.ok(cases.length >= 319, `${cases.length} cases`)
  t.ok(new Set(cases.map(({ group }) => group)).size >= 15)
})

for (const [voice, field] of [
  ['go1.24', 'go124'],
  ['go1.19', 'go119'],
] as const) {
  t.test(`every measured certificate gets the verdict and the words of ${voice}`, async t => {
    for (const one of cases) t.strictSame(said(one, voice), pick(one[field]), `${one.id}: ${one.description}`)
  })
}

const pick = ({ verdict, error = null }: Said) => ({ verdict, error })

/** Go 1.24.0 to 1.24.3 (kubectl 1.33, etcd 3.5.16) worded this one differently. */
const asNewest = (text: string) =>
  text.replace('1 chains with invalid policies', 'all candidate chains have invalid policies')

t.test('kubectl 1.33 says the same, its own reading of the bundle included', async t => {
  for (const one of cases.filter(({ kubectl133 }) => kubectl133?.verdict)) {
    const expected = one.kubectl133!
    let message: string | null
    try {
      const roots = readBundle(one.roots, 'client-go')
      const verdict = verdictOf(one, { roots })
      message =
        verdict.verdict === 'accept'
          ? null
          : `Unable to connect to the server: ${foldNow(placedMessage(verdict, { end: 'client', voice: 'go1.24' }))}`
    } catch (error) {
      message = `error: ${messageOf(error)}`
    }
    t.equal(message, expected.error ? asNewest(expected.error) : null, one.id)
  }
})

for (const [voice, field] of [
  ['go1.24', 'etcd35'],
  ['go1.19', 'etcd34'],
] as const) {
  t.test(
    `real etcd of ${voice} decides the same, with its own reading of bundle and CRL, and sends the same alert`,
    async t => {
      // a refusal without log line and alert is none of etcd's: real etcd 3.4.23 takes those bundles (tried one by one)
      const isMeasured = ({ [field]: said }: OracleCase) =>
        said?.verdict === 'accept' || Boolean(said?.log ?? said?.alert)
      for (const one of cases.filter(isMeasured)) {
        const { verdict: expected, log, alert } = one[field]!
        const roots = readBundle(one.roots, 'etcd', { voice })
        const crls = one.crl ? [parseRevocationList(one.crl)] : []
        const verdict = verdictOf(one, { roots, crls, voice })
        t.equal(verdict.verdict, expected, `${one.id}: ${log}`)
        if (verdict.verdict === 'accept') continue
        if (alert) t.equal(alertName(alertFor(verdict, { end: 'server', voice })), alert, `${one.id}: alert`)
        if (log)
          t.equal(foldNow(placedMessage(verdict, { end: 'server', voice })), asNewest(foldNow(log)), `${one.id}: log`)
      }
    },
  )
}

t.test('real kube-apiserver authenticates the same certificates', async t => {
  const logged = ({ kubeApiserver }: OracleCase) => /failed: (x509: .*)$/s.exec(kubeApiserver?.log ?? '')?.[1]
  // others are refused for what they are called (no CN), not for what they are
  for (const one of cases.filter(other => other.kubeApiserver?.verdict === 'accept' || logged(other))) {
    const verdict = verdictOf(one, { roots: readBundle(one.roots, 'kube-apiserver', { file: 'ca.crt' }) })
    t.equal(verdict.verdict, one.kubeApiserver?.verdict === 'accept' ? 'accept' : 'reject', one.id)
    const words = logged(one)
    if (verdict.verdict === 'reject' && words) t.equal(foldNow(verdict.message), foldNow(words), `${one.id}: log`)
  }
})
