/** How the scheduler, the controller-manager and etcd are: what componentstatuses asks. */
import { messageOf } from '#errors.ts'
import { memoryBundle } from '#tls/bundle.ts'
import { createDialer } from '#tls/dial.ts'
import type { Dialer } from '#tls/types.ts'
import type { ComponentContext } from '../../component.ts'
import type { Etcd } from '../storage/etcd.ts'

export interface ComponentHealth {
  name: string
  healthy: boolean
  message: string
}

/** Asked with a certificate of nobody, verifying nobody, as pkg/registry/core/componentstatus does: /healthz is open to all. */
export function componentHealth(
  context: ComponentContext,
  etcd: Etcd,
  addresses: { scheduler: string; 'controller-manager': string },
) {
  let dialer: Dialer | undefined
  const ask = async (name: string, address: string): Promise<ComponentHealth> => {
    const url = `https://${address}/healthz`
    dialer ??= createDialer({
      ...context,
      // No row of the connection table: no record.
      records: { write() {}, close: async () => {} },
      component: 'kube-apiserver',
      from: 'kube-apiserver',
      to: name,
      roots: memoryBundle([]),
      insecureSkipVerify: true,
    })
    try {
      const { statusCode, body } = await dialer.agent.request({
        origin: `https://${address}`,
        path: '/healthz',
        method: 'GET',
        signal: AbortSignal.timeout(5000),
      })
      const message = (await body.text()).trim()
      return {
        name,
        healthy: statusCode === 200,
        message: statusCode === 200 ? message : `unhealthy http status code: ${statusCode} with ${message}`,
      }
    } catch (error) {
      return { name, healthy: false, message: `Get ${JSON.stringify(url)}: ${messageOf(error)}` }
    }
  }
  const askEtcd = async (): Promise<ComponentHealth> => {
    try {
      await etcd.range({ key: '/registry/health' })
      return { name: 'etcd-0', healthy: true, message: 'ok' }
    } catch (error) {
      return { name: 'etcd-0', healthy: false, message: messageOf(error) }
    }
  }
  return {
    all: () =>
      Promise.all([
        askEtcd(),
        ask('scheduler', addresses.scheduler),
        ask('controller-manager', addresses['controller-manager']),
      ]).then(found => found.sort((a, b) => (a.name < b.name ? -1 : 1))),
    close: async () => dialer?.close(),
  }
}
