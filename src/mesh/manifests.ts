/**
 * What a node's components trust, by their static pods' manifests (`manifests/*.yaml` of /etc/kubernetes): its flags, not kubeadm's
 * usual ones, decide.
 */
import { join } from 'node:path'
import { applyChanges } from '#pki/plan.ts'
import { manifestsFolder, staticPodFlags } from '#pki/static-pods.ts'
import { type TrustSlot, trustSlots } from '#pki/trust-slots.ts'
import type { Plan, PlanChanges } from '#pki/types.ts'

/** The plan, with the trust slots that the manifests decide, as they decide them. */
export async function planByManifests(plan: Plan, dir: string): Promise<Plan> {
  const flags = staticPodFlags(dir)
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
  return applyChanges(plan, { trust, cluster }, join(dir, manifestsFolder))
}

/** `/etc/kubernetes/pki/ca.crt`, and the same file in a copy of the folder → `/pki/ca.crt`. */
const placeOf = (file: string): string => file.slice(Math.max(0, file.lastIndexOf('/pki/')))
