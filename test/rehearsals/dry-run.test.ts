import t from 'tap'
import { nodesOf } from '../../src/mesh/layout.ts'
import { createPki } from '../../src/pki/create.ts'
import type { Plan } from '../../src/pki/types.ts'
import { dryRun } from '../../src/rehearsals/dry-run.ts'
import { findRehearsal, rehearsalNames } from '../../src/rehearsals/find.ts'
import { loadRehearsal } from '../../src/rehearsals/load.ts'
import { brokenIn } from '../../src/rehearsals/result.ts'
import { trafficRowsOf } from '../../src/rehearsals/rows.ts'
import type { WrongDocument } from '../../src/rehearsals/types.ts'

t.setTimeout(300_000)

/** The rows that `a -> b`, `* -> b` and `a -> *` stand for, in the table's order. */
const expand = (plan: Plan, patterns: readonly string[]): string[] =>
  trafficRowsOf({ nodes: nodesOf(1), plan })
    .filter(({ from, to }) =>
      [`${from} -> ${to}`, `* -> ${to}`, `${from} -> *`].some(pattern => patterns.includes(pattern)),
    )
    .map(({ from, to }) => `${from} -> ${to}`)

for (const name of rehearsalNames()) {
  t.test(`${name}: the right order breaks nothing, and each wrong one what its file says`, async t => {
    const rehearsal = await loadRehearsal(findRehearsal(name))
    const dir = t.testdir()
    await createPki({ plan: rehearsal.plan, dir })
    const right = await dryRun({ rehearsal, dir })
    t.ok(right.ok, 'in the right order')
    t.strictSame(right.steps.flatMap(brokenIn), [])
    t.ok(
      right.steps.at(-1)!.rows.every(row => row.trusts !== 'old' && row.trusts !== 'both' && row.on !== 'both'),
      'nothing of the old is left in the end',
    )
    // the steps of cluster-ca, with other keys
    if (name === 'rsa-to-ecdsa') return
    const wrong: { how: string; order: { skip?: string[]; swap?: readonly [string, string] }; says: WrongDocument }[] =
      [
        ...rehearsal.steps.map(step => ({
          how: `without ${step.name}`,
          order: { skip: [step.name] },
          says: step.whenSkipped,
        })),
        ...rehearsal.wrongOrders.map(one => ({ how: `with ${one.swap.join(' and ')} swapped`, order: one, says: one })),
      ]
    for (const { how, order, says } of wrong) {
      const { skip, swap } = order
      const until = says.at ?? says.stops
      const result = await dryRun({
        rehearsal,
        dir,
        ...(until ? { until } : {}),
        ...(skip ? { skip } : {}),
        ...(swap ? { swap } : {}),
      })
      const first = result.steps.find(step => step.outcome === 'stopped' || brokenIn(step).length > 0)
      t.strictSame(
        { at: first?.step, broken: first && first.outcome !== 'stopped' ? brokenIn(first) : [] },
        { at: says.at ?? says.stops, broken: expand(rehearsal.plan, says.breaks ?? []) },
        how,
      )
    }
  })
}
