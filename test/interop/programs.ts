/** The real programs that interop tests need. On a person's machine a missing one is skipped by name; with CI=true it is an error. */
import { spawnSync } from 'node:child_process'
import { accessSync, constants, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'

export interface Program {
  /** Path of the executable; '' when it is missing. */
  path: string
  /** For tap's `skip` option: false, or why. */
  skip: string | false
}

const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean)

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Looks `name` up on PATH. @throws Error when it is missing and CI=true */
export function program(name: string): Program {
  const path = folders.map(folder => join(folder, name)).find(isExecutable)
  if (path) return { path, skip: false }
  if (process.env.CI === 'true') throw new Error(`${name} is not on PATH, and CI must not skip what needs it`)
  return { path: '', skip: `${name} is not on PATH` }
}

export interface Kubectl {
  path: string
  /** `1.33` */
  version: string
  minor: number
}

/** Every kubectl on PATH: `kubectl`, and `kubectl.1.*` beside one; one of each minor version, oldest first. */
export function kubectls(): Kubectl[] {
  const paths = folders.flatMap(folder => {
    try {
      return readdirSync(folder)
        .filter(name => /^kubectl(\.1\.\d+)?$/.test(name))
        .map(name => join(folder, name))
        .filter(isExecutable)
    } catch {
      return []
    }
  })
  const byVersion = new Map<string, Kubectl>()
  for (const path of paths) {
    const { stdout } = spawnSync(path, ['version', '--client', '-o', 'json'], { encoding: 'utf8' })
    const version = /"gitVersion": *"v(1\.(\d+))[^"]*"/.exec(stdout ?? '')
    // a dispatcher picks another kubectl by the server it sees: not a version of its own
    if (!version || /dispatcher/.test(stdout)) continue
    if (!byVersion.has(version[1]!))
      byVersion.set(version[1]!, { path, version: version[1]!, minor: Number(version[2]) })
  }
  const found = [...byVersion.values()].sort((a, b) => a.minor - b.minor)
  if (found.length === 0 && process.env.CI === 'true') {
    throw new Error('kubectl is not on PATH, and CI must not skip what needs it')
  }
  return found
}
