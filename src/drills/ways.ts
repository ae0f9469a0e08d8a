/** What mends a drill, with what the learner has: a step of the scenario's fix as commands, and where there is none a sentence that begins with `#`. */
import { argvOf } from '#mesh/argv.ts'
import { connections } from '#mesh/connections.ts'
import { bundleFile, type Layout, membersOf } from '#mesh/layout.ts'
import { manifestsFolder, staticPodFlags } from '#pki/static-pods.ts'
import type { TrustSlot } from '#pki/trust-slots.ts'
import { wordsOfStep } from '#scenarios/fix-words.ts'
import type { Step } from '#scenarios/types.ts'

type Way = (target: string, layout: Layout, dir: string) => string[]

const ways: Readonly<Record<string, Way>> = {
  renew: (name, { plan }, dir) => {
    const pair = plan.certificates.filter(row => row.name === name).flatMap(row => [row.certificateFile, row.keyFile])
    const files = [...pair, ...plan.kubeconfigs.filter(row => row.name === name).map(({ file }) => file)]
    return [`rm ${files.map(file => `${dir}/${file}`).join(' ')}`, `trustplane pki init --dir ${dir}`]
  },
  restart: (name, _, dir) => [`trustplane restart ${name} --dir ${dir}`],
  'restore-trust': (slot, layout, dir) => {
    const component = slot.split('.')[0]!
    const row = connections.find(one => [one.clientTrust?.name, one.serverTrust?.name].includes(slot))
    const flag = [row?.clientTrust, row?.serverTrust].find(one => one?.name === slot)?.flag ?? slot
    const where =
      component === 'kubelet' ? `${dir}/kubelet/*/config.yaml` : `${dir}/${manifestsFolder}/${component}.yaml`
    const file = bundleFile(layout, slot as TrustSlot)
    return [`# in ${where}: let ${flag} be ${file ?? 'left out'}`, `trustplane restart ${component} --dir ${dir}`]
  },
  'restore-flags': (name, layout, dir) => [
    ...differences(name, layout).map(line => `# in ${dir}/${manifestsFolder}/${name}.yaml: ${line}`),
    `trustplane restart ${name} --dir ${dir}`,
  ],
  'restore-files': (file, _, dir) => {
    // a certificate without its key is in the way of a new pair
    const pair = /\.(crt|key)$/.test(file) ? [file.replace(/\.key$/, '.crt'), file.replace(/\.crt$/, '.key')] : [file]
    return [`rm -f ${pair.map(name => `${dir}/${name}`).join(' ')}`, `trustplane pki init --dir ${dir}`]
  },
  'start-over': (_, __, dir) => [`trustplane pki init --force --dir ${dir}`, `trustplane restart all --dir ${dir}`],
}

function differences(component: string, layout: Layout): string[] {
  const member = membersOf(layout.nodes).find(one => one.component === component)
  const meant = new Map((member ? argvOf({ ...layout, flags: {} }, member) : []).map(word => [nameOf(word), word]))
  const is = staticPodFlags(layout.dir).get(component) ?? new Map<string, string>()
  const added = [...is.keys()].filter(name => !meant.has(name)).map(name => `take --${name} out`)
  const changed = [...meant]
    .filter(([name, word]) => word !== `--${name}=${is.get(name)}`)
    .map(([, word]) => `it is to be ${word}`)
  return [...added, ...changed]
}

const nameOf = (word: string) => word.slice(2).split('=')[0]!

/** @param layout as the plan means it */
export function waysOf(step: Step, layout: Layout, dir: string): string[] {
  const way = ways[step.name]
  if (!way) return wordsOfStep(step)
  const targets = step.targets.length > 0 ? step.targets : ['']
  return targets.flatMap(target => way(target, layout, dir))
}
