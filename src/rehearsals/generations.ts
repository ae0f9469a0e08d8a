/** Old or new: whose certificate it is that somebody shows, and whose a row depends on. */
import { join } from 'node:path'
import type { Connection } from '#mesh/connections.ts'
import { blocks, sameBlock } from './bundles.ts'
import { isSignedBy, leafPem, pairOfName, trusted, trustedIn, type Workshop } from './files.ts'
import type { Loaded } from './loaded.ts'
import { podRow } from './pods.ts'
import { trafficRowsOf } from './rows.ts'
import { newPath, oldPath, readIfThere } from './store.ts'
import type { Generation } from './types.ts'

/** `–` when the rehearsal does not concern it. */
function generationOf(workshop: Workshop, name: string, dir: string): Generation {
  const { rehearsal } = workshop
  const pem = leafPem(dir, rehearsal.plan, name)
  if (pem === undefined) return '–'
  const own = rehearsal.replaces.find(one => one.old === name)
  const before = leafPem(join(workshop.dir, oldPath(rehearsal, '.')), rehearsal.plan, name)
  const isAsBefore = before !== undefined && sameBlock(before, pem)
  if (own) return isAsBefore ? 'old' : 'new'
  const authorities = rehearsal.replaces.filter(one => one.kind === 'authority')
  if (authorities.length === 0) {
    const isRenewed = rehearsal.steps.some(step =>
      step.actions.some(action => action.name === 'reissue' && action.targets.includes(name)),
    )
    return isRenewed ? (isAsBefore ? 'old' : 'new') : '–'
  }
  for (const one of authorities) {
    const young = readIfThere(workshop.dir, newPath(rehearsal, pairOfName(rehearsal.target, one.new)!.open))
    if (young && isSignedBy(pem, young)) return 'new'
    // with another name for the new authority, only some leave the old one
    const leaf = [...rehearsal.target.certificates, ...rehearsal.target.kubeconfigs].find(row => row.name === name)
    const old = readIfThere(workshop.dir, oldPath(rehearsal, pairOfName(rehearsal.plan, one.old)!.open))
    if (leaf?.issuer === one.new && old && isSignedBy(pem, old)) return 'old'
  }
  return '–'
}

/** Whose certificates a row's two ends have in memory, and whose they believe. */
export function rowGenerations(
  workshop: Workshop,
  loaded: Loaded,
): (row: Connection) => { on: Generation; trusts: Generation } {
  const { dir } = loaded.layout
  const shown = new Map<string, Generation>()
  const believed = new Map<string, Generation>()
  for (const { clientCertificate, serverCertificate, clientTrust, serverTrust } of trafficRowsOf(loaded.layout)) {
    for (const one of [clientCertificate, serverCertificate]) {
      if (one && !shown.has(one.name)) shown.set(one.name, generationOf(workshop, one.name, dir))
    }
    for (const one of [clientTrust, serverTrust]) {
      if (one && !believed.has(one.name)) believed.set(one.name, believedBy(workshop, one.name, dir))
    }
  }
  const all = (map: Map<string, Generation>, ...ends: (Connection['clientTrust'] | undefined)[]) =>
    together(ends.map(end => (end && map.get(end.name)) ?? '–'))
  return row =>
    row === podRow
      ? podGenerations(workshop, loaded)
      : {
          on: all(shown, row.clientCertificate, row.serverCertificate),
          trusts: all(believed, row.clientTrust, row.serverTrust),
        }
}

/** Its token and the apiserver's certificate; what it believes, and what the apiserver checks tokens with. */
function podGenerations(workshop: Workshop, loaded: Loaded): { on: Generation; trusts: Generation } {
  const { pod, layout } = loaded
  if (!pod) return { on: '–', trusts: '–' }
  return {
    on: together([
      generationOf(workshop, 'apiserver', layout.dir),
      trustedIn(workshop, 'sa', blocks(pod.tokenKey, 'PUBLIC KEY')) ?? '–',
    ]),
    trusts: together([
      trustedIn(workshop, 'kube-controller-manager.root-ca', blocks(pod.ca, 'CERTIFICATE')) ?? '–',
      believedBy(workshop, 'sa', layout.dir),
    ]),
  }
}

/** A bundle that cannot be read is nobody's. */
function believedBy(workshop: Workshop, name: string, dir: string): Generation {
  try {
    return trusted(workshop, name, dir) ?? '–'
  } catch {
    return '–'
  }
}

function together(generations: readonly Generation[]): Generation {
  const told = new Set(generations.filter(one => one !== '–'))
  if (told.size === 0) return '–'
  return told.size === 1 ? [...told][0]! : 'both'
}
