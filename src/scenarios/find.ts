/** Which scenario files are meant by a path, a folder or a name. */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { nearest, TrustplaneError } from '#errors.ts'
import { packageRoot } from '#pki/package-root.ts'

/** The scenarios that come with trustplane. */
export const packagedScenarios = (): string => join(packageRoot(), 'scenarios')

/**
 * Files, folders (with all below them), or names of packaged scenarios and of their folders; in the order given, each once.
 * @example
 * findScenarioFiles(['etcd/client-from-cluster-ca', 'rotation', 'my-scenarios/'])
 * @throws TrustplaneError TP_NAME_UNKNOWN
 */
export function findScenarioFiles(paths: readonly string[] = [packagedScenarios()]): string[] {
  return [...new Set(paths.flatMap(filesOf))]
}

/** `scenarios/rehearsals/` has files of another kind: see `#rehearsals/find.ts`. */
const isRehearsal = (name: string) => /^rehearsals[\\/]/.test(name)

const scenariosIn = (folder: string): string[] =>
  (readdirSync(folder, { recursive: true }) as string[])
    .filter(name => /\.ya?ml$/.test(name) && !isRehearsal(name))
    .sort()

/** Packaged scenarios by the names that they go by: with their folder, and without. */
const packagedNames = () =>
  Map.groupBy(
    scenariosIn(packagedScenarios()).flatMap(file =>
      [basename(file, '.yaml'), file.slice(0, -5)].map(name => ({ name, file })),
    ),
    ({ name }) => name,
  )

/** At most three packaged scenarios that may have been meant: by letters, then by words in common. */
export function similarScenarios(name: string): string[] {
  const names = packagedNames()
  const nameOf = (one: string) => names.get(one)![0]!.file.slice(0, -5)
  const near = nearest(name, names.keys())
  const words = new Set(name.toLowerCase().split(/[^a-z0-9]+/))
  const inCommon = (one: string) => one.split(/[/-]/).filter(word => words.has(word)).length
  const alike = [...new Set([...names.keys()].map(nameOf))]
    .filter(one => inCommon(one) > 1)
    .sort((a, b) => inCommon(b) - inCommon(a))
  return [...new Set([...(near ? [nameOf(near)] : []), ...alike])].slice(0, 3)
}

function filesOf(path: string): string[] {
  if (existsSync(path)) {
    if (!statSync(path).isDirectory()) return [path]
    return scenariosIn(path).map(name => join(path, name))
  }
  const byName = packagedNames()
  const [found, ...others] = byName.get(path) ?? []
  if (found && others.length === 0) return [join(packagedScenarios(), found.file)]
  if (found) {
    throw new TrustplaneError('TP_NAME_UNKNOWN', `several scenarios are called ${JSON.stringify(path)}`, {
      fix: `say which: ${[found, ...others].map(({ file }) => file.slice(0, -5)).join(', ')}`,
    })
  }
  const folder = [...byName.keys()].flatMap(name =>
    name.startsWith(`${path.replace(/\/$/, '')}/`) ? [byName.get(name)![0]!] : [],
  )
  if (folder.length > 0) return folder.map(({ file }) => join(packagedScenarios(), file))
  const similar = similarScenarios(path)
  throw new TrustplaneError('TP_NAME_UNKNOWN', `no scenario, file or folder ${JSON.stringify(path)}`, {
    fix: similar.length > 0 ? `did you mean ${similar.join(', or ')}?` : 'see `trustplane run --list`',
  })
}
