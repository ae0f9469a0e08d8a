/** ServiceAccount: a pod runs as an account that is there, and finds its token, the cluster's CA and its namespace in a volume. */
import { setTimeout as pause } from 'node:timers/promises'
import { forbidden } from '#kubernetes/status.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import { array, at, text } from '../columns/values.ts'
import { child, list } from '../resources/defaults.ts'
import { resourceOf } from '../resources/table.ts'
import type { Store } from '../storage/store.ts'
import { keyFor } from '../verbs/keys.ts'
import { randomSuffix } from '../verbs/metadata.ts'
import type { Plugin } from './types.ts'

const mountPath = '/var/run/secrets/kubernetes.io/serviceaccount'
/** An account may be made a moment after its namespace: the controller-manager's doing. */
const tries = 10

export function serviceAccount(store: Store): Plugin {
  const accounts = resourceOf('', 'serviceaccounts')
  const find = async (namespace: string, name: string): Promise<Unstructured | undefined> => {
    for (let i = 0; ; i++) {
      const found = await store.read(keyFor(accounts, namespace, name))
      if (found || i === tries) return found
      await pause(100)
    }
  }
  return async ({ definition, operation, subresource, namespace, name, object }) => {
    if (definition.kind !== 'Pod' || operation !== 'CREATE' || subresource !== '' || !object) return
    // A mirror pod says what runs already.
    if (object.metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined) return
    const spec = child(object, 'spec')
    if (!spec.serviceAccountName) spec.serviceAccountName = 'default'
    const wanted = String(spec.serviceAccountName)
    spec.serviceAccount = wanted
    const account = await find(namespace, wanted)
    if (!account)
      throw forbidden(
        definition,
        name,
        `error looking up service account ${namespace}/${wanted}: serviceaccount ${JSON.stringify(wanted)} not found`,
      )
    if (!spec.imagePullSecrets && account.imagePullSecrets) spec.imagePullSecrets = account.imagePullSecrets
    const automount = at(spec, 'automountServiceAccountToken') ?? account.automountServiceAccountToken
    if (automount !== false) mountToken(spec)
  }
}

function mountToken(spec: Record<string, unknown>): void {
  const containers = [...list(spec.containers), ...list(spec.initContainers)]
  const missing = containers.filter(
    container => !array(container, 'volumeMounts').some(mount => text(mount, 'mountPath') === mountPath),
  )
  if (missing.length === 0) return
  const known = list(spec.volumes).find(volume => text(volume, 'name').startsWith('kube-api-access-'))
  const volume = known ?? tokenVolume(`kube-api-access-${randomSuffix()}`)
  if (!known) spec.volumes = [...list(spec.volumes), volume]
  for (const container of missing)
    container.volumeMounts = [...list(container.volumeMounts), { name: volume.name, readOnly: true, mountPath }]
}

/** TokenVolumeSource. */
const tokenVolume = (name: string): Record<string, unknown> => ({
  name,
  projected: {
    sources: [
      { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
      { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
      {
        downwardAPI: {
          items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
        },
      },
    ],
    defaultMode: 420,
  },
})
