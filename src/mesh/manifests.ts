/**
 * What a node's components trust, by their static pods' manifests (`manifests/*.yaml` of /etc/kubernetes): its flags, not kubeadm's
 * usual ones, decide.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parse } from 'yaml'
import { applyChanges } from '#pki/plan.ts'
import { type TrustSlot, trustSlots } from '#pki/trust-slots.ts'
import type { Plan, PlanChanges } from '#pki/types.ts'

const folder = 'manifests'

export const hasManifests = (dir: string): boolean => existsSync(join(dir, folder))

/** The plan, with the trust slots that the manifests decide, as they decide them. */
export async function planByManifests(plan: Plan, dir: string): Promise<Plan> {
  const flags = readManifests(join(dir, folder))
  const trust: NonNullable<PlanChanges['trust']> = {}
  for (const [slot, description] of Object.entries(trustSlots)) {
    const [component = ''] = slot.split('.')
    const flag = /^--([\w-]+):/.exec(description)?.[1]
    const words = flags.get(component)
    if (!flag || !words) continue
    const file = words.get(flag)
    // with the flag left out, nothing is checked with it
    if (file === undefined) trust[slot as TrustSlot] = null
    else {
      const authority = plan.authorities.find(row => `/${row.certificateFile}` === placeOf(file))
      if (authority) trust[slot as TrustSlot] = [authority.name]
    }
  }
  const allowed = flags.get('kube-apiserver')?.get('requestheader-allowed-names')
  const advertiseAddress = flags.get('kube-apiserver')?.get('advertise-address')
  const cluster = {
    ...(allowed === undefined ? {} : { requestheaderAllowedNames: allowed.split(',').filter(Boolean) }),
    ...(advertiseAddress === undefined ? {} : { advertiseAddress }),
  }
  return applyChanges(plan, { trust, cluster }, join(dir, folder))
}

/** `/etc/kubernetes/pki/ca.crt`, and the same file in a copy of the folder → `/pki/ca.crt`. */
const placeOf = (file: string): string => file.slice(Math.max(0, file.lastIndexOf('/pki/')))

/** Component → its flags. A manifest that cannot be read says nothing. */
function readManifests(where: string): Map<string, Map<string, string>> {
  const found = new Map<string, Map<string, string>>()
  for (const name of readdirSync(where).filter(name => /\.ya?ml$/.test(name))) {
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

function commandsIn(file: string): string[][] {
  try {
    const pod = parse(readFileSync(file, 'utf8')) as {
      spec?: { containers?: { command?: string[]; args?: string[] }[] }
    }
    return (pod.spec?.containers ?? []).map(({ command = [], args = [] }) => [...command, ...args].map(String))
  } catch {
    return []
  }
}
