import t from 'tap'
import { fuzz } from './fuzz.ts'

// `node test/x509/fuzz.ts 100000` for a long run
t.test('broken certificates and random chains neither crash nor hang the verifier, nor get through', async t => {
  const seed = Math.floor(Math.random() * 2 ** 31)
  const report = fuzz(1500, seed)
  t.strictSame(report.failures, [], `seed ${seed}`)
  t.ok(report.accepted > 0 && report.refused > 0 && report.malformed > 0, 'every kind of verdict came')
})
