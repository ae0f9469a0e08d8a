/**
 * Pods are no row of the connection table, but every cluster has them: they talk to the apiserver with their service account's token,
 * and believe what kube-root-ca.crt held when they started. Here one stands for all.
 */
import { createPublicKey } from 'node:crypto'
import { messageOf, TrustplaneError } from '#errors.ts'
import type { Client } from '#kubernetes/client.ts'
import { type Connection, connections } from '#mesh/connections.ts'
import type { Prediction } from '#mesh/predict.ts'
import { verify } from '#x509/verify.ts'
import { blocks, has } from './bundles.ts'

export const podRow: Connection = {
  from: 'pod',
  to: 'kube-apiserver',
  port: 'kube-apiserver',
  serverCertificate: { name: 'apiserver', flag: 'kube-apiserver --tls-cert-file' },
  clientTrust: { name: 'kube-controller-manager.root-ca', flag: 'ConfigMap kube-root-ca.crt' },
  notice: 'pods that talk to the API (operators, CNI, CoreDNS) fail, and their nodes look well',
  // every service account may
  request: { method: 'GET', path: '/api' },
}

/** Every connection that traffic goes over. */
export const trafficRows: readonly Connection[] = [...connections, podRow]

export interface Pod {
  /** ca.crt, as it was when the pod started. */
  ca: string
  /** The public half of the key that its token is signed with. */
  tokenKey: string
  /** Left out in predictions. */
  token?: string
}

export const publicHalf = (key: string): string =>
  createPublicKey(key).export({ format: 'pem', type: 'spki' }).toString()

/**
 * What a pod that starts now is given.
 * @throws TrustplaneError TP_TIMEOUT
 */
export async function startPod(client: Client, tokenKey: string, signal?: AbortSignal): Promise<Pod> {
  const limit = AbortSignal.timeout(30_000)
  const both = signal ? AbortSignal.any([signal, limit]) : limit
  for (;;) {
    let words = ''
    try {
      const ca = await rootCaOf(client, both)
      const token = ca && (await newToken(client, both))
      if (ca && token) return { ca, tokenKey, token }
    } catch (error) {
      words = `: ${messageOf(error)}`
    }
    // the apiserver is just starting again, or the controller-manager makes service accounts and config maps, one after the other
    signal?.throwIfAborted()
    if (limit.aborted) {
      throw new TrustplaneError('TP_TIMEOUT', `no pod got kube-root-ca.crt and a token within 30 s${words}`, {
        fix: 'look at `trustplane status`: the apiserver or the controller-manager is not well',
      })
    }
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

async function rootCaOf(client: Client, signal: AbortSignal): Promise<string | undefined> {
  const path = '/api/v1/namespaces/default/configmaps/kube-root-ca.crt'
  const map = (await (await client.raw({ method: 'GET', path, signal })).json()) as { data?: Record<string, string> }
  return map.data?.['ca.crt']
}

/** TokenRequest, as a kubelet asks for its pods. */
export async function newToken(client: Client, signal: AbortSignal): Promise<string> {
  const answer = await client.raw({
    method: 'POST',
    path: '/api/v1/namespaces/default/serviceaccounts/default/token',
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 3600 } },
    signal,
  })
  const { status, message } = (await answer.json()) as { status?: { token?: string } | string; message?: string }
  if (typeof status === 'object' && status.token) return status.token
  throw new Error(`no token for default/default: ${message ?? `HTTP ${answer.status}`}`)
}

export interface PodSees {
  pod: Pod
  /** What the apiserver shows, PEM. */
  chain: string
  /** What the apiserver checks tokens with, PEM. */
  verificationKeys: string
  host: string
  now: Date
}

export function predictPod({ pod, chain, verificationKeys, host, now }: PodSees): Prediction {
  const { from, to } = podRow
  const verdict = verify({ chain, roots: pod.ca, usage: 'serverAuth', name: host, now })
  if (verdict.verdict === 'reject') {
    const { reason, message } = verdict
    return { from, to, outcome: 'refused', refusedBy: 'client', layer: 'tls', reason, message }
  }
  if (has(blocks(verificationKeys, 'PUBLIC KEY'), pod.tokenKey)) return { from, to, outcome: 'ok' }
  const message = 'invalid bearer token'
  return { from, to, outcome: 'refused', refusedBy: 'server', layer: 'authentication', reason: 'unauthorized', message }
}
