/**
 * bootstrap-signer-controller: signs kube-public/cluster-info with every bootstrap token that may, so that whoever knows a token can
 * trust the CA in it (pkg/controller/bootstrap/bootstrapsigner.go; `kubeadm join` without --discovery-token-ca-cert-hash).
 */
import { createHmac } from 'node:crypto'
import { signingToken } from '#kubernetes/bootstrap-tokens.ts'
import { resources } from '#kubernetes/resources.ts'
import { isConflict, isNotFound } from '#kubernetes/status.ts'
import { WorkQueue } from '../../work-queue.ts'
import type { Controller, ControllerContext } from './controller.ts'

const prefix = 'jws-kubeconfig-'

/** jws.ComputeDetachedSignature: a JWS (RFC 7515, HS256) without its payload. */
export function detachedSignature(content: string, { id, secret }: { id: string; secret: string }): string {
  const encode = (text: string) => Buffer.from(text).toString('base64url')
  const header = encode(JSON.stringify({ alg: 'HS256', kid: id }))
  const signature = createHmac('sha256', secret)
    .update(`${header}.${encode(content)}`)
    .digest('base64url')
  return `${header}..${signature}`
}

export function createBootstrapSigner({ client, informers, log, clock }: ControllerContext): Controller {
  const { clusterInfo, bootstrapTokens } = informers
  const key = 'kube-public/cluster-info'
  const queue = new WorkQueue({
    name: 'bootstrap_signer_queue',
    log,
    workers: 1,
    async sync() {
      const map = clusterInfo.get(key)
      const content = map?.data?.kubeconfig
      if (!map || content === undefined) return
      const before = map.data ?? {}
      const data = Object.fromEntries(Object.entries(before).filter(([name]) => !name.startsWith(prefix)))
      for (const secret of bootstrapTokens.list()) {
        const token = signingToken(secret, clock)
        if (token) data[prefix + token.id] = detachedSignature(content, token)
      }
      const names = Object.keys(data)
      if (names.length === Object.keys(before).length && names.every(name => data[name] === before[name])) return
      await client.update(resources.configmaps, { ...map, data }).catch(error => {
        if (!isConflict(error) && !isNotFound(error)) throw error
      })
    },
  })
  const poke = () => queue.add(key)
  return {
    start() {
      clusterInfo.on('add', poke).on('update', poke)
      bootstrapTokens.on('add', poke).on('update', poke).on('delete', poke)
      poke()
    },
    stop: () => queue.stop(),
  }
}
