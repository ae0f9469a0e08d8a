/** The command lines of a node's static pods: `manifests/*.yaml` of /etc/kubernetes. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parse } from 'yaml'

export const manifestsFolder = 'manifests'

export const hasManifests = (dir: string): boolean => existsSync(join(dir, manifestsFolder))

/** Component → its flags. A manifest that cannot be read says nothing. */
export function staticPodFlags(dir: string): Map<string, Map<string, string>> {
  const where = join(dir, manifestsFolder)
  const found = new Map<string, Map<string, string>>()
  for (const name of namesIn(where)) {
    for (const [program, ...words] of commandsIn(join(where, name))) {
      const flags = words.flatMap(word => {
        const match = /^--([\w-]+)(?:=(.*))?$/s.exec(word)
        return match ? [[match[1]!, match[2] ?? 'true'] as const] : []
      })
      if (program) found.set(basename(program), new Map(flags))
    }
  }
  return found
}

/** The command line of each container in a pod's manifest; none when it cannot be read. */
export function commandsIn(file: string): string[][] {
  try {
    const pod = parse(readFileSync(file, 'utf8')) as {
      spec?: { containers?: { command?: string[]; args?: string[] }[] }
    }
    return (pod.spec?.containers ?? []).map(({ command = [], args = [] }) => [...command, ...args].map(String))
  } catch {
    return []
  }
}

function namesIn(where: string): string[] {
  try {
    return readdirSync(where).filter(name => /\.ya?ml$/.test(name))
  } catch {
    return []
  }
}
