/** The components' static pods, as kubeadm writes them: what the learner reads and edits; and what they say now, for the check. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { connections } from '#mesh/connections.ts'
import type { Layout } from '#mesh/layout.ts'
import type { Mesh } from '#mesh/mesh.ts'
import { manifestsFolder, staticPodFlags } from '#pki/static-pods.ts'

export function writeManifests(mesh: Mesh): void {
  const folder = join(mesh.dir, manifestsFolder)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  for (const { id, component, argv } of mesh.members) {
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: component, namespace: 'kube-system', labels: { component, tier: 'control-plane' } },
      spec: { containers: [{ name: component, command: [component, ...onceEach(argv)] }], hostNetwork: true },
    }
    const head = `# Read when ${id} is restarted: trustplane restart ${id}\n`
    writeFileSync(join(folder, `${id}.yaml`), head + stringify(pod, { lineWidth: 0 }), { mode: 0o600 })
  }
}

/** The last flag of a name counts; where the first stood it does not stand out. */
function onceEach(argv: readonly string[]): string[] {
  const flags = new Map<string, string>()
  for (const word of argv) flags.set(word.split('=')[0]!, word)
  return [...flags.values()]
}

/** The layout with the flags that the manifests give now: what components that dial use in place of the plan's files. */
export function layoutNow(layout: Layout): Layout {
  const pods = staticPodFlags(layout.dir)
  const flags = Object.fromEntries(
    [...pods].map(([component, words]) => [component, [...words].map(([name, value]) => `--${name}=${value}`)]),
  )
  for (const { flag } of connections.flatMap(row => [row.clientTrust ?? [], row.clientCertificate ?? []].flat())) {
    const [, component = '', name = ''] = /^(\S+) --(\S+)$/.exec(flag) ?? []
    // taken out of the manifest: nothing is in its place
    if (pods.has(component) && !pods.get(component)!.has(name)) flags[component]!.push(`--${name}=`)
  }
  return { ...layout, flags }
}
