import t from 'tap'
import { staleDocuments } from '../scripts/docs.ts'

t.test('the tables in README and docs/ are those of the code', async t => {
  t.strictSame([...staleDocuments().keys()], [], 'run `npm run docs`')
})
