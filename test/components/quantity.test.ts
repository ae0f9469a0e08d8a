import t from 'tap'
import { parseQuantity } from '#components/quantity.ts'

const cases: [string | number, number | undefined][] = [
  ['100m', 0.1],
  ['1Gi', 2 ** 30],
  ['1e3', 1000],
  ['1E', 1e18],
  ['2k', 2000],
  ['.5', 0.5],
  [3, 3],
  ['1x', undefined],
  ['', undefined],
]
for (const [text, value] of cases) {
  t.test(`${JSON.stringify(text)} is ${value}`, async t => {
    t.equal(parseQuantity(text), value)
  })
}
