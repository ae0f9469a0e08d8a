/** What a running mesh leaves in the state directory, so that every other command finds it: `mesh.json`. */
import { linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { TrustplaneError } from '#errors.ts'
import type { PlanChanges, PlanNode } from '#pki/types.ts'
import type { Ports } from './ports.ts'

export interface ComponentState {
  /** A component's name; kubelets and kube-proxies after the first node are `kubelet@node-2`. */
  id: string
  component: string
  node?: string
  pid?: number
  /** The moment that the pid began. */
  began?: string | undefined
  argv: readonly string[]
  addresses: Record<string, { host: string; port: number }>
  state: 'starting' | 'running' | 'dead' | 'stopped'
  /** How often it was started again. */
  restarts: number
  /** Of a dead one: the last lines that it wrote, and how it ended. */
  lastWords?: string
}

export const apiVersion = 'trustplane.io/v1alpha1'

export interface MeshState {
  apiVersion: typeof apiVersion
  kind: 'Mesh'
  /** The launcher: its pid, and the moment that this pid began (a pid alone may be somebody else's by now). */
  launcher: { pid: number; began: string | undefined }
  /** The directory was made for this mesh and goes with it: whoever finds it without its launcher may delete it. */
  temporary?: true
  /** A plan's name or file, and the changes to it. */
  plan: string
  changes: PlanChanges
  startedAt: string
  clockOffsetMs: number
  voice: string
  /** Of real programs in components' places. */
  voices?: Readonly<Record<string, string>>
  host: string
  nodes: readonly PlanNode[]
  /** Nodes join by themselves. The token is not written down. */
  bootstrap?: { approveServing: boolean }
  ports: Ports
  components: ComponentState[]
}

const stateFile = (dir: string): string => join(resolve(dir), 'mesh.json')

/**
 * Takes the directory for this launcher; two that start at once do not both get it. A stale file is taken over.
 * @throws TrustplaneError TP_ALREADY_RUNNING
 */
export function claimState(dir: string, state: MeshState): MeshState | undefined {
  mkdirSync(resolve(dir), { recursive: true, mode: 0o700 })
  const file = stateFile(dir)
  const next = `${file}.${process.pid}`
  writeFileSync(next, JSON.stringify(state), { mode: 0o600 })
  try {
    let stale: MeshState | undefined
    for (let tries = 0; tries < 3; tries++) {
      try {
        linkSync(next, file)
        return stale
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      }
      const there = readState(dir)
      if (there && isAlive(there.launcher)) {
        throw new TrustplaneError(
          'TP_ALREADY_RUNNING',
          `a mesh is running in ${dir} already (pid ${there.launcher.pid})`,
          {
            fix: 'stop it with `trustplane down`, or give this one another --dir',
          },
        )
      }
      stale = there
      rmSync(file, { force: true })
    }
    return stale
  } finally {
    rmSync(next, { force: true })
  }
}

/** Whole or not at all: a reader never sees half a file. */
export function writeState(dir: string, state: MeshState): void {
  mkdirSync(resolve(dir), { recursive: true, mode: 0o700 })
  const file = stateFile(dir)
  const next = `${file}.${process.pid}`
  writeFileSync(next, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 })
  renameSync(next, file)
}

export const removeState = (dir: string): void => rmSync(stateFile(dir), { force: true })

/** Undefined when no mesh ever ran here, or when it was stopped. */
export function readState(dir: string): MeshState | undefined {
  let text: string
  try {
    text = readFileSync(stateFile(dir), 'utf8')
  } catch {
    return undefined
  }
  try {
    const state = JSON.parse(text) as MeshState
    if (typeof state?.launcher?.pid === 'number' && Array.isArray(state.components)) return state
  } catch {}
  throw new TrustplaneError('TP_INPUT_INVALID', `${stateFile(dir)} is not what \`trustplane up\` writes`, {
    fix: 'delete it when no mesh is running there',
    at: { file: stateFile(dir) },
  })
}

/** The state of a mesh whose launcher lives; a stale mesh.json (the launcher was killed) is as good as none. */
export function runningState(dir: string): MeshState | undefined {
  const state = readState(dir)
  return state && isAlive(state.launcher) ? state : undefined
}

/** @throws TrustplaneError TP_NOT_RUNNING */
export function requireRunning(dir: string): MeshState {
  const state = runningState(dir)
  if (state) return state
  throw new TrustplaneError('TP_NOT_RUNNING', `no mesh is running in ${dir}`, {
    fix: `start one with \`trustplane up${dir === '.trustplane' ? '' : ` --dir ${dir}`}\``,
  })
}

export const thisProcess = (): MeshState['launcher'] => ({ pid: process.pid, began: beginningOf(process.pid) })

/** True while the very process lives, not merely one of the same number. */
export function isAlive(target: { pid: number; began?: string | undefined }): boolean {
  try {
    process.kill(target.pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false
  }
  const began = beginningOf(target.pid)
  return target.began === undefined || began === undefined || began === target.began
}

/** Linux: field 22 of /proc/<pid>/stat, clock ticks since boot. The command in field 2 may hold spaces and brackets. A zombie has ended. */
export function beginningOf(pid: number): string | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ')
    return fields[0] === 'Z' ? 'ended' : fields[19]
  } catch {
    return undefined
  }
}

/** Records and logs of the run before are kept once, as `*.previous`; what is shown is of this run. */
export function setAside(dir: string): void {
  for (const folder of ['connections', 'loaded', 'logs']) {
    let names: string[]
    try {
      names = readdirSync(join(dir, folder))
    } catch {
      continue
    }
    // up.* are those of the launcher itself, which writes them already
    for (const name of names.filter(name => !name.endsWith('.previous') && !name.startsWith('up.'))) {
      renameSync(join(dir, folder, name), join(dir, folder, `${name}.previous`))
    }
  }
}
