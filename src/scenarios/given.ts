/** What faults come to, together: how the mesh is started. */
import { findFault } from './faults/index.ts'
import type { Given, Scenario } from './types.ts'

export function givenBy(faults: Scenario['faults']): Given {
  const given: Given = { changes: {}, flags: {}, clockOffsets: {} }
  for (const { name, attributes } of faults) findFault(name)!.apply(given, attributes)
  return given
}
