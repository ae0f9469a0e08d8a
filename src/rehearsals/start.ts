/** The mesh that a rehearsal is played on: a new one, or what an earlier run left in a directory. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { TrustplaneError } from '#errors.ts'
import { type MeshOptions, startMesh } from '#mesh/launcher.ts'
import type { Mesh } from '#mesh/mesh.ts'
import { planRecord, recordedPlan } from '#pki/plan-record.ts'
import { wasBegun } from './store.ts'
import type { Rehearsal } from './types.ts'

/**
 * @throws TrustplaneError TP_REHEARSAL_STOPPED for a directory whose PKI is another plan's, and what `startMesh` throws
 */
export async function startRehearsal(
  rehearsal: Rehearsal,
  options: Omit<MeshOptions, 'plan' | 'changes' | 'asIs'>,
): Promise<Mesh> {
  const { dir } = options
  if (dir !== undefined && existsSync(join(dir, planRecord))) {
    const { name } = await recordedPlan(dir)
    if (name !== rehearsal.plan.name) {
      throw new TrustplaneError(
        'TP_REHEARSAL_STOPPED',
        `the PKI in ${dir} is of the plan ${name}, and ${rehearsal.name} is for ${rehearsal.plan.name}`,
        { fix: 'choose another --dir, or leave it out: a new one is made for the time' },
      )
    }
  }
  // the certificates of one that was begun are of two generations: no plan says that
  const asIs = dir !== undefined && wasBegun(dir, rehearsal)
  // as kubelets start static pods again: one that lost its lease ends
  return startMesh({ isolation: 'in-process', ports: 'random', restart: true, ...options, plan: rehearsal.plan, asIs })
}
