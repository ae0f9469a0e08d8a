/** `mesh.rotate({ authority })` of the library: a rehearsal without traffic, from its beginning to its end. */
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { nearest, TrustplaneError } from '#errors.ts'
import type { Mesh } from '#mesh/mesh.ts'
import type { Rotation } from '#mesh/rotate.ts'
import { leafPem } from './files.ts'
import { findRehearsal } from './find.ts'
import { fitted } from './fit.ts'
import { loadRehearsal } from './load.ts'
import { rehearse } from './rehearse.ts'
import { storeOf } from './store.ts'
import type { Rehearsal } from './types.ts'

/** Authority (or key pair) → the rehearsal that replaces it by another of the same name. */
const rehearsals: Readonly<Record<string, string>> = {
  ca: 'cluster-ca',
  'etcd-ca': 'etcd-ca',
  'front-proxy-ca': 'front-proxy-ca',
  sa: 'service-account-key',
}

/** @throws TrustplaneError TP_NAME_UNKNOWN, TP_USAGE (nothing was done), TP_REHEARSAL_STOPPED (with what broke, or the step that could not be done) */
export async function rotateAuthority(mesh: Mesh, authority: string): Promise<Rotation> {
  const name = rehearsals[authority]
  if (name === undefined) {
    const near = nearest(authority, Object.keys(rehearsals))
    throw new TrustplaneError('TP_NAME_UNKNOWN', `there is no authority ${JSON.stringify(authority)} to rotate`, {
      fix: near ? `did you mean ${near}?` : `known: ${Object.keys(rehearsals).join(', ')}`,
    })
  }
  if (!mesh.layout.plan.ownTrustFiles) {
    throw new TrustplaneError(
      'TP_USAGE',
      `${authority} cannot be replaced here: what signs and what is trusted are one file`,
      {
        fix: 'start the mesh with startMesh({ changes: { ownTrustFiles: true } })',
      },
    )
  }
  const rehearsal = await fitted(await loadRehearsal(findRehearsal(name)), mesh.layout.plan, mesh.dir)
  const { steps, ok, stopped } = await rehearse({ mesh, rehearsal, rate: 0 })
  if (!ok) {
    const broken = steps.flatMap(({ step, rows }) =>
      rows.filter(({ state }) => state === 'failed').map(({ from, to }) => `${from} -> ${to} (after ${step})`),
    )
    throw new TrustplaneError(
      'TP_REHEARSAL_STOPPED',
      stopped?.error ?? `these connections failed: ${broken.join(', ')}`,
      {
        ...(stopped?.fix ? { fix: stopped.fix } : {}),
      },
    )
  }
  // so that it can be replaced again
  await rm(join(mesh.dir, storeOf(rehearsal)), { recursive: true, force: true })
  return rotationOf(mesh, rehearsal)
}

function rotationOf({ dir, layout: { plan } }: Mesh, { steps }: Rehearsal): Rotation {
  const targets = (action: string) => [
    ...new Set(
      steps.flatMap(({ actions }) => actions.filter(({ name }) => name === action).flatMap(one => one.targets)),
    ),
  ]
  const renewed = [...targets('sign-with-new'), ...targets('reissue')].flatMap((name): Rotation['renewed'] => {
    const pair = plan.keyPairs.find(candidate => candidate.name === name)
    if (pair) return [{ name, file: pair.keyFile }]
    const row = [...plan.authorities, ...plan.certificates, ...plan.kubeconfigs].find(
      candidate => candidate.name === name,
    )
    if (!row) return []
    const file = 'certificateFile' in row ? row.certificateFile : row.file
    const pem = leafPem(dir, plan, name) ?? readFileSync(join(dir, file), 'utf8')
    return [{ name, file, notAfter: new X509Certificate(pem).validToDate }]
  })
  // the ids of this mesh's components
  const idOf = (target: string) => target.replace(`@${plan.cluster.nodeName}`, '')
  return { renewed, restarted: [...new Set(targets('restart').map(idOf))] }
}
