/** A mesh with a scenario's faults in it: for other people's tests. */
import { TrustplaneError } from '#errors.ts'
import { type MeshOptions, startMesh } from '#mesh/launcher.ts'
import type { Mesh } from '#mesh/mesh.ts'
import { findScenarioFiles } from './find.ts'
import { givenBy, meshOptionsOf } from './given.ts'
import { loadScenarios } from './load.ts'

export interface FaultyMeshOptions extends MeshOptions {
  /** A scenario's name or file: the mesh starts with its faults. `etcd/client-from-cluster-ca` */
  fault?: string
}

/**
 * Starts a control plane in this process, on free ports, in a temporary directory; each of these can be had otherwise.
 * @example
 * await using mesh = await startMesh({ fault: 'etcd/client-from-cluster-ca' })
 * mesh.connection('kube-apiserver', 'etcd').reason // 'unknown-authority'
 * @throws TrustplaneError TP_NAME_UNKNOWN for a scenario that is not there, and what `startMesh` throws
 */
export async function startFaultyMesh(options: FaultyMeshOptions = {}): Promise<Mesh> {
  const { fault, ...rest } = options
  const defaults: MeshOptions = { isolation: 'in-process', ports: 'random' }
  if (fault === undefined) return startMesh({ ...defaults, ...rest })
  const [scenario] = await loadScenarios(findScenarioFiles([fault]))
  if (!scenario) throw new TrustplaneError('TP_NAME_UNKNOWN', `no scenario in ${JSON.stringify(fault)}`)
  const { plan, nodes, faults, more } = scenario
  return startMesh({ ...defaults, plan, nodes, ...meshOptionsOf(givenBy(faults, more)), ...rest })
}
