/** Config maps that say whom to trust: extension-apiserver-authentication, for servers that delegate to this one; kubeadm's cluster-info, for nodes that join. */

import { randomUUID } from 'node:crypto'
import { time } from '#kubernetes/time.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import { read } from '#tls/identity.ts'
import type { BundleSource } from '#tls/types.ts'
import type { Values } from '../flags.ts'
import { resourceOf } from '../resources/table.ts'
import type { Store } from '../storage/store.ts'
import { keyFor } from '../verbs/keys.ts'

/** controller/clusterauthenticationtrust: written again when the bundles change. */
export function publishAuthentication(
  store: Store,
  values: Values,
  bundles: readonly (BundleSource | undefined)[],
  now: () => Date,
): { written: Promise<void>; stop: () => void } {
  const write = async () => {
    const file = (path: string | undefined) => (path ? read(path) : undefined)
    const clientCa = file(values['client-ca-file'])
    const requestHeaderCa = file(values['requestheader-client-ca-file'])
    const list = (names: readonly string[] | undefined) => JSON.stringify(names ?? [])
    await put(store, 'kube-system', 'extension-apiserver-authentication', now(), {
      ...(clientCa ? { 'client-ca-file': clientCa } : {}),
      ...(requestHeaderCa
        ? {
            'requestheader-allowed-names': list(values['requestheader-allowed-names']),
            'requestheader-client-ca-file': requestHeaderCa,
            'requestheader-extra-headers-prefix': list(values['requestheader-extra-headers-prefix']),
            'requestheader-group-headers': list(values['requestheader-group-headers']),
            'requestheader-uid-headers': list(values['requestheader-uid-headers']),
            'requestheader-username-headers': list(values['requestheader-username-headers']),
          }
        : {}),
    })
  }
  const stops = bundles.map(bundle => bundle?.onChange(() => void write().catch(() => {})))
  return {
    written: write(),
    stop() {
      for (const stop of stops) stop?.()
    },
  }
}

/** kubeadm's phase bootstrap-token: the cluster's address and CA, readable by anybody. Kept when it is there. */
export async function publishClusterInfo(store: Store, values: Values, server: string, now: Date): Promise<void> {
  const ca = values['client-ca-file']
  if (!ca) return
  const kubeconfig = [
    'apiVersion: v1',
    'clusters:',
    '- cluster:',
    `    certificate-authority-data: ${Buffer.from(read(ca), 'latin1').toString('base64')}`,
    `    server: ${server}`,
    '  name: ""',
    'contexts: null',
    'current-context: ""',
    'kind: Config',
    'preferences: {}',
    'users: null',
    '',
  ].join('\n')
  const key = keyFor(resourceOf('', 'configmaps'), 'kube-public', 'cluster-info')
  await store.create(key, configMap('kube-public', 'cluster-info', now, { kubeconfig }))
}

const configMap = (namespace: string, name: string, now: Date, data: Record<string, string>): Unstructured => ({
  kind: 'ConfigMap',
  apiVersion: 'v1',
  metadata: { name, namespace, uid: randomUUID(), creationTimestamp: time(now) },
  data,
})

async function put(
  store: Store,
  namespace: string,
  name: string,
  now: Date,
  data: Record<string, string>,
): Promise<void> {
  await store.update(keyFor(resourceOf('', 'configmaps'), namespace, name), current =>
    current ? { ...current, data } : configMap(namespace, name, now, data),
  )
}
