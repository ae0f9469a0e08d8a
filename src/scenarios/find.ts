/** Which scenario files are meant by a path, a folder or a name. */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { nearest, TrustplaneError } from '#errors.ts'
import { packageRoot } from '#pki/package-root.ts'

/** The scenarios that come with trustplane. */
export const packagedScenarios = (): string => join(packageRoot(), 'scenarios')

/**
 * Files, folders (with all below them), or names of packaged scenarios; in the order given, each once.
 * @example
 * findScenarioFiles(['etcd/client-from-cluster-ca', 'my-scenarios/'])
 * @throws TrustplaneError TP_NAME_UNKNOWN
 */
export function findScenarioFiles(paths: readonly string[] = [packagedScenarios()]): string[] {
  return [...new Set(paths.flatMap(filesOf))]
}

/** `scenarios/rehearsals/` has files of another kind: see `#rehearsals/find.ts`. */
const isRehearsal = (name: string) => /^rehearsals[\\/]/.test(name)

function filesOf(path: string): string[] {
  if (existsSync(path)) {
    if (!statSync(path).isDirectory()) return [path]
    return (readdirSync(path, { recursive: true }) as string[])
      .filter(name => /\.ya?ml$/.test(name) && !isRehearsal(name))
      .sort()
      .map(name => join(path, name))
  }
  const packaged = (readdirSync(packagedScenarios(), { recursive: true }) as string[]).filter(
    name => name.endsWith('.yaml') && !isRehearsal(name),
  )
  const byName = Map.groupBy(
    packaged.flatMap(file => [basename(file, '.yaml'), file.slice(0, -5)].map(name => ({ name, file }))),
    ({ name }) => name,
  )
  const [found, ...others] = byName.get(path) ?? []
  if (found && others.length === 0) return [join(packagedScenarios(), found.file)]
  if (found) {
    throw new TrustplaneError('TP_NAME_UNKNOWN', `several scenarios are called ${JSON.stringify(path)}`, {
      fix: `say which: ${[found, ...others].map(({ file }) => file.slice(0, -5)).join(', ')}`,
    })
  }
  const near = nearest(path, byName.keys())
  throw new TrustplaneError('TP_NAME_UNKNOWN', `no scenario, file or folder ${JSON.stringify(path)}`, {
    fix: near ? `did you mean ${near}?` : 'see `trustplane run --list`',
  })
}
