import { createPrivateKey, X509Certificate } from 'node:crypto'
import t from 'tap'
import type { Voice } from '#x509/types.ts'
import { verify } from '#x509/verify.ts'
import { foldNow, type OracleCase, oracleCases } from './oracle.ts'
import { rekey } from './rekey.ts'

// finding the primes of RSA-8200 takes seconds: it is tried live, in test/interop
const cases = oracleCases()
  .filter(({ id }) => !/rsa8200/.test(id))
  .map(one => ({ one, fresh: rekey(one) }))

function said({ chain, roots, usage, name, at }: OracleCase, voice: Voice): string {
  const served = usage === 'serverAuth' && name ? { name } : {}
  const verdict = verify({ chain, roots, usage, ...served, now: new Date(at), voice })
  return verdict.verdict === 'accept' ? 'accepted' : foldNow(verdict.message)
}

t.test('a case with fresh keys is judged as the one that was measured', async t => {
  for (const { one, fresh } of cases) {
    for (const voice of ['go1.24', 'go1.19'] as const)
      t.equal(said(fresh, voice), said(one, voice), `${one.id}, ${voice}`)
  }
})

t.test('no certificate with a key of ours is the measured one, and the leaf’s key is there', async t => {
  const pem = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/
  const withoutKey: string[] = []
  for (const { one, fresh } of cases) {
    if (!fresh.key) withoutKey.push(one.id)
    else {
      t.not(fresh.chain, one.chain, one.id)
      const leaf = pem.exec(fresh.chain)![0]
      try {
        t.ok(new X509Certificate(leaf).checkPrivateKey(createPrivateKey(fresh.key)), one.id)
      } catch (error) {
        // OpenSSL cannot read it, which is what the case is about
        t.match(error, { code: /^ERR_OSSL_ASN1_/ }, one.id)
      }
    }
  }
  t.strictSame(withoutKey, [])
})
