/** Applies what `kubeadm init` would, through the apiserver, as its super-admin. */
import { offsetClock } from '#clock.ts'
import { createClient } from '#kubernetes/from-kubeconfig.ts'
import { loadKubeconfig } from '#kubernetes/kubeconfig.ts'
import { silentLog } from '#log.ts'
import { applyBootstrap } from './bootstrap.ts'
import { inDir } from './layout.ts'
import type { Mesh } from './mesh.ts'

export async function bootstrap(mesh: Mesh): Promise<void> {
  const { layout } = mesh
  const name = layout.plan.kubeconfigs.some(row => row.name === 'super-admin.conf') ? 'super-admin.conf' : 'admin.conf'
  const client = createClient({
    kubeconfig: loadKubeconfig(inDir(layout, name)),
    component: 'kubeadm',
    from: 'kubeadm',
    to: 'kube-apiserver',
    clock: offsetClock(mesh.state.clockOffsetMs),
    voice: mesh.voice,
    log: silentLog,
    // kubeadm is no row of the table
    records: { write() {}, close: async () => {} },
  })
  try {
    await applyBootstrap(client, layout, AbortSignal.timeout(5000))
  } finally {
    await client.close()
  }
}
