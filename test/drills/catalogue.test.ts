import t from 'tap'
import { chooseDrill, drills } from '../../src/drills/catalogue.ts'

const all = await drills()

t.test('there are drills of each level, each with its own id and with symptoms', async t => {
  t.ok(all.length >= 40, `${all.length} drills`)
  t.equal(new Set(all.map(({ id }) => id)).size, all.length)
  for (const level of [1, 2, 3])
    t.ok(
      all.some(drill => drill.level === level),
      `level ${level}`,
    )
  for (const { id, symptoms } of all) t.ok(symptoms.length > 0, id)
})

t.test('neither id nor symptoms tell the scenario', async t => {
  for (const { id, symptoms, scenario } of all) {
    t.notMatch([id, ...symptoms].join(' '), scenario.name)
    t.notMatch(symptoms.join(' '), scenario.title)
  }
})

t.test('a seed is a drill, and seeds beside each other are others', async t => {
  const ids = Array.from({ length: 20 }, (_, seed) => chooseDrill(all, { seed }).id)
  t.strictSame(
    ids,
    Array.from({ length: 20 }, (_, seed) => chooseDrill(all, { seed }).id),
  )
  t.ok(new Set(ids).size > 10)
  t.equal(chooseDrill(all, { seed: 3, level: 1 }).level, 1)
})

t.test('a drill is found by its id and by its scenario; another name has its nearest', async t => {
  const [drill] = all
  t.equal(chooseDrill(all, { name: drill!.id, seed: 0 }), drill)
  t.equal(chooseDrill(all, { name: drill!.scenario.name, seed: 0 }), drill)
  t.throws(() => chooseDrill(all, { name: 'drill-zzzz', seed: 0 }), { code: 'TP_NAME_UNKNOWN' })
})
