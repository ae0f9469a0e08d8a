/** What is under `…/<name>/<subresource>`, by resource and verb. */

import { badRequest } from '#kubernetes/status.ts'
import { logs } from '../proxy/logs.ts'
import { get } from '../verbs/read.ts'
import type { Handler } from '../verbs/types.ts'
import { approval, csrStatus } from './approval.ts'
import { finalize } from './finalize.ts'
import { binding, eviction } from './pods.ts'
import { getScale, patchScale, updateScale } from './scale.ts'
import { patchStatus, updateStatus } from './status.ts'
import { createToken } from './token.ts'

type Verbs = Partial<Record<'get' | 'create' | 'update' | 'patch' | 'delete', Handler>>

const scale: Verbs = { get: getScale, update: updateScale, patch: patchScale }
const status: Verbs = { get, update: updateStatus, patch: patchStatus }

/** Without an upgrade: node:http gives those to `onUpgrade`. */
const mustUpgrade: Handler = () => {
  throw badRequest('Upgrade request required')
}
const upgradeOnly: Verbs = { get: mustUpgrade, create: mustUpgrade }

const table: Record<string, Verbs> = {
  '/namespaces/finalize': { update: finalize },
  '/pods/binding': { create: binding },
  '/pods/attach': upgradeOnly,
  '/pods/eviction': { create: eviction },
  '/pods/exec': upgradeOnly,
  '/pods/log': { get: logs },
  '/pods/portforward': upgradeOnly,
  '/serviceaccounts/token': { create: createToken },
  'apps/deployments/scale': scale,
  'apps/replicasets/scale': scale,
  'apps/statefulsets/scale': scale,
  'certificates.k8s.io/certificatesigningrequests/approval': { get, update: approval.update, patch: approval.patch },
  'certificates.k8s.io/certificatesigningrequests/status': { get, update: csrStatus.update, patch: csrStatus.patch },
}

export function subresourceHandler(
  group: string,
  resource: string,
  subresource: string,
  verb: string,
): Handler | undefined {
  const verbs = table[`${group}/${resource}/${subresource}`] ?? (subresource === 'status' ? status : undefined)
  return verbs?.[verb as keyof Verbs]
}
