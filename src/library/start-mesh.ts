/** The library's `startMesh`: a mesh in this process, well or with a scenario's faults in it. */
import { TrustplaneError } from '#errors.ts'
import { type MeshOptions as LauncherOptions, startMesh as launch } from '#mesh/launcher.ts'
import type { Mesh } from '#mesh/mesh.ts'
import { findScenarioFiles } from '#scenarios/find.ts'
import { givenBy, meshOptionsOf } from '#scenarios/given.ts'
import { loadScenarios } from '#scenarios/load.ts'

export interface MeshOptions extends LauncherOptions {
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
export async function startMesh(options: MeshOptions = {}): Promise<Mesh> {
  const mesh = await start(options)
  mesh.rotateAuthority = async authority => (await import('#rehearsals/rotate.ts')).rotateAuthority(mesh, authority)
  return mesh
}

async function start({ fault, ...rest }: MeshOptions): Promise<Mesh> {
  const defaults: LauncherOptions = { isolation: 'in-process', ports: 'random' }
  if (fault === undefined) return launch({ ...defaults, ...rest })
  const [scenario] = await loadScenarios(findScenarioFiles([fault]))
  if (!scenario) throw new TrustplaneError('TP_NAME_UNKNOWN', `no scenario in ${JSON.stringify(fault)}`)
  const { plan, nodes, faults, more } = scenario
  return launch({ ...defaults, plan, nodes, ...meshOptionsOf(givenBy(faults, more)), ...rest })
}
