/** The mesh that a rehearsal is played on: a new one, or what an earlier run left in a directory. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type MeshOptions, startMesh } from '#mesh/launcher.ts'
import type { Mesh } from '#mesh/mesh.ts'
import { planRecord, recordedPlan } from '#pki/plan-record.ts'
import { fitted } from './fit.ts'
import { wasBegun } from './store.ts'
import type { Rehearsal } from './types.ts'

/**
 * @throws TrustplaneError TP_REHEARSAL_STOPPED for a directory whose PKI it does not fit, and what `startMesh` throws
 */
export async function startRehearsal(
  rehearsal: Rehearsal,
  options: Omit<MeshOptions, 'plan' | 'changes' | 'asIs'>,
): Promise<Mesh> {
  const { dir } = options
  // as kubelets start static pods again: one that lost its lease ends
  const how: MeshOptions = { isolation: 'in-process', ports: 'random', restart: true, ...options }
  if (dir === undefined || !existsSync(join(dir, planRecord))) return startMesh({ ...how, plan: rehearsal.plan })
  const recorded = await recordedPlan(dir)
  const { plan } = await fitted(rehearsal, recorded, dir)
  // the certificates of one that was begun are of two generations: no plan says that
  const asIs = wasBegun(dir, rehearsal)
  return startMesh({ ...how, plan, nodes: recorded.cluster.nodes.length, asIs })
}
