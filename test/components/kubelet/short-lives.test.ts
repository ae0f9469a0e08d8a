import t from 'tap'
import { growth, shortLives } from '../../../bench/short-lives.ts'

// a whole mesh, and the machine may be busy
t.setTimeout(300_000)

t.test(
  'certificates that live for a minute are renewed again and again: no request fails, nothing is left behind',
  async t => {
    const { requests, failures, renewals, samples } = await shortLives({ hours: 0.1, samplesAt: 0.02 })
    t.strictSame(failures, [])
    t.ok(requests >= 72, 'one every five seconds, and more while it renews')
    // each after 42 to 54 s
    t.ok(renewals.client >= 5 && renewals.server >= 5, JSON.stringify(renewals))
    const files = samples.map(({ files }) => files)
    t.ok(files.at(-1)! - files[0]! <= 8, `old pairs are removed: ${files}`)
    t.ok(
      samples.every(({ csrs }) => csrs <= 8),
      'requests are removed when their certificate has ended',
    )
  },
)

t.test('growth is between what the halves come back to, and teeth are none', async t => {
  t.equal(growth([1, 2, 3, 4]), 2)
  t.equal(growth([5, 5, 5]), 0)
  t.equal(growth([1, 9, 5, 1, 8, 4]), 0)
})
