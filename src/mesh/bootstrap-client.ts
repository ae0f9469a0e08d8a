/** Applies what `kubeadm init` would, through the apiserver, as its super-admin. */
import { offsetClock } from '#clock.ts'
import { createClientOver } from '#kubernetes/client.ts'
import { silentLog } from '#log.ts'
import { createDialer } from '#tls/dial.ts'
import { applyBootstrap } from './bootstrap.ts'
import { identityOf, rootsOf } from './credentials.ts'
import type { Mesh } from './mesh.ts'

export async function bootstrap(mesh: Mesh): Promise<void> {
  const { layout, state, voice } = mesh
  const name = layout.plan.kubeconfigs.some(row => row.name === 'super-admin.conf') ? 'super-admin.conf' : 'admin.conf'
  const kubeconfig = { name, flag: 'kubeadm --kubeconfig' }
  const dialer = createDialer({
    component: 'kubeadm',
    from: 'kubeadm',
    to: 'kube-apiserver',
    clock: offsetClock(state.clockOffsetMs),
    voice,
    log: silentLog,
    // kubeadm is no row of the table
    records: { write() {}, close: async () => {} },
    identity: identityOf(layout, kubeconfig),
    roots: rootsOf(layout, kubeconfig)!,
  })
  const client = createClientOver({
    dialer,
    server: `https://${layout.host}:${layout.ports['kube-apiserver']}`,
    userAgent: 'kubeadm/trustplane',
  })
  try {
    await applyBootstrap(client, layout, AbortSignal.timeout(5000))
  } finally {
    await client.close()
    await dialer.close()
  }
}
