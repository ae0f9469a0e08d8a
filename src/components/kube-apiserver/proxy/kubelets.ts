/** Connections to kubelets: which address and port a node has, and the client certificate shown there. */
import type { Dispatcher } from 'undici'
import { messageOf } from '#errors.ts'
import { badRequest, failure, notFound, StatusError } from '#kubernetes/status.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import { fileBundle, memoryBundle } from '#tls/bundle.ts'
import { createDialer } from '#tls/dial.ts'
import { joinHostPort } from '#tls/errors.ts'
import { fileIdentity } from '#tls/identity.ts'
import type { Dialer } from '#tls/types.ts'
import type { ComponentContext } from '../../component.ts'
import { array, number } from '../columns/values.ts'
import type { Values } from '../flags.ts'
import { resourceOf } from '../resources/table.ts'
import type { Store } from '../storage/store.ts'
import { keyFor } from '../verbs/keys.ts'

interface KubeletAddress {
  host: string
  port: number
}

export interface Kubelets {
  dialer: Dialer
  /** @throws StatusError 404 without such a node, 400 without a usable address */
  addressOf(node: string): Promise<KubeletAddress>
  /** The answer, whatever its status. @throws StatusError 500 with the transport's words */
  request(
    address: KubeletAddress,
    options: { method: string; path: string; headers?: Record<string, string>; body?: Buffer; signal?: AbortSignal },
  ): Promise<Dispatcher.ResponseData>
  close(): Promise<void>
}

export function connectKubelets(values: Values, context: ComponentContext, store: Store): Kubelets {
  const { log } = context
  const certFile = values['kubelet-client-certificate']
  const keyFile = values['kubelet-client-key']
  const caFile = values['kubelet-certificate-authority']
  // kubelet_client.go sets ReloadTLSFiles: client-go follows the certificate; the CA is read once.
  const identity = certFile && keyFile ? fileIdentity({ certFile, keyFile, reload: 'client-go', log }) : undefined
  const roots = caFile ? fileBundle({ file: caFile, reader: 'client-go', reload: 'start', log }) : memoryBundle([])
  const dialer = createDialer({
    ...context,
    component: 'kube-apiserver',
    from: 'kube-apiserver',
    to: 'kubelet',
    roots,
    ...(identity ? { identity } : {}),
    // Without --kubelet-certificate-authority, kubeadm's default, the original verifies no kubelet (NewKubeletClient: Insecure). The record says so.
    ...(caFile ? {} : { insecureSkipVerify: true }),
  })
  identity?.onChange(() => {
    log.info('Certificate rotation detected, shutting down client connections to start using new credentials')
    dialer.retireConnections()
  })
  const preferred = values['kubelet-preferred-address-types']
  const nodes = resourceOf('', 'nodes')
  return {
    dialer,
    async addressOf(name) {
      const node = await store.read(keyFor(nodes, '', name))
      if (!node) throw notFound(nodes, name)
      return {
        host: hostOf(node, preferred),
        port: number(node, 'status', 'daemonEndpoints', 'kubeletEndpoint', 'Port') || 10250,
      }
    },
    async request(address, { method, path, headers, body, signal }) {
      const origin = `https://${joinHostPort(address.host, address.port)}`
      try {
        return await dialer.agent.request({
          origin,
          path,
          method: method as Dispatcher.HttpMethod,
          bodyTimeout: 0,
          ...(headers ? { headers } : {}),
          ...(body && body.length > 0 ? { body } : {}),
          ...(signal ? { signal } : {}),
        })
      } catch (error) {
        // url.Error of Go's client: `Get "https://…": x509: …`
        const verb = `${method[0]}${method.slice(1).toLowerCase()}`
        throw new StatusError(failure(500, '', `${verb} ${JSON.stringify(`${origin}${path}`)}: ${messageOf(error)}`), {
          cause: error,
        })
      }
    },
    async close() {
      identity?.close()
      roots.close()
      await dialer.close()
    },
  }
}

/** nodeutil.GetPreferredNodeAddress. */
function hostOf(node: Unstructured, preferred: readonly string[]): string {
  const addresses = array<{ type: string; address: string }>(node, 'status', 'addresses')
  for (const type of preferred) {
    const found = addresses.find(address => address.type === type)
    if (found) return found.address
    const label = type === 'Hostname' ? node.metadata.labels?.['kubernetes.io/hostname'] : undefined
    if (label) return label
  }
  const known = addresses.map(({ type, address }) => `{${type} ${address}}`).join(' ')
  throw badRequest(`no preferred addresses found; known addresses: [${known}]`)
}
