/** The fix of a scenario that has none of its own: what `given` broke is taken back, the last first. */
import { componentNames } from '#components/component.ts'
import { usersOf } from '#mesh/connections.ts'
import { findFault } from './faults/index.ts'
import type { GivenDocument, Scenario, Step } from './types.ts'

export function undone(faults: Scenario['faults'], more: GivenDocument): Step[] {
  // an authority is in too many files to be put back one by one
  if (more.authorities || more.keyPairs) return [{ name: 'start-over', targets: ['everything'] }]
  const certificates = Object.keys({ ...more.certificates, ...more.kubeconfigs })
  const users = new Set(
    certificates.flatMap(usersOf).filter(name => (componentNames as readonly string[]).includes(name)),
  )
  const clocks = Object.keys(more.clock ?? {})
  const step = (name: string, targets: readonly string[]) => (targets.length > 0 ? [{ name, targets }] : [])
  return [
    ...faults.toReversed().flatMap(({ name, attributes }) => findFault(name)!.undo(attributes)),
    ...step('restore-files', Object.keys(more.files ?? {})),
    ...step('renew', certificates),
    ...step('restore-clock', clocks),
    ...step('restore-flags', Object.keys(more.flags ?? {})),
    ...step('restore-trust', Object.keys(more.trust ?? {})),
    ...step('restart', [...users]),
  ]
}
