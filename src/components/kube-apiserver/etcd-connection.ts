/** From --etcd-* to connections: mutual TLS, and the wait for etcd at start. */
import { Agent } from 'undici'
import { messageOf, TrustplaneError } from '#errors.ts'
import { pause } from '#kubernetes/backoff.ts'
import { fileBundle } from '#tls/bundle.ts'
import { createDialer } from '#tls/dial.ts'
import { fileIdentity } from '#tls/identity.ts'
import type { ComponentContext } from '../component.ts'
import type { Values } from './flags.ts'
import { Etcd } from './storage/etcd.ts'

/** etcd3's connection timeout in the original: it gives up after this. */
const connectWithinMs = 20_000

export interface EtcdConnection {
  etcd: Etcd
  close(): Promise<void>
}

export function connectEtcd(values: Values, context: ComponentContext): EtcdConnection {
  const endpoints = values['etcd-servers'] ?? []
  if (endpoints.length === 0)
    throw new TrustplaneError('TP_FLAG_INVALID', 'kube-apiserver: --etcd-servers must be specified', {
      fix: 'for example --etcd-servers=https://127.0.0.1:2379',
    })
  if (endpoints.every(endpoint => endpoint.startsWith('http:'))) {
    const agent = new Agent()
    return { etcd: new Etcd({ dispatcher: agent, endpoints }), close: () => agent.destroy() }
  }
  const { log } = context
  const certFile = values['etcd-certfile']
  const keyFile = values['etcd-keyfile']
  const caFile = values['etcd-cafile']
  if (!caFile)
    throw new TrustplaneError('TP_FLAG_INVALID', 'kube-apiserver: --etcd-cafile is needed for https etcd servers', {
      fix: 'give the CA that signed etcd’s serving certificate: --etcd-cafile=pki/etcd/ca.crt',
    })
  // transport.TLSInfo of etcd's client: the certificate is read for every handshake, the CA at start.
  const identity = certFile && keyFile ? fileIdentity({ certFile, keyFile, reload: 'handshake', log }) : undefined
  const roots = fileBundle({ file: caFile, reader: 'etcd', reload: 'start', log })
  const dialer = createDialer({
    ...context,
    component: 'kube-apiserver',
    from: 'kube-apiserver',
    to: 'etcd',
    roots,
    ...(identity ? { identity } : {}),
  })
  return {
    etcd: new Etcd({ dispatcher: dialer.agent, endpoints }),
    async close() {
      identity?.close()
      roots.close()
      await dialer.close()
    },
  }
}

/** @returns the store's revision. @throws Error with the original's last words, when etcd cannot be asked for 20 s */
export async function awaitEtcd(etcd: Etcd, { log }: ComponentContext, signal?: AbortSignal): Promise<number> {
  const until = performance.now() + connectWithinMs
  for (let waitMs = 20; ; waitMs = Math.min(waitMs * 2, 1000)) {
    try {
      return (await etcd.range({ key: '/registry/health' })).revision
    } catch (error) {
      log.warn(
        `grpc: addrConn.createTransport failed to connect to {Addr: ${JSON.stringify(new URL(etcd.endpoint).host)}, }. Err: ${messageOf(error)}`,
      )
      if (performance.now() + waitMs > until || signal?.aborted)
        throw new Error('error creating storage factory: context deadline exceeded', { cause: error })
      await pause(waitMs, signal)
    }
  }
}
