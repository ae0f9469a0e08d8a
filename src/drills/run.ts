/** The mesh of a drill: started broken, in this process or for the process that `trustplane drill` leaves behind. */
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { resolve } from 'node:path'
import { TrustplaneError } from '#errors.ts'
import { serveControl } from '#mesh/control.ts'
import { type MeshOptions, startMesh } from '#mesh/launcher.ts'
import type { Mesh } from '#mesh/mesh.ts'
import { apiVersion, runningState } from '#mesh/state.ts'
import { givenBy, meshOptionsOf } from '#scenarios/given.ts'
import { writeManifests } from './manifests.ts'
import { findDrill, hidden, requireDrill, scenarioOf, writeDrill } from './state.ts'
import type { Drill, DrillState } from './types.ts'

/**
 * Takes an empty folder for a drill, or that of an earlier one, which goes.
 * @throws TrustplaneError TP_ALREADY_RUNNING, TP_PKI_EXISTS
 */
export function prepareDrill(dir: string, drill: Drill, seed: number): DrillState {
  if (runningState(dir)) {
    throw new TrustplaneError('TP_ALREADY_RUNNING', `a mesh is running in ${dir} already`, {
      fix: 'stop it (`trustplane drill stop`, `trustplane down`), or give this drill another --dir',
    })
  }
  // what a drill that was killed left: its certificates would be kept, and nothing would break
  if (findDrill(dir)) rmSync(resolve(dir), { recursive: true, force: true })
  mkdirSync(resolve(dir), { recursive: true, mode: 0o700 })
  // a drill breaks certificates: not those of a mesh that somebody wants to keep
  if (readdirSync(resolve(dir)).length > 0) {
    throw new TrustplaneError('TP_PKI_EXISTS', `${dir} is not empty, and a drill would break what is in it`, {
      fix: 'give the drill a folder of its own: --dir /tmp/drill',
      at: { file: dir },
    })
  }
  const state: DrillState = {
    apiVersion,
    kind: 'Drill',
    id: drill.id,
    level: drill.level,
    seed,
    answer: hidden(drill.scenario),
    startedAt: new Date().toISOString(),
    hints: 0,
    checks: 0,
  }
  writeDrill(dir, state)
  return state
}

export interface RunningDrill extends AsyncDisposable {
  mesh: Mesh
  stop(): Promise<void>
}

/** Starts the mesh of the drill that `dir` was prepared for. */
export async function runDrill(
  dir: string,
  options: Pick<MeshOptions, 'ports' | 'isolation' | 'signal'> = {},
): Promise<RunningDrill> {
  const scenario = await scenarioOf(requireDrill(dir))
  const mesh = await startMesh({
    ...options,
    dir,
    plan: scenario.plan,
    nodes: scenario.nodes,
    secret: true,
    // as a kubelet does with static pods: what died comes back when its files are well
    restart: true,
    ...meshOptionsOf(givenBy(scenario.faults, scenario.more)),
  })
  writeManifests(mesh)
  const control = serveControl(mesh)
  const stop = async () => {
    control.close()
    await mesh.stop()
  }
  return { mesh, stop, [Symbol.asyncDispose]: stop }
}
