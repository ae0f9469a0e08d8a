/**
 * What a server that delegates was not told by flags, it takes from kube-apiserver: the ConfigMap extension-apiserver-authentication
 * in kube-system, followed by watch (DelegatingAuthenticationOptions, RequestHeaderAuthRequestController).
 */
import { messageOf } from '#errors.ts'
import type { RequestHeaderOptions } from '#kubernetes/authn.ts'
import type { Client } from '#kubernetes/client.ts'
import { createInformer } from '#kubernetes/informer.ts'
import { resources } from '#kubernetes/resources.ts'
import type { ConfigMap } from '#kubernetes/types.ts'
import type { Log } from '#log.ts'
import { memoryBundle } from '#tls/bundle.ts'
import type { BundleSource } from '#tls/types.ts'

const name = 'extension-apiserver-authentication'

export interface ClusterAuthentication {
  /** Empty until the ConfigMap was read. */
  clientCa: BundleSource
  requestHeader: RequestHeaderOptions
  start(): void
  stop(): Promise<void>
}

export function clusterAuthentication(client: Client, log: Log): ClusterAuthentication {
  const clientCa = memoryBundle([])
  const proxyCa = memoryBundle([])
  let data: Record<string, string> = {}
  const list = (key: string): string[] => {
    try {
      return JSON.parse(data[key] ?? '[]') as string[]
    } catch {
      return []
    }
  }
  const informer = createInformer({
    client,
    resource: resources.configmaps,
    log,
    namespace: 'kube-system',
    fieldSelector: `metadata.name=${name}`,
  })
  const take = (map: ConfigMap) => {
    try {
      clientCa.set(map.data?.['client-ca-file'] ?? '')
      proxyCa.set(map.data?.['requestheader-client-ca-file'] ?? '')
      data = map.data ?? {}
    } catch (error) {
      // what was good stays
      log.error('Unable to use the authentication configmap', messageOf(error), { configMap: `kube-system/${name}` })
    }
  }
  informer.on('add', take).on('update', take)
  return {
    clientCa,
    requestHeader: {
      ca: proxyCa,
      get allowedNames() {
        return list('requestheader-allowed-names')
      },
      get usernameHeaders() {
        return list('requestheader-username-headers')
      },
      get uidHeaders() {
        return list('requestheader-uid-headers')
      },
      get groupHeaders() {
        return list('requestheader-group-headers')
      },
      // read once by the authenticator, so the default that every cluster has
      extraHeadersPrefix: ['x-remote-extra-'],
    },
    start: () => void informer.start(),
    stop: () => informer.stop(),
  }
}
