/** Applies what `kubeadm init` would, through the apiserver, as its super-admin. */
import { offsetClock } from '#clock.ts'
import { TrustplaneError } from '#errors.ts'
import { createClientOver } from '#kubernetes/client.ts'
import { silentLog } from '#log.ts'
import { createDialer } from '#tls/dial.ts'
import type { Voice } from '#x509/types.ts'
import { applyBootstrap } from './bootstrap.ts'
import { identityOf, rootsOf } from './credentials.ts'
import { addressOf, type Layout } from './layout.ts'

export interface BootstrapOptions {
  layout: Layout
  clockOffsetMs?: number
  voice?: Voice
}

/** Enough for a machine that starts many containers at once. */
const timeoutMs = 30_000

/** @throws TrustplaneError TP_TIMEOUT */
export async function bootstrap({ layout, clockOffsetMs = 0, voice = 'go1.24' }: BootstrapOptions): Promise<void> {
  const name = layout.plan.kubeconfigs.some(row => row.name === 'super-admin.conf') ? 'super-admin.conf' : 'admin.conf'
  const kubeconfig = { name, flag: 'kubeadm --kubeconfig' }
  const clock = offsetClock(clockOffsetMs)
  const dialer = createDialer({
    component: 'kubeadm',
    from: 'kubeadm',
    to: 'kube-apiserver',
    clock,
    voice,
    log: silentLog,
    // kubeadm is no row of the table
    records: { write() {}, close: async () => {} },
    identity: identityOf(layout, kubeconfig),
    roots: rootsOf(layout, kubeconfig)!,
  })
  const { host, port } = addressOf(layout, 'kube-apiserver')
  const client = createClientOver({
    dialer,
    server: `https://${host}:${port}`,
    userAgent: 'kubeadm/trustplane',
    // a handshake costs more than waiting for one's turn
    connections: 2,
  })
  try {
    await applyBootstrap(client, layout, clock.now(), AbortSignal.timeout(timeoutMs))
  } catch (error) {
    if (!(error instanceof DOMException && error.name === 'TimeoutError')) throw error
    throw new TrustplaneError(
      'TP_TIMEOUT',
      `kube-apiserver at ${host}:${port} did not take the objects within ${timeoutMs / 1000} s`,
      {
        fix: 'look at its log, and call it again: what is there already is left as it is',
        cause: error,
      },
    )
  } finally {
    await client.close()
    await dialer.close()
  }
}
